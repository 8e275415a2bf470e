# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin.content: blobs by their references."""

from __future__ import annotations

import pytest

from rosin import content
from rosin.constants import FLUX_NODEID_UPSTREAM
from rosin.errors import FormatError
from rosin.rfc import blobref
from rosin.testing import Instance


async def test_a_blob_is_stored_and_loaded() -> None:
    async with Instance(["content"]) as inst:
        h = await inst.connect()
        for blob in (b"", b"some bytes"):
            digest = await content.store_async(h, blob).raw()
            assert digest == blobref.digest(blob)
            assert await content.load_async(h, blobref.blobref(blob)).raw() == blob
            assert await content.load_async(h, digest).raw() == blob


async def test_a_blob_that_is_not_there() -> None:
    async with Instance(["content"]) as inst:
        h = await inst.connect()
        with pytest.raises(FileNotFoundError):
            await content.load_async(h, blobref.blobref(b"nothing")).raw()
        with pytest.raises(FormatError):
            content.load_async(h, "sha1-short")


async def test_a_rank_that_is_not_there() -> None:
    async with Instance(["content"]) as inst:
        h = await inst.connect()
        for nodeid in (1, FLUX_NODEID_UPSTREAM):
            with pytest.raises(OSError, match="No route to host"):
                await content.store_async(h, b"blob", nodeid).raw()
            with pytest.raises(OSError, match="No route to host"):
                await content.load_async(h, blobref.digest(b"blob"), nodeid).raw()
