# SPDX-License-Identifier: LGPL-3.0-or-later
"""What runs before and after the initial program (flux-core's rc1, cleanup and rc3), as calls."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin.errors import FormatError

if TYPE_CHECKING:
    from rosin.broker.broker import Broker
    from rosin.broker.module_handle import ModuleHandle

#: Modules of rank 0 in the order in which they need each other.
MODULES = (
    "content",
    "content-sqlite",
    "kvs",
    "kvs-watch",
    "heartbeat",
    "groups",
    "barrier",
    "rexec",
    "resource",
    "job-manager",
    "job-info",
    "job-list",
    "job-ingest",
    "job-exec",
    "sched-simple",
)


async def rc1(broker: Broker, h: ModuleHandle) -> None:
    """Load the modules. Raises OSError that names the module that failed."""
    for name in MODULES:
        try:
            await broker.load(name)
        except OSError as exc:
            raise OSError(exc.errno, f"module {name}: {exc.strerror}") from None
        except FormatError as exc:
            raise OSError(errno.EINVAL, f"module {name}: {exc}") from None
        if name == "groups":
            await h.rpc("groups.join", {"name": "broker.online"})
    if broker.attrs.value("broker.recovery-mode") == "1":
        await h.rpc("job-manager.queue-start", {"start": False, "all": True, "nocheckpoint": True})


async def cleanup(broker: Broker, h: ModuleHandle) -> None:
    """Start no more jobs, cancel those that run and wait until they are gone; pending jobs stay pending."""
    requests: list[tuple[str, dict[str, object]]] = [
        ("job-manager.queue-start", {"start": False, "all": True, "nocheckpoint": True}),
        ("resource.acquire-mute", {}),
        (
            "job-manager.raiseall",
            {
                "dry_run": False,
                "userid": 0xFFFFFFFF,
                "states": 0x10,
                "severity": 0,
                "type": "cancel",
                "note": "instance is shutting down",
            },
        ),
        ("job-manager.idle", {}),
    ]
    for topic, payload in requests:
        try:
            await h.rpc(topic, payload)
        except OSError as exc:
            if exc.errno != errno.ENOSYS:
                broker.log(3, "broker", f"cleanup: {topic}: {exc.strerror}")


async def rc3(broker: Broker) -> None:
    """Remove the modules, the newest first."""
    for name in [name for name, module in broker.modules.items() if not module.builtin][::-1]:
        try:
            await broker.remove(name)
        except Exception as exc:
            broker.log(3, "broker", f"rc3: module {name}: {exc}")
