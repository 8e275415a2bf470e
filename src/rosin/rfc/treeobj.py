# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 11: KVS tree objects, version 1.

A tree object is a plain dict ``{"ver": 1, "type": T, "data": D}``, where T is ``val``, ``valref``, ``dir``,
``dirref`` or ``symlink``. (``hdir`` is reserved by the RFC and implemented by nobody.) Objects that were
decoded may be shared: treat them as read-only.
"""

from __future__ import annotations

from rosin import _base64, _json
from rosin.errors import FormatError
from rosin.rfc import blobref
from rosin.rfc.payload import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    TreeObj = dict[str, Any]


def val(data: bytes | bytearray | memoryview) -> TreeObj:
    """An inline value."""
    return {"ver": 1, "type": "val", "data": _base64.encode(data)}


def valref(refs: Sequence[str]) -> TreeObj:
    """A value that is the concatenation of the blobs *refs*."""
    return {"ver": 1, "type": "valref", "data": list(refs)}


def dirobj(entries: dict[str, Any] | None = None) -> TreeObj:
    """A directory: names to tree objects. The dict is taken over, not copied."""
    return {"ver": 1, "type": "dir", "data": {} if entries is None else entries}


def dirref(ref: str) -> TreeObj:
    """A directory whose encoded ``dir`` object is the blob *ref*."""
    return {"ver": 1, "type": "dirref", "data": [ref]}


def symlink(target: str, namespace: str | None = None) -> TreeObj:
    """A link to the key *target*, in *namespace* or else the namespace of the link."""
    data = {"target": target} if namespace is None else {"namespace": namespace, "target": target}
    return {"ver": 1, "type": "symlink", "data": data}


def encode(obj: TreeObj) -> bytes:
    """Encode to the canonical form that blobrefs are computed from: compact, sorted keys, no final NUL."""
    return _json.dumps_sorted(obj)


def decode(data: bytes | str) -> TreeObj:
    """Decode and validate a tree object. Raises FormatError."""
    try:
        obj = _json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"treeobj: not valid JSON: {error}") from None
    validate(obj)
    return obj  # type: ignore[no-any-return]


def val_data(obj: TreeObj) -> bytes:
    """Return the bytes of a ``val`` object. Raises FormatError."""
    try:
        if obj["type"] != "val":
            raise FormatError(f"treeobj: expected a val, got a {describe(obj['type'])}")
        return _base64.decode(obj["data"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError("treeobj: val: data is not base64 text") from None


def validate(obj: Any) -> None:
    """Check *obj* and, when it is a directory, everything inside. FormatError names place and cause.

    The base64 text of a large value is checked only when :func:`val_data` decodes it.
    """
    try:
        entries = _check(obj)
    except _Invalid as error:
        raise FormatError(f"treeobj: {error}") from None
    if not entries:
        return
    # Directories are walked with a stack, not by recursion: their depth is the sender's choice.
    todo: list[tuple[dict[str, Any], tuple[Any, ...] | None]] = [(entries, None)]
    while todo:
        entries, path = todo.pop()
        name = ""
        try:
            for name, entry in entries.items():
                inner = _check(entry)
                if inner:
                    todo.append((inner, (path, name)))
        except _Invalid as error:
            raise FormatError(f"treeobj: {_path(path, name)}: {error}") from None


_CHECKED_VAL = 4096


class _Invalid(FormatError):
    """A fault whose place the walker adds."""


def _path(path: tuple[Any, ...] | None, name: str) -> str:
    parts = [name]
    while path is not None:
        path, name = path
        parts.append(name)
    return ".".join(reversed(parts))


def _check(obj: Any) -> dict[str, Any] | None:
    """Check one object without its children. Returns the entries of a directory."""
    try:
        ver = obj["ver"]
        if ver == 1 and type(ver) is int and len(obj) == 3:
            return _CHECKERS[obj["type"]](obj["data"])
    except (KeyError, TypeError, IndexError):
        pass  # told below
    raise _explain(obj)


def _explain(obj: Any) -> _Invalid:
    """Tell what is wrong with an object whose data need not be looked at."""
    if type(obj) is not dict:
        return _Invalid(f"expected an object, got {describe(obj)}")
    kind, ver = obj.get("type"), obj.get("ver")
    if type(kind) is not str or kind not in _CHECKERS:
        return _Invalid(f"unknown type {describe(kind)}")
    if ver != 1 or type(ver) is not int:
        return _Invalid(f"expected ver 1, got {describe(ver)}")
    return _Invalid("expected exactly the keys ver, type and data")


def _check_val(data: Any) -> None:
    try:
        if type(data) is str and len(data) % 4 == 0:
            if len(data) <= _CHECKED_VAL:
                _base64.decode(data)
            return
    except ValueError:
        pass  # told below, as for data that is no text
    raise _Invalid("val: data is not base64 text")


def _check_refs(kind: str, data: Any) -> None:
    if type(data) is not list or not data:
        raise _Invalid(f"{kind}: expected a non-empty array of blobrefs, got {describe(data)}")
    for ref in data:
        if not blobref.is_valid(ref):
            raise _Invalid(f"{kind}: invalid blobref {describe(ref)}")


def _check_valref(data: Any) -> None:
    _check_refs("valref", data)


def _check_dirref(data: Any) -> None:
    _check_refs("dirref", data)
    if len(data) != 1:
        raise _Invalid(f"dirref: expected one blobref, got {len(data)}")


def _check_dir(data: Any) -> dict[str, Any]:
    if type(data) is not dict:
        raise _Invalid(f"dir: expected an object of entries, got {describe(data)}")
    return data


def _check_symlink(data: Any) -> None:
    if type(data) is not dict or type(data.get("target")) is not str:
        raise _Invalid("symlink: expected data with a string 'target'")
    if "namespace" in data and type(data["namespace"]) is not str:
        raise _Invalid(f"symlink: expected a string 'namespace', got {describe(data['namespace'])}")


_CHECKERS: dict[str, Callable[[Any], dict[str, Any] | None]] = {
    "val": _check_val,
    "valref": _check_valref,
    "dir": _check_dir,
    "dirref": _check_dirref,
    "symlink": _check_symlink,
}
