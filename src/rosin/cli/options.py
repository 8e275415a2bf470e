# SPDX-License-Identifier: LGPL-3.0-or-later
"""The options of the commands that submit jobs."""

from __future__ import annotations

from rosin.cli.arguments import SUPPRESS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.cli.declarations import Declarations


def _begin_time(text: str) -> str:
    from rosin.cli.when import FUTURE_FORM, parse_time

    try:
        return f"begin-time:{parse_time(text)!r}"
    except ValueError as exc:
        raise ValueError(f"--begin-time={text}: {exc}: it takes {FUTURE_FORM}") from None


def add_job_options(parser: Declarations, with_io: bool = True) -> None:
    """Add what every submission command knows. ``with_io``: say in the help that streams can be files."""
    add = parser.add_argument
    io = (lambda text: text) if with_io else (lambda text: SUPPRESS)
    add("-B", "--bank", metavar="BANK", help="charge the job to this bank")
    add("-q", "--queue", metavar="NAME", help="put the job in this queue")
    add(
        "-t", "--time-limit", metavar="MIN|FSD", help="time limit: minutes, or a duration such as 90s or 1.5h"
    )
    add("--urgency", metavar="N", default="16", help="0 to 31, or hold (0), default (16), expedite (31)")
    add("--job-name", metavar="NAME", help="name of the job (default: that of the command)")
    add("-o", "--setopt", metavar="OPT[=VAL]", action="append", help="set an option of the job shell (to 1)")
    add(
        "-S",
        "--setattr",
        metavar="ATTR[=VAL]",
        action="append",
        help="set a jobspec attribute (to 1); ^ATTR=FILE reads its JSON value from a file",
    )
    add(
        "--add-file",
        metavar="[NAME[:PERMS]=]PATH",
        action="append",
        help="give the job a file, found there as {{tmpdir}}/NAME; PATH may be text with newlines instead",
    )
    add(
        "--dependency", metavar="URI", action="append", help="wait for what an RFC 26 URI says: afterok:JOBID"
    )
    add("--requires", metavar="CONSTRAINT", action="append", help="ask for resources with these properties")
    add("--require", dest="requires", action="append", help=SUPPRESS)
    add(
        "--begin-time",
        metavar="+FSD|TIME",
        dest="dependency",
        action="append_prefixed",
        convert=_begin_time,
        help="do not start before a time: +1h, 3pm, 'tomorrow 8:00'",
    )
    _add_environment(parser)
    add("--input", metavar="FILE|RANKS", help=io("read standard input from a file, or give it to some tasks"))
    add("--output", metavar="FILE", help=io("write standard output to a file"))
    add("--error", metavar="FILE", help=io("write standard error to a file"))
    add("-u", "--unbuffered", action="store_true", help="do not buffer input and output")
    add("-l", "--label-io", action="store_true", help=io("begin each line of output with its task's rank"))
    add("--cwd", metavar="DIRECTORY", help="working directory of the job (default: this one)")
    add("--flags", metavar="FLAGS", action="append", help="submission flags: debug, waitable, novalidate")
    add(
        "--signal",
        metavar="[SIG][@TIME]",
        help="send SIG (USR1) to the job at TIME (60s) before its time limit",
    )
    add("--dry-run", action="store_true", help="print the jobspec instead of submitting it")
    add("--dry", dest="dry_run", action="store_true", help=SUPPRESS)
    add("--quiet", action="store_true", help="do not print job ids")
    add("--list-plugins", action="store_true", help="print the plugins of this command, and end")


def _add_environment(parser: Declarations) -> None:
    add = parser.add_argument
    add(
        "--env",
        metavar="RULE",
        action="append",
        help="change the environment: NAME=VALUE, PATTERN to copy, -PATTERN to remove, ^FILE of rules",
    )
    add(
        "--env-remove",
        metavar="PATTERN",
        dest="env",
        action="append_prefixed",
        prefix="-",
        help="remove variables: a shell pattern, or a regular expression behind /",
    )
    add(
        "--env-file",
        metavar="FILE",
        dest="env",
        action="append_prefixed",
        prefix="^",
        help="read rules from a file",
    )
    add(
        "--rlimit",
        metavar="RULE",
        action="append",
        help="pass on resource limits: NAME=VALUE, PATTERN, -PATTERN to leave out",
    )


def add_task_options(parser: Declarations) -> None:
    """Add the options that say how many tasks on what (run, submit, bulksubmit)."""
    parser.add_argument(
        "--taskmap", metavar="URI", help="how tasks are put on nodes: block, cyclic[:N], manual:MAP"
    )
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="say more (several times: even more)"
    )
    group = parser.add_argument_group("resources")
    group.add_argument("-N", "--nodes", metavar="N", help="number of nodes")
    group.add_argument("-x", "--exclusive", action="store_true", help="with --nodes: whole nodes")
    group = parser.add_argument_group("resources per task", "not to be mixed with those per resource")
    group.add_argument("-n", "--ntasks", metavar="N", help="number of tasks")
    group.add_argument("-c", "--cores-per-task", metavar="N", help="cores of each task")
    group.add_argument("-g", "--gpus-per-task", metavar="N", help="GPUs of each task")
    group = parser.add_argument_group("tasks per resource", "not to be mixed with resources per task")
    group.add_argument("--cores", metavar="N", help="number of cores of all nodes together")
    group.add_argument("--tasks-per-node", metavar="N", help="tasks on each node")
    group.add_argument("--tasks-per-core", metavar="N", help="tasks on each core")
    group.add_argument("--gpus-per-node", metavar="N", help="with --nodes: GPUs on each node")
    add_whole_options(parser.add_argument_group("resources as a whole", "instead of those above"))


def add_whole_options(group: Declarations) -> None:
    """Add the options that give the resources of a jobspec as they are."""
    group.add_argument("--resources-shape", metavar="SHAPE", help="an RFC 46 shape, as in slot=2/core=4")
    group.add_argument(
        "--resources-json", metavar="FILE", help="a JSON file of a jobspec, or of its resources alone"
    )


def add_bulk_options(parser: Declarations) -> None:
    """Add the options that submit several jobs and wait for them (submit, bulksubmit)."""
    group = parser.add_argument_group("several jobs")
    add = group.add_argument
    add(
        "--cc",
        metavar="IDSET",
        help="submit a copy for each id, with FLUX_JOB_CC set; {cc} stands for the id",
    )
    add("--bcc", metavar="IDSET", help="the same without FLUX_JOB_CC")
    add("--wait-event", metavar="NAME", dest="wait", help="wait for this event of all jobs")
    add("--wait", action="store_const", const="clean", help="wait for all jobs to end")
    add("--watch", action="store_true", help="show the output of all jobs and wait for their end")
    add("--log", metavar="FILE", help="write job ids and output to a file")
    add("--log-stderr", metavar="FILE", help="write messages and standard error to a file")
    add("--progress", action="store_true", help="show a progress bar on the terminal")
    add("--jps", action="store_true", help="show jobs per second in the progress bar")
