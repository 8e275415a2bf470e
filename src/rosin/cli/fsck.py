# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin fsck``: look whether the content store is whole, and repair it."""

from __future__ import annotations

import errno
import sys
import time

from rosin.cli.base import connect
from rosin.cli.restore import kvs_is_loaded
from rosin.cli.subcommands import AdminParser, about, dispatch
from rosin.rfc import blobref

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any

    from rosin.handle.flux import Flux
    from rosin.kvs.snapshot.fsck import Check
    from rosin.kvs.snapshot.repair import Repair


def parser(prog: str) -> AdminParser:
    """The options of the command."""
    result = AdminParser(
        prog,
        "Look whether the content store has all of the key-value store. The exit code is 1 if it has not, "
        "also when that was repaired.",
    )
    result.flag("-v", "--verbose", text="list keys as they are looked at, and each missing blob")
    result.flag("-q", "--quiet", text="do not tell what is repaired")
    result.add_argument(
        "-r", "--rootref", metavar="BLOBREF", help="look at this root, not the newest checkpoint"
    )
    result.flag(
        "-R", "--repair", text="move what is left of damaged keys to lost+found; without the kvs module"
    )
    result.flag("-j", "--job-aware", text="with --repair: move jobs of which something is lost as a whole")
    result.set_defaults(run=_fsck)
    return result


class _Say:
    """Lines for people; off a terminal the program's name is in front of them."""

    def __init__(self, args: argparse.Namespace) -> None:
        self._prefix = "" if sys.stderr.isatty() else f"{args.prog}: "
        self._quiet = args.quiet

    def error(self, text: str) -> None:
        print(f"{self._prefix}{text}", file=sys.stderr)

    def warning(self, text: str) -> None:
        if not self._quiet:
            self.error(text)


def _checkpoint(h: Flux, args: argparse.Namespace) -> dict[str, Any]:
    """What is to be looked at, as a checkpoint."""
    from rosin.kvs import kvs_checkpoint_lookup

    if args.rootref is not None:
        return {"rootref": args.rootref}
    with about("error fetching checkpoints"):
        newest = kvs_checkpoint_lookup(h, cache_bypass=True)[0]
    when = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(newest.get("timestamp", 0)))
    print(f"Checking integrity of checkpoint from {when}", flush=True)
    return newest


def _fsck(args: argparse.Namespace) -> int:
    from rosin.handle.complete import complete
    from rosin.kvs.snapshot.fsck import Check, validator
    from rosin.kvs.snapshot.walk import loader

    if args.rootref is not None and not blobref.is_valid(args.rootref):
        raise ValueError(f"invalid blobref specified: '{args.rootref}': expected one such as sha1-2d3f...")
    say = _Say(args)
    with connect() as h:
        if args.repair and kvs_is_loaded(h):
            raise ValueError("please unload kvs module before using flux-fsck --repair")
        checkpoint = _checkpoint(h, args)
        check = Check(say.error, say.warning if args.verbose else None)
        complete(h, check.run(loader(h, no_cache=True), validator(h), checkpoint["rootref"]))
        if args.verbose or check.errors:
            say.error(f"Total errors: {check.errors}")
        if args.repair:
            _repair(h, args, say, check, checkpoint)
    return 1 if check.errors else 0


def _repair(h: Flux, args: argparse.Namespace, say: _Say, check: Check, checkpoint: dict[str, Any]) -> None:
    from rosin.handle.complete import complete
    from rosin.kvs.snapshot.repair import Repair
    from rosin.rfc import treeobj

    repaired = unlinked = 0
    if check.losses:
        digest = blobref.parse(checkpoint["rootref"])[1]
        root = treeobj.decode(h.rpc("content-backing.load", digest, nodeid=0).get_raw())
        repair = Repair(h, root, h.attr_get("content.hash"), say.warning)
        complete(h, repair.apply(check.losses, args.job_aware))
        with about("failed to checkpoint updated root"):
            _put(h, checkpoint, repair)
        say.warning("Updated primary checkpoint to include lost+found")
        repaired, unlinked = repair.repaired, repair.unlinked
    if repaired or args.verbose:
        say.error(f"Total repairs: {repaired}")
    if unlinked or args.verbose:
        say.error(f"Total unlinked directories: {unlinked}")


def _put(h: Flux, checkpoint: dict[str, Any], repair: Repair) -> None:
    """Make the repaired root the newest checkpoint.

    What Rosin's KVS has in its journal goes on from the root as it was, which a checkpoint of ours tells.
    """
    from rosin.handle.complete import complete

    sequence = checkpoint.get("sequence", 0)
    value = {"version": 1, "rootref": complete(h, repair.store()), "timestamp": time.time()}
    if _has_journal(h, sequence):
        value |= {"sequence": sequence, "journal_base": checkpoint.get("journal_base", checkpoint["rootref"])}
    else:
        value["sequence"] = sequence + 1
    h.rpc("content-backing.checkpoint-put", {"value": value}, nodeid=0).get()


def _has_journal(h: Flux, sequence: int) -> bool:
    try:
        return bool(h.rpc("content-backing.journal-get", {"after": sequence}, nodeid=0).get_raw())
    except OSError as exc:
        if exc.errno != errno.ENOSYS:
            raise
        return False


def main(argv: list[str], prog: str) -> int:
    """Run the command."""
    return dispatch(parser(prog), argv, prog)
