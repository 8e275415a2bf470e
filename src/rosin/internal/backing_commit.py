# SPDX-License-Identifier: LGPL-3.0-or-later
"""The payload of ``content-backing.commit``: what one KVS transaction wants stored, all or nothing of it.

A private message from the KVS or the content service to the backing store. It carries blobs, perhaps
one journal record and perhaps a checkpoint, which are stored in one transaction; the answer comes after.
One message, raw: a length, a JSON header, the digests, the journal record, then the blobs.

The journal holds the operations of the transactions since the newest checkpoint. With it an acknowledged
commit is durable although the directories that it changed are only written now and then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class BackingCommit:
    """Blobs with their digests, and optionally a journal record and a checkpoint.

    *journal* is ``(sequence, base, record)``: the root sequence number after the transaction, the root
    reference before it, and the encoded operations. *checkpoint* is the object of ``content.checkpoint-put``;
    storing it removes the journal records up to its sequence number.
    """

    __slots__ = ("blobs", "checkpoint", "digests", "journal")

    def __init__(
        self,
        digests: Sequence[bytes] = (),
        blobs: Sequence[bytes] = (),
        journal: tuple[int, str, bytes] | None = None,
        checkpoint: dict[str, Any] | None = None,
    ) -> None:
        self.digests = digests
        self.blobs = blobs
        self.journal = journal
        self.checkpoint = checkpoint

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Pairs of digest and blob."""
        return zip(self.digests, self.blobs, strict=True)

    def encode(self) -> bytes:
        """The payload."""
        header: dict[str, Any] = {"sizes": [len(blob) for blob in self.blobs]}
        if self.digests:
            header["digest"] = len(self.digests[0])
        record = b""
        if self.journal is not None:
            sequence, base, record = self.journal
            header["journal"] = [sequence, base, len(record)]
        if self.checkpoint is not None:
            header["checkpoint"] = self.checkpoint
        text = _json.dumps(header)
        return b"".join((len(text).to_bytes(4, "little"), text, *self.digests, record, *self.blobs))


def decode(payload: bytes) -> BackingCommit:
    """Decode the payload. Raises FormatError."""
    try:
        at = 4 + int.from_bytes(payload[:4], "little")
        header = _json.loads(payload[4:at])
        sizes, width = header["sizes"], header.get("digest", 0)
        digests = [payload[at + i * width : at + (i + 1) * width] for i in range(len(sizes))]
        at += width * len(sizes)
        journal = None
        if "journal" in header:
            sequence, base, size = header["journal"]
            journal = (sequence, base, payload[at : at + size])
            at += size
        blobs = []
        for size in sizes:
            blobs.append(payload[at : at + size])
            at += size
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"content-backing.commit: malformed: {error}") from None
    if at != len(payload):
        raise FormatError(f"content-backing.commit: expected {at} bytes, got {len(payload)}")
    return BackingCommit(digests, blobs, journal, header.get("checkpoint"))
