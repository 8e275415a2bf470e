# SPDX-License-Identifier: LGPL-3.0-or-later
"""CURVE certificates (ZeroMQ RFC 26): by its key pair a broker knows the brokers next to it.

The file is the one that ``flux keygen`` writes and flux-core reads: two sections of ZPL (ZeroMQ RFC 4), and
of ZPL no more than that.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import struct
from typing import TYPE_CHECKING

from rosin.errors import FormatError, needs_package

try:
    import zmq
    from zmq.utils import z85
except ImportError:
    raise needs_package("a certificate", "pyzmq", "overlay") from None

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bytes of a file, and characters of a line of it, that are read; flux-core reads lines as long.
_MAX_FILE = 1 << 16
_MAX_LINE = 254
_KEY_SIZE = 32
_HEAD = "#  ZeroMQ CURVE **Secret** Certificate\n#  DO NOT DISTRIBUTE\n\n"
_NAME = re.compile(r"[A-Za-z0-9.-]+")
#: What flux-core takes as the value of metadata.
_VALUE = re.compile(r"[A-Za-z0-9.:+=^!/*?&<>()\[\]{}@%$# \t-]*")
_ENTRY = re.compile(r'([^=]*?)\s*=\s*"([^"]*)"')


class BrokerCertificate:
    """A CURVE key pair (Z85 text) with metadata, of which ``name`` is what logs call its owner.

    Raises FormatError if the keys are no pair.
    """

    __slots__ = ("metadata", "public", "secret")

    def __init__(self, public: str, secret: str, metadata: Mapping[str, str] | None = None) -> None:
        _check_key("public", public)
        _check_key("secret", secret)
        if zmq.curve_public(secret.encode()).decode() != public:
            raise FormatError("certificate: public-key and secret-key are no pair")
        self.public = public
        self.secret = secret
        self.metadata = dict(metadata or ())

    def __repr__(self) -> str:
        return f"<BrokerCertificate {self.public}>"

    @classmethod
    def generate(cls, metadata: Mapping[str, str] | None = None) -> BrokerCertificate:
        """A certificate with new keys."""
        public, secret = zmq.curve_keypair()
        return cls(public.decode(), secret.decode(), metadata)

    @classmethod
    def decode(cls, text: str) -> BrokerCertificate:
        """The certificate that a file has. Raises FormatError."""
        sections = _sections(text)
        curve = sections["curve"]
        for key in ("public-key", "secret-key"):
            if key not in curve:
                raise FormatError(f"certificate: {key} is missing")
        if len(curve) > 2:
            raise FormatError("certificate: only public-key and secret-key are known in section curve")
        return cls(curve["public-key"], curve["secret-key"], sections["metadata"])

    def encode(self) -> str:
        """The text of a file. Raises FormatError for metadata that could not be read again."""
        for key, value in self.metadata.items():
            check_metadata(key, value)
        lines = [f'    {key} = "{value}"\n' for key, value in self.metadata.items()]
        keys = f'    public-key = "{self.public}"\n    secret-key = "{self.secret}"\n'
        return f"{_HEAD}metadata\n{''.join(lines)}curve\n{keys}"

    @classmethod
    def read(cls, path: str) -> BrokerCertificate:
        """Read a file. Raises OSError: EPERM if others than its owner could, EINVAL for what it holds."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            mode = os.fstat(fd).st_mode
            if not stat.S_ISREG(mode):
                raise OSError(errno.EINVAL, f"certificate {path}: not a regular file")
            if mode & 0o066:
                raise OSError(
                    errno.EPERM, f"certificate {path}: open to group or others; do: chmod 600 {path}"
                )
            data = file.read(_MAX_FILE + 1)
        try:
            if len(data) > _MAX_FILE:
                raise FormatError(f"certificate: more than {_MAX_FILE} bytes")
            return cls.decode(data.decode())
        except UnicodeDecodeError:
            raise OSError(errno.EINVAL, f"certificate {path}: not UTF-8 text") from None
        except FormatError as exc:
            raise OSError(errno.EINVAL, str(exc).replace("certificate", f"certificate {path}", 1)) from None

    def write(self, path: str) -> None:
        """Write a file that only its owner can read, in place of another one. Raises OSError, FormatError."""
        data = self.encode().encode()
        if os.path.exists(path) and not os.path.isfile(path):  # a terminal, a pipe
            with open(path, "wb") as file:
                file.write(data)
            return
        path = os.path.realpath(path)
        fresh = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            with open(os.open(fresh, flags, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, path)
        except OSError as exc:
            if os.path.lexists(fresh):
                os.unlink(fresh)
            raise OSError(exc.errno, exc.strerror, path) from None


def check_metadata(key: str, value: str) -> None:
    """Raise FormatError for metadata that flux-core would not read again."""
    if not _NAME.fullmatch(key):
        raise FormatError(f"metadata: key '{key}' is not made of letters, digits, '.' and '-'")
    if not _VALUE.fullmatch(value) or len(key) + len(value) > _MAX_LINE - 16:
        allowed = "letters, digits, spaces and .-:+=^!/*?&<>()[]{}@%$#"
        raise FormatError(f"metadata: value of {key} is not at most 200 {allowed}: '{value}'")


def decode_key(key: str) -> bytes:
    """The 32 bytes of a key's Z85 text. Raises FormatError."""
    _check_key("public", key)
    return z85.decode(key.encode())


def _check_key(half: str, key: str) -> None:
    try:
        good = len(key) == _KEY_SIZE * 5 // 4 and len(z85.decode(key.encode("ascii"))) == _KEY_SIZE
    except (KeyError, ValueError, struct.error):
        good = False
    if not good:
        raise FormatError(f"certificate: {half}-key is not 40 characters of Z85")


def _sections(text: str) -> dict[str, dict[str, str]]:
    sections: dict[str, dict[str, str]] = {"metadata": {}, "curve": {}}
    section = None
    for number, line in enumerate(text.split("\n"), 1):
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        entry = _ENTRY.fullmatch(words)
        if line[0] not in " \t" and words in sections:
            section = sections[words]
        elif section is None or entry is None or line[0] not in " \t" or len(line) > _MAX_LINE:
            raise FormatError(f'certificate: line {number} is neither a section nor KEY = "VALUE" in one')
        elif entry[1] in section:
            raise FormatError(f"certificate: line {number}: {entry[1]} is there twice")
        else:
            section[entry[1]] = entry[2]
    return sections
