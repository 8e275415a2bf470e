# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin uptime``: an instance in one line."""

from __future__ import annotations

import time

from rosin.cli.base import connect
from rosin.cli.subcommands import AdminParser, dispatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from rosin.handle.flux import Flux


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(prog, "Tell how long an instance has been running, and what is wrong with it.")
    result.set_defaults(run=_uptime)
    return result


def _user(uid: int) -> str:
    from pwd import getpwuid

    try:
        return getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _queues(h: Flux) -> tuple[bool, bool]:
    """Whether no queue accepts jobs, and whether none starts them."""
    names = h.rpc("job-manager.queue-list", nodeid=0).get()["queues"]
    requests = [{"name": name} for name in names] or [{}]
    states = [rpc.get() for rpc in [h.rpc("job-manager.queue-status", req, 0) for req in requests]]
    return not any(state["enable"] for state in states), not any(state["start"] for state in states)


def _uptime(_args: argparse.Namespace) -> None:
    from rosin.rfc import fsd
    from rosin.rfc.idset import Idset

    with connect() as h:
        owner, size = _user(int(h.attr_get("security.owner"))), int(h.attr_get("size"))
        level = h.attr_get("instance-level")
        state = h.rpc("state-machine.get").get()
        name, duration = state["state"], state["duration"]
        extra, second = "", []
        if name == "run":
            # Only now do the services answer; the time is that of the whole instance.
            drain_rpc, online_rpc = (
                h.rpc("resource.status", nodeid=0),
                h.rpc("groups.get", {"name": "broker.online"}, 0),
            )
            start = h.rpc("attr.get", {"name": "broker.starttime"}, 0).get()["value"]
            duration = time.time() - float(start)
            drained = sum(len(Idset(ranks)) for ranks in drain_rpc.get()["drain"])
            offline = size - len(Idset(online_rpc.get()["members"]))
            extra = "".join(f",  {n} {what}" for n, what in ((drained, "drained"), (offline, "offline")) if n)
            disabled, stopped = _queues(h)
            second = ["submit disabled"] * disabled + ["scheduler stopped"] * stopped
    now = time.strftime("%H:%M:%S")
    print(f" {now} {name} {fsd.brief(duration)},  owner {owner},  depth {level},  size {size}{extra}")
    if second:
        print("  " + ",  ".join(second))


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
