# SPDX-License-Identifier: LGPL-3.0-or-later
"""The front end: finds a command's module in a static table and imports that one alone."""

from __future__ import annotations

import sys

from rosin.cli import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Command -> (module below rosin.cli, one-line help). A module has ``main(argv, prog) -> int``.
COMMANDS: dict[str, tuple[str, str]] = {
    "R": ("R", "make, read and combine resource sets"),
    "account": ("account", "manage banks and users, their limits and what they have used"),
    "admin": ("admin", "run commands at an instance's end, and show its system scripts"),
    "alloc": ("alloc", "start an instance in a job and work in it"),
    "archive": ("archive", "keep files in the key-value store for all nodes"),
    "batch": ("batch", "submit a script that runs in an instance of its own"),
    "broker": ("broker", "run one broker of an instance"),
    "bulksubmit": ("bulksubmit", "submit many jobs made from lists of inputs"),
    "cancel": ("cancel", "cancel jobs"),
    "cgroup": ("cgroup", "show the control group of a job"),
    "completion": ("completion", "print a completion script for a shell"),
    "config": ("config", "read and change the configuration"),
    "content": ("content", "load and store blobs"),
    "cron": ("cron", "run commands at intervals, at dates, and on events"),
    "dmesg": ("dmesg", "print the broker's log buffer"),
    "dump": ("dump", "write the key-value store to an archive"),
    "env": ("env", "print the environment, or run a program in it"),
    "event": ("event", "publish and receive events"),
    "exec": ("exec", "run a command on brokers"),
    "filemap": ("archive", "older names of archive's subcommands"),
    "fortune": ("fortune", "say something to know, or to smile at"),
    "fsck": ("fsck", "check and repair what the content store has of the key-value store"),
    "gc": ("gc", "remove what nobody refers to from the content store"),
    "getattr": ("attr", "print a broker attribute"),
    "heaptrace": ("heaptrace", "profile the memory of a broker"),
    "hostlist": ("hostlist", "combine lists of hosts"),
    "housekeeping": ("housekeeping", "list and end what runs on the nodes of jobs that are over"),
    "idset": ("idset", "combine sets of ids"),
    "job": ("job", "follow, signal and inspect single jobs"),
    "job-frobnicator": ("job_validator", "try plugins that change jobs as they are submitted"),
    "job-validator": ("job_validator", "try plugins that say which jobs may be submitted"),
    "jobs": ("jobs", "list jobs"),
    "jobspec": ("jobspec", "check, convert and summarize jobspecs"),
    "jobtap": ("jobtap", "list, load and remove plugins of the job manager"),
    "keygen": ("keygen", "make a certificate for the brokers of a cluster"),
    "kvs": ("kvs", "read and change the key-value store"),
    "logger": ("logger", "append to the broker's log"),
    "lptest": ("lptest", "write lines to test output with"),
    "lsattr": ("attr", "list broker attributes"),
    "modprobe": ("modprobe", "load and remove modules with what they need, run rc1 and rc3"),
    "module": ("module", "list, load and remove broker modules"),
    "multi-prog": ("multi_prog", "become the program that a file has for this task"),
    "overlay": ("overlay", "show the tree of brokers and its health"),
    "pgrep": ("pgrep", "find jobs by an expression"),
    "ping": ("ping", "measure how long a service takes to answer"),
    "pkill": ("pgrep", "cancel the jobs that an expression finds"),
    "pmi": ("pmi", "try the process manager of a program"),
    "post-job-event": ("post_job_event", "append an event to the log of a job"),
    "proxy": ("proxy", "run a program beside an instance, perhaps on another host"),
    "pstree": ("pstree", "show an instance, its jobs and theirs as a tree"),
    "python": ("python", "run Rosin's Python"),
    "queue": ("queue", "list and control queues"),
    "relay": ("relay", "connect standard input and output with a broker's socket"),
    "remote": ("remote", "submit and control jobs of an instance elsewhere, by HTTP"),
    "resource": ("resource", "list, drain and undrain resources"),
    "restore": ("restore", "read an archive into the key-value store"),
    "run": ("run", "submit a job and follow it to its end"),
    "run-epilog": ("runscripts", "run the scripts that follow a job"),
    "run-housekeeping": ("runscripts", "run the scripts that clean up a node after a job"),
    "run-prolog": ("runscripts", "run the scripts that precede a job"),
    "serve": ("serve", "serve the REST API and web page of an instance"),
    "setattr": ("attr", "set a broker attribute"),
    "shutdown": ("shutdown", "end an instance"),
    "simulate": ("simulate", "show how a trace of jobs would have gone, with each policy"),
    "sproc": ("sproc", "list, signal and wait for processes in the background"),
    "start": ("start", "start an instance and run a program in it"),
    "startlog": ("startlog", "list when an instance was started and ended"),
    "submit": ("submit", "submit jobs"),
    "terminus": ("terminus", "run commands in terminals that one can leave and come back to"),
    "token": ("token", "make, list and revoke tokens for the REST API"),
    "top": ("top", "show an instance and its running jobs as they change"),
    "update": ("update", "change attributes of a job"),
    "uptime": ("uptime", "tell how long an instance has been running"),
    "uri": ("uri", "find the URI of an instance"),
    "version": ("version", "print versions"),
    "watch": ("watch", "follow the output and progress of jobs"),
}

#: Commands that live as long as jobs run, which can read their environment in /proc.
_LASTING = ("broker", "serve", "start")


def usage(prog: str) -> str:
    """The text of ``--help``."""
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name:{width}}  {text}" for name, (_, text) in sorted(COMMANDS.items())]
    head = (
        f"Usage: {prog} [OPTIONS] COMMAND [ARGS...]\n\n"
        "  -h, --help     print this; 'help COMMAND' shows the help of a command\n"
        "  -V, --version  print the version\n"
        "  -v, --verbose  print the environment of the command, and where it is looked for\n"
        "  -p, --parent   talk to the parent of the enclosing instance\n"
        "  -r, --root     talk to the root of the enclosing instances\n\n"
        "Commands:\n"
    )
    tail = (
        "\n\nCommands talk to the instance that FLUX_URI names; without it, to the one around them, else to\n"
        "the system's, else to the only one that you run. "
        f"'{prog} uri --help' says how to find others.\n"
        f"\nSee '{prog} COMMAND --help' for one command. Programs rosin-NAME and flux-NAME in "
        "FLUX_EXEC_PATH\nor PATH, or from packages beside this one, are commands, too.\n"
    )
    return head + "\n".join(lines) + tail


def version(prog: str) -> str:
    """The text of ``--version``; as ``flux`` it reads like flux-core's."""
    if prog == "flux":
        from rosin.constants import FLUX_CORE_VERSION

        return f"commands:    \t\t{FLUX_CORE_VERSION}"
    from rosin import __version__

    return f"rosin {__version__}"


def run(command: Callable[[list[str], str], int], argv: list[str], prog: str) -> int:
    """Run a command's main; every failure becomes one line and an exit code."""
    try:
        try:
            return command(argv, prog)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has gone; nothing is left to say
        _discard_output()
        return 141
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename else ""
        sys.stderr.write(f"{prog}: ERROR: {where}{exc.strerror or exc}\n")
        _discard_output()
        return 1
    except ValueError as exc:
        from rosin.cli.base import cause

        sys.stderr.write(f"{prog}: ERROR: {cause(exc)}\n")
        return 1
    except RecursionError:
        sys.stderr.write(f"{prog}: ERROR: the input nests too deeply\n")
        return 1


def _make_interruptible() -> None:
    """Let a command clean up at Ctrl-C: the program's entry has left SIGINT its default action."""
    import _signal

    if _signal.getsignal(_signal.SIGINT) == _signal.SIG_DFL:
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)


def _discard_output() -> None:
    """Let what cannot be written vanish, or the interpreter would try again at its end and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        import os

        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """Give a program that was started without standard descriptors empty ones.

    Otherwise the broker's socket takes their numbers, and what is printed goes into it.
    """
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        import os

        for fd, name in enumerate(("stdin", "stdout", "stderr")):
            if getattr(sys, name) is None:
                mode = "w" if fd else "r"
                # The lowest free number, which is this one.
                setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, closefd=False))


def _front(args: list[str], prog: str) -> int:
    """What the front end answers by itself."""
    if args and args[0] in ("-V", "--version"):
        if prog == "flux":
            return _command("version", [], prog)
        sys.stdout.write(version(prog) + "\n")
    else:
        sys.stdout.write(usage(prog))
    return 0 if args else 1


def _command(name: str, args: list[str], prog: str) -> int:
    """Run a command of the table."""
    main: Callable[[list[str], str], int] = load(COMMANDS[name][0]).main
    _make_interruptible()
    return main(args, f"{prog}-{name}")


def _program(args: list[str], prog: str) -> int:
    """Become the program that is a command; only to say that there is none does this return."""
    from rosin.cli import front

    path = front.find(args[0], prog)
    if path is not None:
        front.execute(path, args[1:])
    return front.unknown(prog, args[0], COMMANDS)


def _dispatch(args: list[str], prog: str) -> int:
    """Run the command that the words begin with."""
    name = args[0] if args else ""
    if name in COMMANDS:
        return run(lambda rest, _: _command(name, rest, prog), args[1:], f"{prog}-{name}")
    if name == "help" and len(args) > 1:
        load("manual").show(args[1])
        return _dispatch([*args[1:], "--help"], prog)
    if not args or name in ("-h", "--help", "help", "-V", "--version"):
        return run(_front, args, prog)
    from rosin.cli.front import OPTIONS, options

    if name in OPTIONS:
        rest: list[str] = []

        def obey(_args: list[str], _prog: str) -> int:
            rest[:] = options(args, prog, COMMANDS)
            return 0

        return run(obey, args, prog) or _dispatch(rest, prog)
    return run(_program, args, prog)


def main(argv: list[str] | None = None, prog: str = "rosin") -> int:
    """Run ``prog COMMAND ARGS...``; returns the exit code."""
    args = sys.argv[1:] if argv is None else argv
    _open_streams()
    if argv is None and args and args[0] in _LASTING:
        from rosin.process import credentials

        credentials.hide()
    return _dispatch(args, prog)
