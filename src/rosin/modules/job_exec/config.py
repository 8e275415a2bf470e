# SPDX-License-Identifier: LGPL-3.0-or-later
"""Settings of job execution: the ``[exec]`` table and the module's arguments (flux-config-exec)."""

from __future__ import annotations

import math
import signal
from collections.abc import Mapping
from typing import Any

from rosin.broker.arguments import Argument
from rosin.errors import FormatError
from rosin.process.outcome import signal_name, signal_number
from rosin.rfc import fsd

METHOD = "bulk-exec"
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


class ExecConfig:
    """The settings, with flux-core's defaults; times in seconds.

    ``job_shell`` None means Rosin's own shell; ``max_kill_timeout`` -1 and ``shell_exit_timeout`` 0 mean off.
    """

    __slots__ = (
        "allow_guests",
        "barrier_timeout",
        "imp",
        "job_shell",
        "kill_signal",
        "kill_timeout",
        "max_kill_count",
        "max_kill_timeout",
        "max_start_delay_percent",
        "service",
        "shell_exit_timeout",
        "term_signal",
    )

    def __init__(self) -> None:
        self.job_shell: str | None = None
        self.imp: str | None = None
        self.service = "rexec"
        self.kill_timeout = 5.0
        self.term_signal = int(signal.SIGTERM)
        self.kill_signal = int(signal.SIGKILL)
        self.max_kill_count = 8
        self.max_kill_timeout = -1.0
        self.max_start_delay_percent = 25.0
        self.barrier_timeout = 1800.0
        self.shell_exit_timeout = 30.0
        self.allow_guests = False

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
            "method": METHOD,
            "kill-timeout": self.kill_timeout,
            "term-signal": signal_name(self.term_signal),
            "kill-signal": signal_name(self.kill_signal),
            "max-kill-count": self.max_kill_count,
            "max-kill-timeout": self.max_kill_timeout,
            "effective-max-kill-timeout": timeout,
            "config": config,
        }


def parse(config: Mapping[str, Any], args: Mapping[str, str] | None = None) -> ExecConfig:
    """Read the settings of a broker ``config`` object; ``args`` by name (``kill-timeout`` ...) win over it.

    Raises FormatError with one line that names the setting.
    """
    table = config.get("exec", {})
    if not isinstance(table, Mapping):
        raise FormatError("[exec] is not a table")
    values = {**table, **(args or {})}
    result = ExecConfig()
    method = _text(values, "method")
    if method not in (None, METHOD):
        raise FormatError(f"unknown exec.method '{method}' (known: {METHOD})")
    result.job_shell = _text(values, "job-shell")
    result.imp = _text(values, "imp")
    result.service = _text(values, "service") or result.service
    if result.service not in _SERVICES:
        raise FormatError(f"unsupported exec.service value: {result.service}")
    result.kill_timeout = _duration(values, "kill-timeout", result.kill_timeout)
    result.max_kill_timeout = _duration(values, "max-kill-timeout", result.max_kill_timeout)
    result.barrier_timeout = _duration(values, "barrier-timeout", result.barrier_timeout, zero=True)
    if values.get("shell-exit-timeout") == "none":
        result.shell_exit_timeout = 0.0
    else:
        result.shell_exit_timeout = _duration(
            values, "shell-exit-timeout", result.shell_exit_timeout, zero=True
        )
    result.term_signal = _signal(values, "term-signal", result.term_signal)
    result.kill_signal = _signal(values, "kill-signal", result.kill_signal)
    result.max_kill_count = _count(values, "max-kill-count", result.max_kill_count)
    result.max_start_delay_percent = _number(
        values, "max-start-delay-percent", result.max_start_delay_percent
    )
    result.allow_guests = _allow_guests(table)
    return result


def _text(values: Mapping[str, Any], key: str) -> str | None:
    value = values.get(key)
    if value is not None and not isinstance(value, str):
        raise FormatError(f"error reading config value exec.{key}: expected a string, not {value!r}")
    return value


def _duration(values: Mapping[str, Any], key: str, default: float, zero: bool = False) -> float:
    text = _text(values, key)
    if text is None:
        return default
    try:
        seconds = fsd.parse(text)
    except FormatError:
        raise FormatError(f"invalid {key}: {text}") from None
    if (seconds == 0 and not zero) or math.isinf(seconds):
        raise FormatError(f"invalid {key}: {text}")
    return seconds


def _signal(values: Mapping[str, Any], key: str, default: int) -> int:
    text = _text(values, key)
    if text is None:
        return default
    try:
        number = signal_number(text.upper())
    except ValueError:
        number = -1
    if number not in signal.valid_signals():
        raise FormatError(f"invalid {key}: {text}")
    return number


def _count(values: Mapping[str, Any], key: str, default: int) -> int:
    value = values.get(key, default)
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if isinstance(value, bool | float) or number <= 0:
        raise FormatError(f"invalid {key}={value}")
    return number


def _number(values: Mapping[str, Any], key: str, default: float) -> float:
    value = values.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormatError(f"error reading config value exec.{key}: expected a number, not {value!r}")
    if not 0 <= value < math.inf:
        raise FormatError(f"exec.{key}: expected a number of 0 or more, got {value!r}")
    return float(value)


def _allow_guests(table: Mapping[str, Any]) -> bool:
    mock = table.get("testexec", {})
    value = mock.get("allow-guests", False) if isinstance(mock, Mapping) else None
    if not isinstance(value, bool):
        raise FormatError("error reading config value exec.testexec.allow-guests: expected true or false")
    return value
