# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin job status``: wait for jobs to end, and exit with the largest of their exit codes."""

from __future__ import annotations

import errno
import sys

from rosin import _json
from rosin.cli.base import connect, die
from rosin.cli.job.common import parse_jobid
from rosin.cli.subcommands import AdminParser
from rosin.job.waiting import result_async
from rosin.process.outcome import exit_code, termsig


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    options = AdminParser(f"{prog} status", "Wait for jobs to end and exit with their largest exit code.")
    add = options.add_argument
    add("-v", "--verbose", action="count", default=0, help="say how jobs ended, twice: also if well")
    add(
        "-e",
        "--exception-exit-code",
        metavar="N",
        type=int,
        default=1,
        help="exit code of jobs that ended by an exception alone (1)",
    )
    options.flag("-j", "--json", text="print the results as JSON objects")
    add("jobids", metavar="JOBID", nargs="+")
    args = options.parse_args(argv)

    def say(text: str) -> None:
        sys.stderr.write(f"{prog}: {text}\n")

    code = 0
    with connect() as handle:
        futures = [(text, result_async(handle, parse_jobid(prog, text))) for text in args.jobids]
        if args.verbose and len(futures) > 1:
            say(f"fetching status for {len(futures)} jobs")
        for _, future in futures:
            future.wait_for()
        if args.verbose and len(futures) > 1:
            say("all done.")
        for text, future in futures:
            try:
                result = future.get_dict()
            except OSError as exc:
                die(prog, f"{text}: {'No such job' if exc.errno == errno.ENOENT else exc.strerror}")
            if args.json:
                sys.stdout.write(f"{_json.dumps(result).decode()}\n")
            status = result.get("waitstatus", 0)
            own, signum = exit_code(status), termsig(status)
            fatal = result["exception_occurred"] and result["exception_severity"] == 0
            code = max(code, own, args.exception_exit_code if fatal else 0)
            if args.verbose and signum:
                say(f"{text}: job shell died by signal {signum}")
            elif args.verbose > 1 or (args.verbose and own):
                how = (
                    f"exception type={result['exception_type']}" if fatal else f"exited with exit code {own}"
                )
                say(f"{text}: {how}")
    return code
