# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of job execution: the ``[exec]`` table and the module's arguments (flux-config-exec)."""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.broker.arguments import Argument
from rosin.broker.settings import NO_ARGUMENTS, Table
from rosin.errors import FormatError
from rosin.process.outcome import signal_name, signal_number

if TYPE_CHECKING:
    from rosin.broker.settings import Config

#: How shells are started. All are found again after a restart; by the second the event log says so.
METHODS = ("bulk-exec", "bgexec")
_SERVICES = ("rexec", "sdexec")
_AS_KEY = "as the key of the table `[exec]`"
#: The module's arguments: keys of the table, which say what their values may be.
ARGUMENTS = (
    Argument("method", "NAME", _AS_KEY),
    Argument("job-shell", "PATH", _AS_KEY),
    Argument("imp", "PATH", _AS_KEY),
    Argument("service", "NAME", _AS_KEY),
    Argument("kill-timeout", "FSD", _AS_KEY),
    Argument("kill-signal", "SIGNAL", _AS_KEY),
    Argument("term-signal", "SIGNAL", _AS_KEY),
    Argument("max-kill-count", "N", _AS_KEY),
    Argument("max-kill-timeout", "FSD", _AS_KEY),
    Argument("shell-exit-timeout", "FSD", _AS_KEY),
)
#: Longest pause between two attempts to kill a shell, in seconds.
MAX_KILL_PAUSE = 300.0


class ExecSettings(NamedTuple):
    """The settings, with flux-core's defaults; times in seconds.

    ``job_shell`` None means Rosin's own shell; ``max_kill_timeout`` -1 and ``shell_exit_timeout`` 0 mean off.
    """

    job_shell: str | None = None
    imp: str | None = None
    service: str = "rexec"
    kill_timeout: float = 5.0
    term_signal: int = int(signal.SIGTERM)
    kill_signal: int = int(signal.SIGKILL)
    max_kill_count: int = 8
    max_kill_timeout: float = -1.0
    max_start_delay_percent: float = 25.0
    barrier_timeout: float = 1800.0
    shell_exit_timeout: float = 30.0
    allow_guests: bool = False
    method: str = METHODS[0]

    @classmethod
    def parse(cls, config: Config, arguments: Config = NO_ARGUMENTS) -> ExecSettings:
        """Read them; *arguments* win over the keys of their names. Raises FormatError that names the key."""
        table, default = Table(config, "exec"), cls()
        allow_guests = Table(config, "exec.testexec").get("allow-guests", bool, False)
        table.values = {**table.values, **arguments}
        return cls(
            job_shell=table.get("job-shell", str),
            imp=table.get("imp", str),
            service=_one_of(table, "service", *_SERVICES),
            kill_timeout=table.seconds("kill-timeout", default.kill_timeout, positive=True, finite=True),
            term_signal=_signal(table, "term-signal", default.term_signal),
            kill_signal=_signal(table, "kill-signal", default.kill_signal),
            max_kill_count=_count(table, "max-kill-count", default.max_kill_count),
            max_kill_timeout=table.seconds(
                "max-kill-timeout", default.max_kill_timeout, positive=True, finite=True
            ),
            max_start_delay_percent=_percent(table, default.max_start_delay_percent),
            barrier_timeout=table.seconds("barrier-timeout", default.barrier_timeout, finite=True),
            shell_exit_timeout=0.0
            if table.values.get("shell-exit-timeout") == "none"
            else table.seconds("shell-exit-timeout", default.shell_exit_timeout, finite=True),
            allow_guests=allow_guests,
            method=_one_of(table, "method", *METHODS),
        )

    def effective_max_kill_timeout(self) -> float:
        """Seconds after which processes that cannot be killed are given up."""
        if self.max_kill_timeout > 0:
            return self.max_kill_timeout
        pause, total = self.kill_timeout, 5 * self.kill_timeout
        for _ in range(self.max_kill_count - 1):
            total += pause
            pause = min(2 * pause, MAX_KILL_PAUSE)
        return total

    def stats(self) -> dict[str, Any]:
        """The part of ``job-exec.stats-get`` that describes the settings."""
        timeout = self.effective_max_kill_timeout()
        config = {
            "default_cwd": "/tmp",
            "default_job_shell": self.job_shell or "rosin-shell",
            "exec_service": self.service,
            "default_barrier_timeout": self.barrier_timeout,
            "shell_exit_timeout": self.shell_exit_timeout,
        }
        if self.imp is not None:
            config["flux_imp_path"] = self.imp
        return {
            "method": self.method,
            "kill-timeout": self.kill_timeout,
            "term-signal": signal_name(self.term_signal),
            "kill-signal": signal_name(self.kill_signal),
            "max-kill-count": self.max_kill_count,
            "max-kill-timeout": self.max_kill_timeout,
            "effective-max-kill-timeout": timeout,
            "config": config,
        }


def _one_of(table: Table, key: str, *names: str) -> str:
    name: str = table.get(key, str, names[0])
    if name not in names:
        raise table.wrong(key, f"one of {', '.join(names)}" if names[1:] else names[0], name)
    return name


def _signal(table: Table, key: str, default: int) -> int:
    text = table.get(key, str)
    if text is None:
        return default
    try:
        number = signal_number(text.upper())
    except ValueError:
        number = -1
    if number not in signal.valid_signals():
        raise table.wrong(key, "a signal, such as SIGTERM or 15", text)
    return number


def _count(table: Table, key: str, default: int) -> int:
    """A number above 0; an argument is text."""
    value = table.values.get(key, default)
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if isinstance(value, bool | float) or number <= 0:
        raise table.wrong(key, "a number of 1 or more", value)
    return number


def _percent(table: Table, default: float) -> float:
    key = "max-start-delay-percent"
    value = table.values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise table.wrong(key, "a number of 0 or more", value)
    return float(value)


#: What ``attributes.system.exec.bulkexec`` may hold, in flux-core, too.
_KEYS = ("barrier-timeout", "mock_exception", "sdexec-test-expected-cpus", "service")


def check_keys(options: dict[str, Any]) -> None:
    """Raise FormatError for a setting of a job that nobody knows."""
    unknown = next((name for name in options if name not in _KEYS), None)
    if unknown is not None:
        raise FormatError(
            f"failed to unpack system.exec.bulkexec: unknown key {unknown}: it takes {', '.join(_KEYS)}"
        )
