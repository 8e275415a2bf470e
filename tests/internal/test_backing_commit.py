# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a transaction hands to the backing store."""

import pytest

from rosin.errors import FormatError
from rosin.internal.backing_commit import BackingCommit, decode
from rosin.rfc import blobref


def batch(*blobs, **options):
    return BackingCommit([blobref.digest(blob) for blob in blobs], blobs, **options)


def test_round_trip():
    one = batch(b"", b"a" * 1000, journal=(7, "base", b"[]"), checkpoint={"sequence": 7})
    two = decode(one.encode())
    assert list(two.items()) == list(one.items())
    assert (two.journal, two.checkpoint) == (one.journal, one.checkpoint)
    assert list(decode(BackingCommit().encode()).items()) == []
    for damaged in (b"", b"\xff\xff\xff\xff", one.encode()[:-1], one.encode() + b"x", b"\2\0\0\0[]"):
        with pytest.raises(FormatError):
            decode(damaged)
