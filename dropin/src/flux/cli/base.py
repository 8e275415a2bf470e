# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.cli.base: what the commands that submit jobs derive from."""

from __future__ import annotations

import argparse
import io
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import flux
import flux.job
from flux import debugged
from flux._elsewhere import elsewhere
from flux.cli._actions import BeginTimeAction, ConfAction, EnvFileAction, EnvFilterAction
from flux.cli._bulk import Bulk
from flux.cli._xcmd import Xcmd
from flux.cli.argparse import FluxArgumentParser
from flux.cli.plugin import CLIPluginRegistry
from flux.idset import IDset
from flux.job._utils import BatchConfig
from flux.job.Jobspec import JobspecV1
from rosin.cli.declarations import Declarations
from rosin.cli.options import add_bulk_options, add_job_options, add_task_options
from rosin.cli.request import of_tasks
from rosin.cli.submission import is_idset, parse_urgency, submit_flags, time_limit, working_directory

if TYPE_CHECKING:
    from rosin.job.jobid import JobID
    from rosin.job.submission import SubmitFuture

__all__ = [
    "BatchAllocCmd",
    "BeginTimeAction",
    "ConfAction",
    "EnvFileAction",
    "EnvFilterAction",
    "MiniCmd",
    "SubmitBaseCmd",
    "SubmitBulkCmd",
    "Xcmd",
]

__getattr__ = elsewhere(__name__)

#: What else arguments have, for programs that look.
_NO_OPTIONS = {"debug_emulate": False, "begin_time": None, "env_file": None, "env_remove": None}
_NO_RESOURCES = {"resources_shape": None, "resources_json": None}


class _Parser(FluxArgumentParser):
    """Knows the actions of the options that Rosin declares."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.register("action", "append_prefixed", _AppendPrefixed)


class _AppendPrefixed(argparse.Action):
    def __init__(
        self, option_strings: Any, dest: str, prefix: str = "", convert: Any = str, **kw: Any
    ) -> None:
        super().__init__(option_strings, dest, **kw)
        self.prefix, self.convert = prefix, convert

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        try:
            made = f"{self.prefix}{self.convert(values)}"
        except ValueError as exc:
            raise argparse.ArgumentError(None, str(exc)) from None
        setattr(namespace, self.dest, [*(getattr(namespace, self.dest) or ()), made])


def _declare(parser: argparse.ArgumentParser, *additions: Any) -> None:
    declared = Declarations()
    for add in additions:
        add(declared)
    declared.replay(parser)


class MiniCmd:
    """A command that submits a job. A subclass has :meth:`init_jobspec`, and a method ``main(args)``.

    ``prog`` is its name (``flux submit``); ``parser`` takes further options; ``exclude_io``: help does not
    show those of input and output.
    """

    def __init__(
        self, prog: str, usage: str | None = None, description: str | None = None, exclude_io: bool = False
    ) -> None:
        self.prog = prog
        self.flux_handle: Any = None
        self.exitcode = 0
        self.progress: Any = None
        self.watcher: Any = None
        self.plugins = CLIPluginRegistry(prog)
        self.parser = self.create_parser(prog, usage, description, exclude_io)

    @staticmethod
    def create_parser(
        prog: str,
        usage: str | None = None,
        description: str | None = None,
        exclude_io: bool = False,
        add_help: bool = True,
    ) -> FluxArgumentParser:
        """A parser with the options that all submissions have."""
        usage = f"{prog} [OPTIONS...] COMMAND [ARGS...]" if usage is None else usage
        parser = _Parser(prog=prog, usage=usage, description=description, add_help=False, posix=True)
        parser.add_argument(
            "--help", nargs="?", const="default", metavar="TOPIC", help="print this, or what a plugin says"
        )
        _declare(parser, lambda declared: add_job_options(declared, not exclude_io))
        parser.add_argument("--debug-emulate", action="store_true", help=argparse.SUPPRESS)
        parser.set_defaults(**_NO_OPTIONS)
        return parser

    def get_parser(self) -> FluxArgumentParser:
        """The parser."""
        return self.parser

    def run_command(self) -> None:
        """Parse the command line of this process and call ``main``."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="surrogateescape")
        self.plugins.declare(self.parser)  # type: ignore[arg-type]
        args = self.parser.parse_args()
        if args.help == "default":
            self.parser.print_help()
        elif args.help is not None:
            self.plugins.print_help(args.help)
        elif args.list_plugins:
            self.plugins.print_plugins()
        else:
            self.main(args)
            return
        sys.exit(0)

    def main(self, args: Any) -> None:
        """What the command does."""
        raise NotImplementedError

    def init_jobspec(self, args: Any) -> Any:
        """The jobspec of the arguments, as far as the command alone knows. Raises ValueError."""
        raise NotImplementedError

    def jobspec_create(self, args: Any) -> Any:
        """The whole jobspec. Raises ValueError, OSError."""
        self.plugins.preinit(args)
        jobspec = self.init_jobspec(args)
        options = args.values() if isinstance(args, Xcmd) else vars(args)
        jobspec.apply_options(argparse.Namespace(**options))
        self.plugins.modify_jobspec(args, jobspec)
        self.plugins.validate(jobspec)
        if getattr(args, "debug_emulate", False):
            debugged.set_mpir_being_debugged(1)
        if debugged.get_mpir_being_debugged():
            jobspec.setattr_shell_option("stop-tasks-in-exec", 1)
        return jobspec

    def submit_async(self, args: Any, jobspec: Any = None) -> SubmitFuture:
        """Submit the job of the arguments, or a jobspec; ``--dry-run`` prints it and ends the program.

        Raises ValueError, OSError.
        """
        jobspec = self.jobspec_create(args) if jobspec is None else jobspec
        if args.dry_run:
            print(jobspec.dumps())
            sys.exit(0)
        urgency, flags = parse_urgency(args.urgency), submit_flags(args.flags)
        if not self.flux_handle:
            self.flux_handle = flux.Flux()
        return flux.job.submit_async(self.flux_handle, jobspec.dumps(), urgency, **flags)  # type: ignore[no-any-return]

    def submit(self, args: Any, jobspec: Any = None) -> JobID:
        """The same; returns the id of the job."""
        return self.submit_async(args, jobspec).get_id()


class SubmitBaseCmd(MiniCmd):
    """A command whose arguments say how many tasks run on what."""

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description)
        _declare(self.parser, add_task_options)

    def init_jobspec(self, args: Any) -> Any:
        if args.command and args.command[0] == "--":
            args.command.pop(0)
        if not args.command:
            raise ValueError("job command and arguments are missing")
        args.time_limit = time_limit(args.time_limit)
        options = {
            "duration": args.time_limit,
            "cwd": working_directory() if args.cwd is None else args.cwd,
            "name": args.job_name,
            "input": None if args.input is None or is_idset(args.input) else args.input,
            **{name: getattr(args, name) for name in ("output", "error", "label_io", "unbuffered")},
            **{name: getattr(args, name) for name in ("queue", "bank")},
        }
        return JobspecV1.from_dict(of_tasks(args, options))

    def run_and_exit(self) -> NoReturn:
        """Run the reactor, then end the program: with the exit code of the jobs that were watched."""
        self.flux_handle.reactor_run()
        code = self.watcher.exitcode if self.watcher else 0
        sys.exit(max(code, self.exitcode))


class SubmitBulkCmd(Bulk, SubmitBaseCmd):
    """A command that may submit several jobs, and wait for them."""

    def __init__(self, prog: str, usage: str | None = None, description: str | None = None) -> None:
        super().__init__(prog, usage, description)
        self.t0: float | None = None
        _declare(self.parser, add_bulk_options)

    def main(self, args: Any) -> None:
        self.submit_async_with_cc(args)
        self.run_and_exit()


class BatchAllocCmd(MiniCmd):
    """A command whose job is an instance."""

    def __init__(
        self, prog: str, usage: str | None = None, description: str | None = None, exclude_io: bool = True
    ) -> None:
        super().__init__(prog, usage, description, exclude_io)
        self.t0: float | None = None
        self.parser.set_defaults(**_NO_RESOURCES)
        add: Any = self.parser.add_argument
        add("--conf", metavar="CONF", action=ConfAction, help="configure the instance")
        add(
            "--broker-opts",
            hidden_aliases=("--broker-opt",),
            metavar="OPTS",
            action="append",
            help="pass options to the brokers",
        )
        add(
            "--dump",
            nargs="?",
            const="flux-{{jobid}}-dump.tgz",
            metavar="FILE",
            help="archive the KVS at the end",
        )
        add("--add-brokers", default=0, type=int, help=argparse.SUPPRESS)
        add("-n", "--nslots", type=int, metavar="N", help="number of slots")
        add("-c", "--cores-per-slot", type=int, metavar="N", default=1, help="cores of each slot")
        add("-g", "--gpus-per-slot", type=int, metavar="N", help="GPUs of each slot")
        add("-N", "--nodes", type=int, metavar="N", help="number of nodes")
        add("-x", "--exclusive", action="store_true", help="with --nodes: whole nodes")

    def jobspec_create(self, args: Any) -> Any:
        args.conf = BatchConfig() if args.conf is None else args.conf
        return super().jobspec_create(args)

    def init_common(self, args: Any) -> None:
        """Make the arguments agree with each other. Raises ValueError."""
        if not args.nslots:
            if not args.nodes:
                raise ValueError("Number of slots to allocate must be specified")
            args.nslots, args.exclusive = args.nodes, True
        if args.dump:
            args.broker_opts = [*(args.broker_opts or ()), f"-Scontent.dump={args.dump}"]
        if args.add_brokers > 0:
            if not args.nodes:
                raise ValueError("--add-brokers may only be specified with -N, --nodes")
            others = f",[1,{args.nodes - 1},1,1]" if args.nodes > 1 else ""
            args.taskmap = f"manual:[[0,1,{1 + args.add_brokers},1]{others}]"
            excluded = IDset(args.conf.get("resource.exclude", ""))
            excluded.set(1, args.add_brokers)
            args.conf.update(f'resource.exclude="{excluded}"')
        args.time_limit = time_limit(args.time_limit)

    def update_jobspec_common(self, args: Any, jobspec: Any) -> None:
        """Tell the jobspec of brokers that were added."""
        if args.add_brokers > 0:
            jobspec.tasks[0]["count"] = {"total": args.nodes + args.add_brokers}
            del jobspec.attributes["system"]["shell"]["options"]["per-resource"]
