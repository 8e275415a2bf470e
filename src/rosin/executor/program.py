# SPDX-License-Identifier: LGPL-3.0-or-later
"""The program of a job that carries out a call: ``python -m rosin.executor.program``.

Exit codes: 0 the call returned, 1 it raised, 2 there is no call, or nobody to tell.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.executor import call, pickled, report
from rosin.executor.outcome import CallOutcome

if TYPE_CHECKING:
    from types import ModuleType

    from rosin.executor.report import Reporter


def main() -> int:
    """Carry out the call of this job; returns the exit code."""
    try:
        directory, rank = os.environ["FLUX_JOB_TMPDIR"], int(os.environ["FLUX_TASK_RANK"])
        order = call.ShippedCall.decode(call.read_own(os.path.join(directory, call.FILE)))
    except (KeyError, ValueError, OSError) as exc:
        print(f"rosin.executor: this is no job of an executor: {exc}", file=sys.stderr)
        return 2
    reporter = report.begin(rank)
    sys.path[:] = [*order.path, *(entry for entry in sys.path if entry not in order.path)]
    outcome = carry_out(order, reporter)
    try:
        reporter.finish(outcome)
    except OSError as exc:
        print(f"rosin.executor: the result of {order.name} is lost: {exc}", file=sys.stderr)
        return 2
    return 0 if outcome.ok else 1


def carry_out(order: call.ShippedCall, reporter: Reporter) -> CallOutcome:
    """What becomes of a call."""
    try:
        data = order.data if isinstance(order.data, bytes) else fetched(order.data, reporter)
        fn, args, kwargs = pickled.loads(data, _Main(order.main))
        value = fn(*args, **kwargs)
    except BaseException as exc:  # SystemExit and KeyboardInterrupt are for whoever called, too
        own = exc.__traceback__
        exc.__traceback__ = own.tb_next if own is not None else None  # begins with what the user wrote
        return CallOutcome.of_exception(exc)
    return CallOutcome.of_value(value, order.name)


def fetched(stored: call.StoredPickle, reporter: Reporter) -> bytes:
    """The pickle of a call that the KVS has. Raises OSError, FormatError."""
    from rosin.kvs.lookup import lookup_async
    from rosin.rfc.treeobj import val_data

    if stored.size > pickled.LIMIT:
        raise FormatError(f"a call of {stored.size} bytes")
    h = reporter.connected()
    return stored.joined(
        val_data(lookup_async(h, key, stored.namespace).get()["val"]) for key in stored.names()
    )


class _Main:
    """The main module of the program that made the call, run here when something of it is needed."""

    def __init__(self, file: str) -> None:
        self._file = file

    def __call__(self) -> ModuleType:
        found = sys.modules.get(pickled.MAIN)
        if found is None:
            found = self._run()
        return found

    def _run(self) -> ModuleType:
        import runpy
        from types import ModuleType

        if not self._file or not os.path.exists(self._file):
            raise AttributeError(
                "the function is one of an interactive session, which its job cannot see: install"
                " cloudpickle, or put it into a module"
            )
        module = ModuleType(pickled.MAIN)
        sys.modules[pickled.MAIN] = sys.modules["__main__"] = module
        values: dict[str, Any] = runpy.run_path(self._file, run_name=pickled.MAIN)
        module.__dict__.update(values)
        return module


if __name__ == "__main__":
    sys.exit(main())
