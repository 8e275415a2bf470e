# SPDX-License-Identifier: LGPL-3.0-or-later
"""What ``rosin account`` prints: rows as JSON and as tables, the tree of banks, jobs, sums."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable


def print_json(rows: list[dict[str, Any]], args: argparse.Namespace, empty: bool = False) -> None:
    """Print *rows*. Raises OSError ENOENT if there are none, unless they may be."""
    import json

    if not rows and not empty:
        raise OSError(errno.ENOENT, f"{args.table} {args.name} not found in {args.table}_table")
    print(json.dumps(rows, indent=2))


def print_table(table: str, rows: list[dict[str, Any]]) -> None:
    """Print *rows*, the columns under their names."""
    if not rows:
        print(f"there is no {table}")
        return
    _columns(list(rows[0]), ([_cell(value) for value in row.values()] for row in rows))


def print_tree(banks: list[dict[str, Any]], users: list[dict[str, Any]], top: str | None) -> None:
    """Print banks and their users, one level a blank further to the right. Raises OSError ENOENT."""
    below: dict[str, list[dict[str, Any]]] = {}
    for bank in banks:
        below.setdefault(bank["parent"], []).append(bank)
    roots = below.get("", []) if top is None else [bank for bank in banks if bank["bank"] == top]
    if top is not None and not roots:
        raise OSError(errno.ENOENT, f"bank {top} not found in bank_table")
    lines, todo = [], [(0, bank) for bank in reversed(roots)]
    while todo:
        level, bank = todo.pop()
        name = " " * level + bank["bank"]
        lines.append([name, "", _active(bank), str(bank["shares"]), _used(bank), ""])
        lines += [
            [
                " " * (level + 1) + user["bank"],
                user["username"],
                _active(user),
                str(user["shares"]),
                _used(user),
                f"{user['fairshare']:.4g}",
            ]
            for user in users
            if user["bank"] == bank["bank"]
        ]
        todo += [(level + 1, child) for child in reversed(below.get(bank["bank"], []))]
    _columns(["Bank", "Username", "Active", "RawShares", "RawUsage", "Fairshare"], lines)


def print_jobs(jobs: list[dict[str, Any]], users: list[dict[str, Any]]) -> None:
    """Print jobs that were."""
    import time

    from rosin.cli.base import id_text

    names = _names(users)
    lines = [
        [
            id_text(job["id"]),
            names.get(job["userid"], str(job["userid"])),
            job["bank"],
            job["queue"],
            *(str(job[unit]) for unit in ("nodes", "cores", "gpus")),
            time.strftime("%FT%T", time.localtime(job["end"])),
            f"{job['end'] - job['start']:.1f}",
            f"{job['usage']:.1f}",
        ]
        for job in jobs
    ]
    _columns(["JOBID", "USER", "BANK", "QUEUE", "NODES", "CORES", "GPUS", "END", "SECONDS", "USAGE"], lines)


def print_report(sums: list[dict[str, Any]], users: list[dict[str, Any]]) -> None:
    """Print what jobs have used together."""
    names = _names(users)
    lines = [
        [
            item["bank"],
            names.get(item["userid"], str(item["userid"])),
            str(item["jobs"]),
            f"{item['node_seconds'] / 3600:.2f}",
        ]
        for item in sums
    ]
    _columns(["BANK", "USER", "JOBS", "NODEHOURS"], lines)


def moment(text: str) -> float:
    """A time that a user wrote. Raises ValueError."""
    from rosin.cli.when import PAST_FORM, parse_time

    try:
        return parse_time(text)
    except ValueError:
        raise ValueError(f"{text}: expected {PAST_FORM}") from None


def _names(users: list[dict[str, Any]]) -> dict[int, str]:
    return {user["userid"]: user["username"] for user in users}


def _active(row: dict[str, Any]) -> str:
    return "1" if row["active"] else "0"


def _used(row: dict[str, Any]) -> str:
    return f"{row['usage']:.1f}"


def _cell(value: Any) -> str:
    if value is None:
        return "unlimited"
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _columns(heads: list[str], lines: Iterable[list[str]]) -> None:
    rows = [heads, *lines]
    widths = [max(len(row[at]) for row in rows) for at in range(len(heads))]
    for number, row in enumerate(rows):
        print(" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
        if not number:
            print("-+-".join("-" * width for width in widths))
