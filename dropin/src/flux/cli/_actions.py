# SPDX-License-Identifier: LGPL-3.0-or-later
"""What options do that are not simply kept: actions of argparse."""

from __future__ import annotations

import argparse
from typing import Any

from flux.job._utils import BatchConfig
from rosin.cli.when import FUTURE_FORM, parse_time

__all__ = ["BeginTimeAction", "ConfAction", "EnvFileAction", "EnvFilterAction"]


def _append(namespace: Any, name: str, value: str) -> None:
    setattr(namespace, name, [*(getattr(namespace, name, None) or ()), value])


class BeginTimeAction(argparse.Action):
    """``--begin-time=TIME`` is a dependency."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        try:
            _append(namespace, "dependency", f"begin-time:{parse_time(values)!r}")
        except ValueError as exc:
            raise argparse.ArgumentError(self, f"{exc}: it takes {FUTURE_FORM}") from None


class EnvFileAction(argparse.Action):
    """``--env-file=FILE`` is ``--env=^FILE``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        _append(namespace, "env", f"^{values}")


class EnvFilterAction(argparse.Action):
    """``--env-remove=PATTERN`` is ``--env=-PATTERN``."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        _append(namespace, "env", f"-{values}")


class ConfAction(argparse.Action):
    """``--conf=PIECE`` adds to a BatchConfig."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if getattr(namespace, "conf", None) is None:
            namespace.conf = BatchConfig()
        namespace.conf.update(values)
