# SPDX-License-Identifier: LGPL-3.0-or-later
"""What of flux-core's configuration has an effect here.

A table or key that flux-core knows and that would do nothing is either refused, when the instance would then
do something else than its administrator asked for, or named in a warning. Services check the values of what
they use. Tables that flux-core does not know belong to others and are left alone.
"""

from __future__ import annotations

from typing import Any

from rosin.errors import FormatError
from rosin.rfc.queues import QueueConfig

#: Table -> the keys that have an effect (None: its service refuses the others itself).
_EFFECTIVE: dict[str, frozenset[str] | None] = {
    "access": frozenset(("allow-guest-user", "allow-root-owner", "private-mode")),
    "bootstrap": frozenset(),
    "content-sqlite": None,
    "exec": frozenset(
        (
            "method",
            "job-shell",
            "imp",
            "service",
            "kill-timeout",
            "max-kill-timeout",
            "barrier-timeout",
            "shell-exit-timeout",
            "term-signal",
            "kill-signal",
            "max-kill-count",
            "max-start-delay-percent",
            "testexec",
        )
    ),
    "heartbeat": None,
    "ingest": frozenset(("frobnicator", "validator")),
    "job-manager": frozenset(
        (
            "inactive-age-limit",
            "inactive-num-limit",
            "stop-queues-on-restart",
            "housekeeping",
            "plugins",
            "prolog",
            "epilog",
            "perilog",
        )
    ),
    "kvs": frozenset(("checkpoint-period", "gc-threshold")),
    "resource": None,
    "sched-simple": None,
    "sdexec": frozenset(),
    "systemd": frozenset(("enable",)),
    "tbon": frozenset(),
}
#: Keys within tables whose other keys are checked by a service.
_WITHOUT_EFFECT = ("policy.scheduler", "resource.no-update-watch")


def check(config: dict[str, Any]) -> list[str]:
    """The keys of *config* that have no effect, by their dotted names.

    Raises FormatError, one line that names the key and what to do, for what must not go without effect.
    """
    _refuse(config)
    ignored = []
    for name, keys in _EFFECTIVE.items():
        table = config.get(name)
        if isinstance(table, dict) and keys is not None:
            ignored += [f"{name}.{key}" for key in table if key not in keys]
    return ignored + [path for path in _WITHOUT_EFFECT if _value(config, path) is not None]


def _value(config: dict[str, Any], path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _refuse(config: dict[str, Any]) -> None:
    for name in ("prolog", "epilog", "perilog"):
        if _value(config, f"job-manager.{name}") is not None:
            raise FormatError(
                f"job-manager.{name}: there is no perilog plugin here; remove the table, or use "
                "[job-manager.housekeeping] for what is to run after a job"
            )
    _refuse_plugins(_value(config, "job-manager.plugins"))
    if _value(config, "systemd.enable") is True:
        raise FormatError("systemd.enable: this broker does not use systemd; remove it or set it to false")
    if _value(config, "exec.service") == "sdexec":
        raise FormatError("exec.service: there is no sdexec service here; remove it, or use rexec")
    QueueConfig(config)


def _refuse_plugins(entries: Any) -> None:
    if entries is None:
        return
    if not isinstance(entries, list):
        raise FormatError("job-manager.plugins: expected an array of tables")
    for number, entry in enumerate(entries):
        load = entry.get("load") if isinstance(entry, dict) else entry
        if not isinstance(entry, dict) or load is not None:
            raise FormatError(
                f"job-manager.plugins[{number}]: {load}: this job manager loads no plugins; remove the entry"
            )
        remove = entry.get("remove")
        if remove != "all":
            raise FormatError(f"job-manager.plugins[{number}]: remove: there is no plugin {remove}")
