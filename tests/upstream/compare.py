# SPDX-License-Identifier: LGPL-3.0-or-later
"""Prints how the importable ``flux`` differs from the table of flux-core's names, one difference a line.

``python tests/upstream/compare.py``. A call that flux-core takes must be taken: the same parameters in the
same order, with defaults where there they have some; further ones with defaults may follow.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from collect import describe, star  # type: ignore[import-not-found]

TABLE = Path(__file__).with_name("names.txt")


def parameters(signature: str) -> list[str]:
    return signature.strip("()").split(", ") if signature.strip("()") else []


def takes(theirs: str, ours: str) -> bool:
    """Whether all calls that fit one signature fit the other."""
    if theirs == ours or "(?)" in (theirs, ours) or "*args" in theirs or "*args, **kwargs" in ours:
        return True
    wanted, given = parameters(theirs), parameters(ours)
    for position, parameter in enumerate(wanted):
        if parameter.startswith("**"):
            continue
        if position >= len(given):
            return any(word.startswith("**") for word in given)
        name, _, default = parameter.partition("=")
        own_name, _, own_default = given[position].partition("=")
        if name != own_name or (default and not own_default) or (default and not same(default, own_default)):
            return False
    return all("=" in word or word.startswith("*") for word in given[len(wanted) :])


def same(default: str, own: str) -> bool:
    if "..." in (default, own):
        return True
    try:
        return float(default) == float(own)
    except ValueError:
        return default == own


def differences() -> list[str]:
    found = []
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
        if kind == "star":
            gone = sorted(set((rest or [""])[0].split()) - set(star(module)))
            found += [f"{module_name} * {item}" for item in gone]
            continue
        owner = module
        *path, last = name.split(".")
        try:
            for part in path:
                owner = getattr(owner, part)
            own = describe(owner, last)
        except AttributeError:
            found.append(f"{module_name} {name} missing")
            continue
        own_kind, _, own_rest = own.partition(" ")
        if own_kind != kind and {own_kind, kind} != {"value", "property"}:
            if {own_kind, kind} != {"class", "function"}:
                found.append(f"{module_name} {name} {kind}, not {own_kind}")
        elif kind in ("class", "function") and not takes((rest or [""])[0], own_rest):
            found.append(f"{module_name} {name}{(rest or [''])[0]}, not {own_rest}")
        elif kind == "value" and rest and rest[0] != own_rest:
            found.append(f"{module_name} {name} {rest[0]}, not {own_rest}")
    return found


if __name__ == "__main__":
    print("\n".join(differences()))
