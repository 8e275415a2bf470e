# SPDX-License-Identifier: LGPL-3.0-or-later
"""The process table of a job (what debuggers know as MPIR_proctable), in the compact form of flux-core.

A table is an object of five lists of equal length, one entry per task: ``ids`` (task ranks), ``hosts``,
``executables``, ``pids`` and ``ranks`` (of the brokers). Neighbours are alike, so each list is written as
runs.
"""

from __future__ import annotations

from typing import Any

from rosin.errors import FormatError
from rosin.rfc.payload import field

#: A task: rank, host, program, process id, broker rank.
Row = tuple[int, str, str, int, int]

#: Entries that a table may have: a few bytes can stand for any number of them.
MAX_ENTRIES = 1 << 24
_SUFFIX_MAX = 0x7FFFFFFF


def encode(rows: list[Row]) -> dict[str, Any]:
    """The table of these tasks, in this order."""
    ids, hosts, programs, pids, ranks = zip(*rows, strict=True) if rows else ((),) * 5
    return {
        "hosts": encode_strings(hosts),
        "executables": encode_strings(programs),
        "ids": encode_numbers(ids),
        "pids": encode_numbers(pids),
        "ranks": encode_numbers(ranks),
    }


def decode(table: Any) -> list[Row]:
    """The tasks of a table. Raises FormatError."""
    ids = decode_numbers(field(table, "ids", list))
    pids = decode_numbers(field(table, "pids", list))
    hosts = decode_strings(field(table, "hosts", list))
    programs = decode_strings(field(table, "executables", list))
    ranks = decode_numbers(field(table, "ranks", list, [])) or [-1] * len(ids)
    if not len(ids) == len(pids) == len(hosts) == len(programs) == len(ranks):
        raise FormatError("proctable: the lists differ in length")
    return list(zip(ids, hosts, programs, pids, ranks, strict=True))


# --- numbers


def encode_numbers(numbers: Any) -> list[Any]:
    """Runs of numbers.

    A run is ``[first, count]``: ``first`` is relative to the last number before it, and ``count`` more
    follow, each one larger; a negative count repeats ``first`` so often. A third number repeats the whole
    run. A bare number stands alone.
    """
    result: list[Any] = []
    last = 0
    for first, count in _runs(numbers):
        run = [first - last, count]
        last = first + max(count, 0)
        if not count:
            result.append(run[0])
        elif result and isinstance(result[-1], list) and result[-1][:2] == run:
            result[-1][2:] = [result[-1][2] + 1 if len(result[-1]) == 3 else 1]
        else:
            result.append(run)
    return result


def _runs(numbers: Any) -> list[tuple[int, int]]:
    """(first number, how many more): positive for rising, negative for equal ones."""
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs:
            first, count = runs[-1]
            if count >= 0 and number == first + count + 1:
                runs[-1] = (first, count + 1)
                continue
            if count <= 0 and number == first:
                runs[-1] = (first, count - 1)
                continue
        runs.append((number, 0))
    return runs


def decode_numbers(runs: list[Any], before: int = 0) -> list[int]:
    """The numbers that a list of runs stands for; see :func:`encode_numbers`.

    Raises FormatError, also when they and the *before* that a table has already are more than MAX_ENTRIES."""
    result: list[int] = []
    last = 0
    for run in runs:
        words = run if isinstance(run, list) else [run, 0]
        if not 2 <= len(words) <= 3 or not all(type(word) is int for word in words):
            raise FormatError(f"proctable: {run!r} is no run of numbers")
        delta, count, repeat = (*words, 0)[:3]
        if repeat < 0:
            raise FormatError(f"proctable: {run!r} is no run of numbers")
        if before + len(result) + (abs(count) + 1) * (repeat + 1) > MAX_ENTRIES:
            raise FormatError(f"proctable: more than {MAX_ENTRIES} entries")
        for _ in range(repeat + 1):
            first = last + delta
            result += [first] * (1 - count) if count < 0 else range(first, first + count + 1)
            last = first + max(count, 0)
    return result


# --- strings


def encode_strings(strings: Any) -> list[Any]:
    """Groups of strings.

    A group is ``[prefix, runs]``: each number of ``runs`` is appended to the prefix, -1 stands for the prefix
    alone. A bare string stands for itself.
    """
    groups: list[tuple[str, list[int]]] = []
    for text in strings:
        prefix, suffix = _split(text)
        if groups and groups[-1][0] == prefix:
            groups[-1][1].append(suffix)
        else:
            groups.append((prefix, [suffix]))
    return [_group(prefix, suffixes) for prefix, suffixes in groups]


def _group(prefix: str, suffixes: list[int]) -> Any:
    # A reader splits a bare string again, so one whose number is too large for it must not stand bare.
    if len(suffixes) > 1 or (suffixes[0] < 0 and prefix[-1:].isdigit()):
        return [prefix, encode_numbers(suffixes)]
    return prefix if suffixes[0] < 0 else f"{prefix}{suffixes[0]}"


def _split(text: str) -> tuple[str, int]:
    """``node012`` as ``("node0", 12)``: leading zeros belong to the prefix, since a number has none."""
    prefix = text.rstrip("0123456789")
    digits = text[len(prefix) :]
    number = digits.lstrip("0") or digits[-1:]
    if not number or int(number[:11]) > _SUFFIX_MAX:
        return text, -1
    return text[: len(text) - len(number)], int(number)


def decode_strings(groups: list[Any]) -> list[str]:
    """The strings that a list of groups stands for; see :func:`encode_strings`. Raises FormatError."""
    result: list[str] = []
    for group in groups:
        if isinstance(group, str):
            result.append(group)
            continue
        if not isinstance(group, list) or len(group) != 2 or not isinstance(group[0], str):
            raise FormatError(f"proctable: {group!r} is no group of strings")
        prefix, runs = group
        numbers = decode_numbers(runs if isinstance(runs, list) else [runs], len(result))
        result += [prefix if number < 0 else f"{prefix}{number}" for number in numbers]
    return result
