# SPDX-License-Identifier: LGPL-3.0-or-later
"""``python examples/ecosystem/run.py [PROGRAM...]``: run the workflows, each in an environment of its own.

Prints a table and ends with 1 if one has failed. Environments are made once, in build/ecosystem.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENTS = ROOT / "build" / "ecosystem"
#: Seconds that a workflow may take.
LIMIT = 600


class Result(NamedTuple):
    """What became of one program."""

    program: str
    version: str
    passed: bool
    seconds: float
    said: str


def programs() -> list[str]:
    """The names of the directories here that have a workflow."""
    return sorted(path.parent.name for path in HERE.glob("*/requirements.txt"))


def prepare(program: str) -> Path:
    """Where the commands of a program's environment are, with this Rosin. Raises CalledProcessError."""
    environment = ENVIRONMENTS / program
    commands = environment / "bin"
    if not (commands / "pip").exists():
        venv.create(environment, with_pip=True, symlinks=True)
    pip = [str(commands / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    needs = HERE / program / "requirements.txt"
    subprocess.run([*pip, "-e", str(ROOT), "-e", str(ROOT / "dropin"), "-r", str(needs)], check=True)
    return commands


def version(program: str, commands: Path) -> str:
    """What is installed of the first requirement."""
    first = (HERE / program / "requirements.txt").read_text(encoding="utf-8").split()[0]
    name = re.split(r"[\[<>=]", first)[0]
    asked = f"from importlib.metadata import version; print(version({name!r}))"
    done = subprocess.run([commands / "python", "-c", asked], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "?"


def run(program: str) -> Result:
    """Run the workflow of a program in an instance of its own."""
    began = time.monotonic()
    try:
        commands = prepare(program)
    except subprocess.CalledProcessError as error:
        return Result(program, "?", False, time.monotonic() - began, f"not installed: {error}")
    workflow = ["python", "workflow.py"] if (HERE / program / "workflow.py").exists() else ["./workflow.sh"]
    flux = os.environ.get("FLUX") or str(commands / "flux")
    env = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    env["PATH"] = f"{commands}{os.pathsep}{env['PATH']}"
    began = time.monotonic()
    try:
        done = subprocess.run(
            [flux, "start", *workflow],
            cwd=HERE / program,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        passed, output = done.returncode == 0, done.stdout
        if not passed:
            sys.stderr.write(f"== {program}\n{done.stdout}{done.stderr}\n")
    except subprocess.TimeoutExpired:
        passed, output = False, f"not over after {LIMIT} s"
    said = (output.strip().splitlines() or [""])[-1]
    return Result(program, version(program, commands), passed, time.monotonic() - began, said)


def main() -> int:
    """Run those that are named, or all."""
    wanted = sys.argv[1:] or programs()
    for name in wanted:
        if name not in programs():
            print(f"{name}: no such program; there are {', '.join(programs())}", file=sys.stderr)
            return 2
    results = []
    for name in wanted:
        print(f"{name} ...", file=sys.stderr, flush=True)
        results.append(run(name))
    print("| program | version | result | seconds | what it said |\n|---|---|---|---|---|")
    for each in results:
        result = "passed" if each.passed else "**failed**"
        print(f"| {each.program} | {each.version} | {result} | {each.seconds:.1f} | {each.said} |")
    return 0 if all(each.passed for each in results) else 1


if __name__ == "__main__":
    sys.exit(main())
