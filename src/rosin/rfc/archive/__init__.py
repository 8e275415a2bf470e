# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 37: archives of files, directories and symbolic links as JSON."""

from rosin.rfc.archive.archive import (
    blobvec,
    decode,
    decode_text,
    directory,
    encode,
    encode_dict,
    file,
    json_file,
    symlink,
)
from rosin.rfc.archive.entry import BASE64, BLOBVEC, JSON_NULL, UTF8, Entry
from rosin.rfc.archive.rules import ENCODINGS, MAX_SIZE, clean_path

__all__ = [
    "BASE64",
    "BLOBVEC",
    "ENCODINGS",
    "JSON_NULL",
    "MAX_SIZE",
    "UTF8",
    "Entry",
    "blobvec",
    "clean_path",
    "decode",
    "decode_text",
    "directory",
    "encode",
    "encode_dict",
    "file",
    "json_file",
    "symlink",
]
