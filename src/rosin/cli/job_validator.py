# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job-validator`` and ``job-frobnicator``: try plugins of job ingest on jobs from standard input.

job-ingest has processes of these programs for plugins in files: a job a line, and an answer a line.
"""

from __future__ import annotations

import errno
import os
import sys

from rosin import _json
from rosin.cli.arguments import Parser
from rosin.cli.subcommands import as_written

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable
    from typing import Any, BinaryIO

_ABOUT = {
    "job-validator": "Say of jobs on standard input, one JSON object a line, whether they may be submitted.",
    "job-frobnicator": "Print jobs on standard input, one JSON object a line, as plugins change them.",
}
_EPILOG = """\
A job is an object with jobspec, userid, urgency and flags. Plugins are {known}, and Python files:

  rosin run --dry-run hostname | {prog} --jobspec-only --plugins=./site.py

Other options are those of the plugins; '{prog} --plugins=./site.py --help' lists them."""
_KNOWN = {"job-validator": "jobspec (default) and feasibility", "job-frobnicator": "defaults and constraints"}


def parser(prog: str) -> Parser:
    """The options of the command."""
    name = prog.partition("-")[2]
    command = prog.replace("-", " ", 1)
    result = Parser(
        prog,
        description=_ABOUT[name],
        epilog=_EPILOG.format(known=_KNOWN[name], prog=command),
        formatter_class=as_written,
    )
    result.add_argument(
        "--plugins", metavar="NAME,...", action="append", help="plugins to run, in this order"
    )
    result.add_argument("--jobspec-only", action="store_true", help="take jobspecs alone")
    result.add_argument("--list-plugins", action="store_true", help="print which plugins there are")
    return result


def main(argv: list[str], prog: str) -> int:
    """Run the command; 1 when a jobspec of ``--jobspec-only`` is refused, or a plugin cannot be used."""
    import argparse
    from contextlib import redirect_stdout

    frobnicates = prog.endswith("frobnicator")
    options = argparse.ArgumentParser(
        prog.replace("-", " ", 1), description=_ABOUT[prog.partition("-")[2]], add_help=False
    )
    options.add_argument("--jobspec-only", action="store_true", help="take jobspecs alone")
    options.add_argument("--list-plugins", action="store_true", help="print which plugins there are")
    stack, answer = _frobnicator(argv, options) if frobnicates else _validator(argv, options)
    if stack.args.list_plugins:
        for plugin, cls in stack.plugins.items():
            print(f"{plugin:<20}  {(cls.__doc__ or '').partition(chr(10))[0]}".rstrip())
        return 0
    options.add_argument("-h", "--help", action="help", help="print this")
    stack.start()
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what a plugin prints is no answer
        try:
            with redirect_stdout(sys.stderr):
                return _serve(sys.stdin.buffer, out, answer, stack.args.jobspec_only)
        finally:
            sys.stdout.flush()
            os.dup2(out.fileno(), 1)


def _validator(argv: list[str], options: argparse.ArgumentParser) -> tuple[Any, Callable[[Any], Any]]:
    from rosin.job.validator import JobValidator

    validator = JobValidator(argv, parser=options)

    def answer(job: Any) -> Any:
        result = validator.validate(job)
        return {"errnum": result.errnum, **({"errstr": result.errmsg} if result.errmsgs else {})}

    return validator, answer


def _frobnicator(argv: list[str], options: argparse.ArgumentParser) -> tuple[Any, Callable[[Any], Any]]:
    from rosin.job.frobnicator import JobFrobnicator
    from rosin.job.spec import Jobspec

    frobnicator = JobFrobnicator(argv, parser=options)

    def answer(job: Any) -> Any:
        for key in ("jobspec", "userid", "urgency", "flags"):
            if key not in job:
                raise ValueError(f"missing key '{key}': a jobspec alone is for --jobspec-only")
        jobspec = Jobspec.from_dict(job["jobspec"])
        frobnicator.frob(jobspec, job["userid"], job["flags"], job["urgency"])
        return {"errnum": 0, "data": jobspec.jobspec}

    return frobnicator, answer


def _serve(lines: Iterable[bytes], out: BinaryIO, answer: Callable[[Any], Any], jobspec_only: bool) -> int:
    """Answer job after job; 1 if one of ``--jobspec-only`` has been refused."""
    code = 0
    for line in lines:
        try:
            job = _json.loads(line)
            if jobspec_only:
                job = {"jobspec": job, "userid": os.getuid(), "urgency": 16, "flags": 0}
            if not isinstance(job, dict):
                raise ValueError("expected an object with jobspec, userid, urgency and flags")
            said = answer(job)
            text = _json.dumps(said)
        except (ValueError, TypeError, RecursionError) as error:
            said = {"errnum": errno.EINVAL, "errstr": " ".join(str(error).split())}
            text = _json.dumps(said)
        code = code or int(jobspec_only and said["errnum"] != 0)
        out.write(text + b"\n")
        out.flush()
    return code
