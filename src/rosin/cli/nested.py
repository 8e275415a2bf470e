# SPDX-License-Identifier: LGPL-3.0-or-later
"""Jobs that are instances of their own: what ``batch`` and ``alloc`` have in common."""

from __future__ import annotations

from rosin.cli.arguments import SUPPRESS
from rosin.cli.conf import NestedConfig
from rosin.cli.options import add_job_options, add_whole_options
from rosin.cli.request import whole_resources
from rosin.cli.submission import Builder, require_texts, time_limit, working_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable
    from typing import Any

    from rosin.cli.declarations import Declarations
    from rosin.handle.flux import Flux

    Object = dict[str, Any]

#: Where ``--dump`` without a file puts the dump.
DUMP = "flux-{{jobid}}-dump.tgz"


def add_nested_options(parser: Declarations, with_io: bool) -> None:
    """Add the options of an instance in a job. ``with_io``: say in the help that streams can be files."""
    add_job_options(parser, with_io)
    add = parser.add_argument
    add(
        "--conf",
        metavar="CONF",
        action="append",
        help="configure the instance: KEY=VALUE, TOML or JSON, a file of it, or the name of one in "
        "flux/config along the XDG search path (several times: each adds to what is there)",
    )
    add(
        "--broker-opts", metavar="OPTS", action="append", help="pass options to the brokers, parted by commas"
    )
    add("--broker-opt", dest="broker_opts", action="append", help=SUPPRESS)
    add("--add-brokers", metavar="N", type=int, default=0, help=SUPPRESS)
    add("--dump", metavar="FILE", nargs="?", const=DUMP, help=f"archive the KVS at the end (in {DUMP})")
    group = parser.add_argument_group("resources")
    group.add_argument("-n", "--nslots", metavar="N", type=int, help="number of slots")
    group.add_argument(
        "-c", "--cores-per-slot", metavar="N", type=int, help="cores of each slot (default: 1)"
    )
    group.add_argument("-g", "--gpus-per-slot", metavar="N", type=int, help="GPUs of each slot")
    text = "number of nodes (without --nslots: whole nodes)"
    group.add_argument("-N", "--nodes", metavar="N", type=int, help=text)
    group.add_argument("-x", "--exclusive", action="store_true", help="with --nodes: whole nodes")
    add_whole_options(group)


def broker_options(args: Namespace, extra: Iterable[str] = ()) -> list[str]:
    """The words for the brokers that ``--broker-opts`` and ``--dump`` stand for, and *extra* ones."""
    words = [word for text in args.broker_opts or () for word in text.split(",")]
    if args.dump:
        words.append(f"-Scontent.dump={args.dump}")
    return [*words, *extra]


def shape(args: Namespace) -> Object:
    """What says how many slots of what, as keywords for the factories of RFC 25. Raises ValueError."""
    nslots, cores, gpus, nodes = args.nslots, args.cores_per_slot, args.gpus_per_slot, args.nodes
    exclusive = args.exclusive
    if args.resources_shape or args.resources_json:
        nslots, cores, gpus, nodes, exclusive = 1, 1, None, None, False
    if not nslots:
        if not nodes:
            raise ValueError("Number of slots to allocate must be specified, as in -n4 or -N2")
        nslots, exclusive = nodes, True
    if nslots < 1:
        raise ValueError("slot count must be an integer >= 1")
    if nodes is not None and not 1 <= nodes <= nslots:
        raise ValueError(f"--nodes={nodes}: it takes a number from 1 to that of slots, {nslots}")
    if exclusive and nodes is None:
        raise ValueError("exclusive can only be set with a node count")
    return {
        "num_slots": nslots,
        "cores_per_slot": 1 if cores is None else cores,
        "gpus_per_slot": gpus,
        "num_nodes": nodes,
        "exclusive": exclusive,
    }


def common(args: Namespace) -> Object:
    """The options that ``batch`` and ``alloc`` share, as keywords for the factories. Raises ValueError."""
    args.conf = NestedConfig(args.conf or ())
    args.plugins.preinit(args)
    require_texts(args)
    asked = shape(args)
    _exclude_added(args, asked["num_nodes"])
    return {
        **asked,
        "conf": args.conf.config,
        "duration": time_limit(args.time_limit),
        "cwd": args.cwd if args.cwd is not None else working_directory(),
        "unbuffered": args.unbuffered,
        "queue": args.queue,
        "bank": args.bank,
    }


def _exclude_added(args: Namespace, nodes: int | None) -> None:
    """``--add-brokers=N``, for tests: N more brokers on the first node, of which no job gets anything."""
    args.taskmap = None
    added = args.add_brokers
    if not added:
        return
    if nodes is None or added < 0:
        raise ValueError("--add-brokers may only be specified with -N, --nodes, and a number >= 0")
    from rosin.rfc.idset import Idset

    others = f"[1,{nodes - 1},1,1]" if nodes > 1 else ""
    args.taskmap = f"manual:[[0,1,{1 + added},1]{',' if others else ''}{others}]"
    excluded = Idset(args.conf.get("resource.exclude", "")) | Idset(range(1, added + 1))
    args.conf.update(f'resource.exclude="{excluded}"')


def finish(jobspec: Object, args: Namespace, prog: str) -> Object:
    """Set what all submission commands can set, and the brokers' program: the one that was called."""
    jobspec["tasks"][0]["command"][0] = prog.partition("-")[0]
    if args.taskmap is not None:
        added, nodes = args.add_brokers, jobspec["resources"][0]["count"]
        jobspec["tasks"][0]["count"] = {"total": nodes + added}
        del jobspec["attributes"]["system"]["shell"]["options"]["per-resource"]
    whole = whole_resources(args)
    if whole is not None:
        jobspec["resources"] = whole
    Builder().apply(jobspec, args)
    return jobspec


def submit(handle: Flux, jobspec: Object, args: Namespace) -> int:
    """Submit an instance; returns the id of the job. Raises OSError and ValueError."""
    from rosin import _json
    from rosin.cli.submission import parse_urgency, submit_flags
    from rosin.job.submission import submit_async

    urgency, flags = parse_urgency(args.urgency), submit_flags(args.flags)
    return submit_async(handle, _json.dumps(jobspec), urgency, **flags).get_id()
