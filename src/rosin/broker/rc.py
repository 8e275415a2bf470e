# SPDX-License-Identifier: LGPL-3.0-or-later
"""What runs before and after the initial program (flux-core's rc1, cleanup and rc3), as calls."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from rosin.broker import rctable
from rosin.constants import FLUX_JOB_STATE_RUN
from rosin.errors import FormatError
from rosin.internal import startlog
from rosin.job.control import raiseall_async, stop_queues_async
from rosin.kvs import PRIMARY, KVSTxn

if TYPE_CHECKING:
    from collections.abc import Callable

    from rosin.broker.broker import Broker
    from rosin.broker.module_handle import ModuleHandle
    from rosin.handle.rpc import RPC


async def builtins(broker: Broker, h: ModuleHandle) -> None:
    """Load what an instance has that does not run :func:`rc1`. Raises OSError."""
    for name in rctable.always():
        await broker.modules.load(name)
    if broker.rank == 0:
        await h.rpc("groups.join", {"name": "broker.online"})


async def rc1(broker: Broker, h: ModuleHandle) -> None:
    """Load the modules, and read the dump that the backing store is to begin with.

    Raises OSError that names the module that failed."""
    try:
        loads = rctable.loads(broker.rank, broker.attrs.values(), broker.config)
    except FormatError as exc:
        raise OSError(errno.EINVAL, str(exc)) from None
    values = broker.attrs.values()
    archive = None
    if broker.rank == 0 and values.get("content.restore"):
        from rosin.broker import dumps

        archive = dumps.source(values)
        if archive is not None:
            dumps.check(archive)
    for name, path, args, process in loads:
        try:
            arguments = [*args, *await _arguments(broker, h, name)]
            restored = archive is not None and name == values.get("content.backing-module")
            if restored:
                arguments.append("truncate")
            await broker.modules.load(path, arguments, name, process=process)
        except OSError as exc:
            raise OSError(exc.errno, f"module {name}: {exc.strerror}") from None
        except FormatError as exc:
            raise OSError(errno.EINVAL, f"module {name}: {exc}") from None
        if archive is not None and restored:
            await dumps.restore(broker, archive)
        if name == "groups" and broker.rank == 0:
            await h.rpc("groups.join", {"name": "broker.online"})
    if broker.rank:
        return
    await post_event(h, "start", broker.clock.now())
    if broker.attrs.value("broker.recovery-mode") == "1":
        await stop_queues_async(h)


async def _arguments(broker: Broker, h: ModuleHandle, name: str) -> list[str]:
    """What a module is loaded with in addition. Raises OSError, and FormatError for a wrong table."""
    if name != "resource" or "fake-resources" not in broker.config:
        return []
    from rosin.broker import fakeresources

    fake = fakeresources.FakeResources.parse(broker.config)
    if fake is None:
        return []
    if broker.rank:
        return [fakeresources.NOVERIFY]
    await fakeresources.install(h, fake)
    return list(fakeresources.ARGUMENTS)


async def cleanup(broker: Broker, h: ModuleHandle) -> None:
    """Start no more jobs, cancel those that run and wait until they are gone; pending jobs stay pending.

    With ``FLUX_DISABLE_JOB_CLEANUP`` in the environment nothing of it is done.
    """
    if "FLUX_DISABLE_JOB_CLEANUP" in os.environ:
        return
    steps: tuple[Callable[[], RPC], ...] = (
        lambda: stop_queues_async(h),
        lambda: h.rpc("resource.acquire-mute", {}),
        lambda: raiseall_async(h, "cancel", note="instance is shutting down", states=FLUX_JOB_STATE_RUN),
        lambda: h.rpc("job-manager.idle", {}),
    )
    for step in steps:
        rpc = step()
        try:
            await rpc
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                broker.log(3, "broker", f"cleanup: {rpc.topic}: {exc.strerror}")


async def post_event(h: ModuleHandle, name: str, timestamp: float) -> None:
    """Append to the log of the instance's starts and clean ends."""
    txn = KVSTxn(h, namespace=PRIMARY)
    txn.append(startlog.KEY, startlog.entry(name, timestamp))
    await txn.commit_async()


async def rc3(broker: Broker, h: ModuleHandle) -> None:
    """Note the clean end and remove the modules: first those that were added, the newest before the others.

    The usual ones go in their order even if one of them was loaded again in the meantime.
    """
    if "kvs" in broker.modules and broker.rank == 0:
        try:
            await post_event(h, "finish", broker.clock.now())
        except OSError as exc:
            broker.log(3, "broker", f"rc3: admin.eventlog: {exc.strerror}")
    archive = None
    if broker.rank == 0 and broker.attrs.value("content.dump"):
        from rosin.broker import dumps

        if dumps.in_place(broker.attrs.values()):
            await _collect_garbage(broker, h)
        else:
            archive = dumps.target(broker.attrs.values(), broker.clock.now())
    names = [name for name, module in broker.modules.items() if not module.builtin][::-1]
    try:
        usual = rctable.modules(broker.rank, broker.attrs.values(), broker.config)
    except FormatError:  # rc1 has said so, and has loaded none
        usual = []
    names.sort(key=lambda name: -usual.index(name) if name in usual else -len(usual))
    while names:
        name = next((name for name in names if not broker.modules.dependents(name)), names[0])
        names.remove(name)
        if archive is not None and name == broker.attrs.value("content.backing-module"):
            await _flush(broker, h)
            await dumps.dump(broker, archive)
        try:
            await broker.modules.remove(name)
        except Exception as exc:
            broker.log(3, "broker", f"rc3: module {name}: {exc}")


async def _flush(broker: Broker, h: ModuleHandle) -> None:
    """Let the backing store have all that there is."""
    try:
        await h.rpc("content.flush", {})
    except OSError as exc:
        broker.log(3, "broker", f"rc3: content.flush: {exc.strerror}")


async def _collect_garbage(broker: Broker, h: ModuleHandle) -> None:
    """What flux-core does by a dump that the next start restores is done here in place."""
    from rosin.kvs.snapshot.garbage import collect

    try:
        done = await collect(h)
    except (OSError, FormatError) as exc:
        text = getattr(exc, "strerror", None) or str(exc)
        broker.log(3, "broker", f"rc3: garbage was not collected: {text}")
    else:
        broker.log(
            6, "broker", f"rc3: collected garbage: {done.marked} blobs in use, {done.deleted} reclaimed"
        )
