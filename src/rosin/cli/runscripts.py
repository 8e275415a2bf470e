# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin run-prolog``, ``run-epilog``, ``run-housekeeping``: run the scripts of packages and of the site.

They are meant to be the ``command`` of a table of the configuration, or what the IMP runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, dispatch
from rosin.cli.systemscripts import Scripts, scripts_in
from rosin.process.outcome import exit_code

if TYPE_CHECKING:
    import argparse
    from types import FrameType


def parser(prog: str) -> AdminParser:
    """The options of the command that ``prog`` names."""
    name = prog.rpartition("-")[2]
    result = AdminParser(
        prog,
        f"Run the {name} scripts of packages and of the site, one after the other: all, or up to the first "
        f"that fails if job-manager.{name}.exit-on-first-error is set. The greatest exit code counts.",
    )
    result.set_defaults(run=_run, name=name)
    return result


class ScriptRunner:
    """Runs scripts one by one. ``code`` is the greatest exit code so far."""

    def __init__(self, first_error: bool) -> None:
        self.first_error = first_error
        self.code = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._ended_by = 0

    def terminate(self, signum: int, _frame: FrameType | None) -> None:
        """A signal to this program is one to the script, and the last of them."""
        self._ended_by = signum
        if self._child is not None:
            self._child.send_signal(signum)

    def run_all(self, directory: str) -> None:
        """Run the executable files of *directory*."""
        _log(f"Running all in {directory}")
        for name in scripts_in(directory):
            if self.over():
                return
            path = os.path.join(directory, name)
            if os.access(path, os.X_OK):
                self.run(path)

    def run(self, path: str) -> None:
        """Run one; one that cannot be started fails as it would in a shell."""
        name = os.path.basename(path)
        _log(f"running {name}")
        try:
            with subprocess.Popen([path], stdin=subprocess.DEVNULL) as self._child:
                if self._ended_by:
                    self._child.send_signal(self._ended_by)
                code = self._child.wait()
        except OSError as error:
            _log(f"{name}: {error.strerror}")
            code = 126
        code = exit_code(-code) if code < 0 else code
        if code:
            _log(f"{name}: exit {code}")
            self.code = max(self.code, code)

    def over(self) -> bool:
        """Whether no further script is to be run."""
        return bool(self._ended_by or (self.code and self.first_error))

    def result(self) -> int:
        """The exit code of this program."""
        return 128 + self._ended_by if self._ended_by else self.code


def run(name: str, scripts: Scripts, runner: ScriptRunner) -> int:
    """Run the scripts of *name*; a single file of the site's takes the place of its directory."""
    _log(f"Running {name} for {os.environ.get('FLUX_JOB_ID', 'unknown')}/{_user()}")
    runner.run_all(scripts.system)
    if runner.over():
        return runner.result()
    if os.path.isfile(scripts.single) and os.access(scripts.single, os.X_OK):
        _log(f"Running {name} found at {scripts.single} (skipping {scripts.site})")
        runner.run(scripts.single)
    else:
        runner.run_all(scripts.site)
    return runner.result()


def _run(args: argparse.Namespace) -> int:
    from rosin.handle.builtin import paths

    runner = ScriptRunner(_first_error(args.name))
    scripts = Scripts(args.name, {key: paths()[key] for key in ("libexecdir", "confdir")})
    before = {signum: signal.signal(signum, runner.terminate) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        return run(args.name, scripts, runner)
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _first_error(name: str) -> bool:
    """What the configuration says, if there is an instance to be asked."""
    try:
        with connect() as h:
            table = h.rpc("config.get").get().get("job-manager", {}).get(name, {})
    except OSError as error:
        _log(f"cannot read job-manager.{name}: {error.strerror}: all scripts are run")
        return False
    return table.get("exit-on-first-error") is True


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(int(os.environ.get("FLUX_JOB_USERID", ""))).pw_name
    except (KeyError, ValueError, OverflowError):
        return "unknown"


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
