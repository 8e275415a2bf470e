# SPDX-License-Identifier: LGPL-3.0-or-later
"""Prints how the importable ``flux`` differs from the table of flux-core's names, one difference a line.

``python tests/upstream/compare.py``. A call that flux-core takes must be taken: the same parameters in the
same order, with defaults where there they have some; further ones with defaults may follow.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

sys.path.insert(0, str(Path(__file__).parent))

from collect import attributes, bases, describe, protocol  # type: ignore[import-not-found]

TABLE = Path(__file__).with_name("names.txt")


def parameters(signature: str) -> tuple[list[str], dict[str, str], dict[str, str]]:
    """The words of a signature that are given in order, those by name alone, and ``*`` and ``**`` words."""
    ordered: list[str] = []
    named: dict[str, str] = {}
    rest: dict[str, str] = {}
    body = signature.strip("()")
    for word in body.split(", ") if body else []:
        if word == "/":
            continue
        if word.startswith("*"):
            rest["**" if word.startswith("**") else "*"] = word
        elif "*" in rest:
            named[word.partition("=")[0]] = word
        else:
            ordered.append(word)
    return ordered, named, rest


def fits(theirs: str, ours: str) -> bool:
    """Whether a parameter may be left out where theirs may, with the same meaning."""
    default, own_default = theirs.partition("=")[2], ours.partition("=")[2]
    return not default or (bool(own_default) and same(default, own_default))


def takes(theirs: str, ours: str) -> bool:
    """Whether all calls that fit one signature fit the other."""
    if theirs == ours or "(?)" in (theirs, ours) or "*args" in theirs:
        return True
    wanted, wanted_named, wanted_rest = parameters(theirs)
    given, given_named, given_rest = parameters(ours)
    own_words = {word.partition("=")[0]: word for word in given} | given_named
    for position, word in enumerate(wanted):
        name = word.partition("=")[0]
        if position < len(given):
            if given[position].partition("=")[0] != name or not fits(word, given[position]):
                return False
        elif not {"*", "**"} <= given_rest.keys():
            return False
    for name, word in wanted_named.items():
        if not fits(word, own_words.get(name, "" if "**" in given_rest else "!")) and "**" not in given_rest:
            return False
        if name not in own_words and "**" not in given_rest:
            return False
    if any(word not in given_rest for word in wanted_rest):
        return False
    further = [
        *given[len(wanted) :],
        *(word for name, word in given_named.items() if name not in wanted_named),
    ]
    return all("=" in word or word.partition("=")[0] in wanted_named for word in further)


def same(default: str, own: str) -> bool:
    if "..." in (default, own):
        return True
    try:
        return float(default) == float(own)
    except ValueError:
        return default == own


def inner(module: ModuleType, path: list[str]) -> Any:
    owner: Any = module
    for part in path:
        owner = getattr(owner, part)
    return owner


def gone(module: ModuleType, name: str, kind: str, words: list[str]) -> list[str]:
    """Which of several words of the table are not there."""
    if kind == "star":
        return sorted(set(words) - {word for word in words if hasattr(module, word)})
    found = bases if kind == "bases" else protocol
    return [word for word in words if word not in found(inner(module, name.split(".")))]


def difference(module: ModuleType, name: str, kind: str, rest: str) -> list[str]:
    """How a line of the table does not hold."""
    *path, last = name.split(".")
    try:
        if kind in ("star", "bases", "protocol"):
            return [
                f"{module.__name__} {name} {kind} {word}" for word in gone(module, name, kind, rest.split())
            ]
        if kind == "from":
            return [] if hasattr(module, name) else [f"{module.__name__} {name} from {rest}"]
        owner = inner(module, path)
        if path and inspect.isclass(owner) and last in attributes(owner) and kind != "function":
            return []
        own = describe(owner, last)
    except AttributeError:
        return [f"{module.__name__} {name} missing"]
    own_kind, _, own_rest = own.partition(" ")
    if own_kind != kind and not {own_kind, kind} <= {"value", "property", "attribute"}:
        return (
            []
            if {own_kind, kind} == {"class", "function"}
            else [f"{module.__name__} {name} {kind}, not {own_kind}"]
        )
    if kind in ("class", "function") and not takes(rest, own_rest):
        return [f"{module.__name__} {name}{rest}, not {own_rest}"]
    if kind == own_kind == "value" and rest and rest != own_rest:
        return [f"{module.__name__} {name} {rest}, not {own_rest}"]
    return []


def differences() -> list[str]:
    found: list[str] = []
    missing_module = ""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        module_name, name, kind, *rest = line.split(" ", 3)
        if module_name == missing_module:
            continue
        try:
            module = importlib.import_module(module_name)
        except ImportError:
            missing_module = module_name
            found.append(f"{module_name}: no such module")
            continue
        found += difference(module, name, kind, "".join(rest))
    return found


if __name__ == "__main__":
    print("\n".join(differences()))
