# SPDX-License-Identifier: LGPL-3.0-or-later
"""``make mutants``: do the tests of the files that changed notice when they are wrong?

Each mutant of a changed file is tried, with the tests that tests/sources.py names, in a copy of the tree.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutation.mutate import Mutant, mutants
from tests.sources import covering

PACKAGE = Path("src", "rosin")
COPIED = ("src", "tests", "docs", "dropin", "examples", "benchmarks", "pyproject.toml")


def main(argv: list[str] | None = None) -> int:
    """Try the mutants; 1 when one survives, 2 when the tests fail without any."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--base", default="HEAD~1", help="mutate files that differ from this revision")
    parser.add_argument("--limit", type=int, default=40, help="mutants per file at most, spread over it")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for the tests of one mutant")
    parser.add_argument("--root", type=Path, default=Path(), help="the tree (default: here)")
    parser.add_argument("files", nargs="*", help="mutate these instead")
    args = parser.parse_args(argv)
    if args.limit < 1 or args.timeout <= 0:
        parser.error("--limit and --timeout must be positive")
    root = args.root.resolve()
    survivors = 0
    with tempfile.TemporaryDirectory(prefix="rosin-mutants-") as name:
        copy = Path(name)
        for part in COPIED:
            if (root / part).is_dir():
                shutil.copytree(root / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
            elif (root / part).exists():
                shutil.copy(root / part, copy / part)
        for file in args.files or _changed(root, args.base):
            outcome = _try_file(copy, file, args.limit, args.timeout)
            if outcome is None:
                return 2
            survivors += outcome
    print(f"{survivors} survived")
    return 1 if survivors else 0


def _changed(root: Path, base: str) -> list[str]:
    command = ["git", "diff", "--name-only", "--diff-filter=d", base, "--", f"{PACKAGE}/*.py"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"make mutants: {run.stderr.strip().splitlines()[0]}: name a revision, as in BASE=HEAD~3")
    return run.stdout.split()


def _try_file(copy: Path, file: str, limit: int, timeout: float) -> int | None:
    """How many mutants of *file* survive its tests; None when these fail without a change."""
    path = copy / file
    tests = covering(str(Path(file).relative_to(PACKAGE)), copy)
    if not tests:
        print(f"{file}: has no tests: see tests/sources.py")
        return None
    original = path.read_text()
    if not _pass(copy, tests, timeout):
        print(f"{file}: its tests fail without a mutant, or take longer than {timeout:g}s")
        return None
    survivors = 0
    try:
        for mutant in _spread(list(mutants(original)), limit):
            path.write_text(mutant.source)
            survived = _pass(copy, tests, timeout)
            survivors += survived
            print(f"{'survived' if survived else 'killed'} {file}:{mutant.line}: {mutant.text}", flush=True)
    finally:
        path.write_text(original)
    return survivors


def _spread(all: list[Mutant], limit: int) -> list[Mutant]:
    """At most *limit* of them, from every part of the file."""
    all.sort(key=lambda mutant: mutant.line)
    return [all[at * len(all) // limit] for at in range(limit)] if len(all) > limit else all


def _pass(copy: Path, tests: list[Path], timeout: float) -> bool:
    """Whether the tests pass with the copy's sources; a run that takes too long has noticed."""
    command = [sys.executable, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *map(str, tests)]

    environment = {**_environment(), "PYTHONPATH": str(copy / "src")}
    run = subprocess.Popen(
        command,
        cwd=copy,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return run.wait(timeout) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        _end(run)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}


def _end(run: subprocess.Popen[bytes]) -> None:
    """End the session of *run*: what its tests started as well."""
    try:
        os.killpg(run.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    run.wait()


if __name__ == "__main__":
    sys.exit(main())
