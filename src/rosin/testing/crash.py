# SPDX-License-Identifier: LGPL-3.0-or-later
"""Killing a broker while jobs are submitted, and checking after a restart what has become of them.

Every job is either mock (it runs inside the broker) or real: a shell that appends ``begin ID`` and ``end ID``
to a file, so that the file tells how often each job has run, whatever the instance believes.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.constants import FLUX_JOB_STATE_INACTIVE, FLUX_USERID_UNKNOWN
from rosin.handle import Flux
from rosin.job.listing import job_list
from rosin.job.submission import submit_async
from rosin.rfc import eventlog, treeobj
from rosin.rfc.jobpath import job_key
from rosin.rfc.jobspec.build import from_command
from rosin.testing.process import RealInstance, wait_until_gone

if TYPE_CHECKING:
    from rosin.handle.future import Future

MARK = "ROSIN_CRASH_ROUND"
#: Submissions that are under way at any moment.
WINDOW = 128
_ONCE = ("submit", "start", "finish", "free", "clean")


class Round:
    """What one round has shown.

    ``returned``: ids that the submitter was told before the kill; ``stored``: jobs on record after the
    restart, of all rounds; ``interrupted``: jobs that the kill has ended; ``restart_seconds`` until the new
    instance served; ``orphan_seconds`` from the kill until no process of the old instance was left.
    ``problems`` is empty if all is well.
    """

    def __init__(self) -> None:
        self.returned: list[int] = []
        self.stored = 0
        self.interrupted = 0
        self.restart_seconds = 0.0
        self.orphan_seconds = 0.0
        self.problems: list[str] = []


class CrashTest:
    """Rounds of submit, kill, restart and check on one state directory below ``directory``.

    One of ``real_every`` jobs is real. ``ids`` are all that were ever returned. ``options`` are further ones
    of ``rosin start``.
    """

    def __init__(self, directory: str, real_every: int = 10, options: tuple[str, ...] = ()) -> None:
        self.options = options
        self.directory = directory
        self.runs = os.path.join(directory, "runs")
        self.real_every = real_every
        self.ids: set[int] = set()
        self._inactive: set[int] = set()
        self._number = 0
        open(self.runs, "w").close()

    # -- one round ----------------------------------------------------------------------------------

    def round(self, jobs: int, kill_after: int, delay: float = 0.0) -> Round:
        """Submit up to ``jobs`` jobs; ``delay`` seconds after ``kill_after`` ids the broker is killed."""
        result = Round()
        first = self._instance()
        mark = f"{MARK}={first.env[MARK]}"
        first.start()
        self._submit(first, result, jobs, kill_after, delay)
        killed = time.monotonic()
        self.ids.update(result.returned)
        second = self._instance()
        began = time.monotonic()
        second.start()
        result.restart_seconds = time.monotonic() - began
        try:
            left = wait_until_gone(mark)
            result.orphan_seconds = time.monotonic() - killed
            if left:
                result.problems.append(f"processes {left} of the killed instance are left")
            with Flux(second.uri) as h:
                h.rpc("job-manager.drain").wait_for(300)
                self._check(h, result)
        finally:
            second.stop()
        left = wait_until_gone(f"{MARK}={second.env[MARK]}")
        if left:
            result.problems.append(f"processes {left} are left after the instance has ended")
        if second.process.returncode or second.stderr:
            result.problems.append(f"second broker: exit code {second.process.returncode}: {second.stderr}")
        return result

    def _instance(self) -> RealInstance:
        self._number += 1
        state = os.path.join(self.directory, "state")
        return RealInstance(
            *("-S", f"statedir={state}", "-Sstatedir-cleanup=0", *self.options),
            env={MARK: f"{os.getpid()}-{self._number}"},
        )

    def _submit(
        self, instance: RealInstance, result: Round, jobs: int, kill_after: int, delay: float
    ) -> None:
        killer = threading.Timer(delay, instance.process.kill)
        left = iter(range(jobs))
        with Flux(instance.uri) as h:

            def submit() -> None:
                number = next(left, None)
                if number is not None:
                    submit_async(h, self._jobspec(number)).then(answered)

            def answered(future: Future) -> None:
                result.returned.append(future.get()["id"])
                if len(result.returned) == kill_after:
                    killer.start()
                submit()

            try:
                for _ in range(WINDOW):
                    submit()
                h.reactor_run()
                # Everything is submitted and the broker still lives: the kill hits the jobs' execution.
                h.rpc("job-manager.drain").get()
            except ConnectionError:
                pass
        killer.join()
        instance.kill()

    def _jobspec(self, number: int) -> dict[str, Any]:
        if number % self.real_every:
            test = {"run_duration": "0.001s" if number % 7 else "0.02s"}
            jobspec = from_command(["mock"])
            jobspec["attributes"]["system"]["exec"] = {"test": test}
            return jobspec
        script = 'echo "begin $FLUX_JOB_ID" >>"$0"; sleep 0.$1; echo "end $FLUX_JOB_ID" >>"$0"'
        command = ["sh", "-c", script, self.runs, "01" if number % 40 else "3"]
        return from_command(command, environment={"PATH": os.environ["PATH"]})

    # -- what must hold -----------------------------------------------------------------------------

    def _check(self, h: Flux, result: Round) -> None:
        rows = job_list(h, 0, ["id", "state", "result"], FLUX_USERID_UNKNOWN).get_jobs()
        listed = {row["id"] for row in rows}
        result.stored = len(listed)
        for row in rows:
            if row["state"] != FLUX_JOB_STATE_INACTIVE:
                result.problems.append(f"job {row['id']} is not over")
        for missing in sorted(self.ids - listed):
            result.problems.append(f"job {missing} was returned and is lost")
        ran = Counter(tuple(line.split()) for line in self._lines())
        for (what, id), times in ran.items():
            if times > 1:
                result.problems.append(f"job {id}: {times} times {what}")
        lookups = {
            id: h.rpc("kvs.lookup", {"key": job_key(id, "eventlog"), "namespace": "primary", "flags": 0})
            for id in listed - self._inactive  # the log of an inactive job does not change any more
        }
        self._inactive |= listed
        for id, lookup in lookups.items():
            try:
                text = treeobj.val_data(lookup.get()["val"]).decode()
                self._check_log(id, eventlog.decode_entries(text), ran, result)
            except (OSError, ValueError) as error:
                result.problems.append(f"job {id}: {error}")

    def _lines(self) -> list[str]:
        with open(self.runs) as file:
            return file.read().splitlines()

    def _check_log(
        self, id: int, events: list[dict[str, Any]], ran: Counter[tuple[str, ...]], result: Round
    ) -> None:
        names = Counter(entry["name"] for entry in events)
        order = [entry["name"] for entry in events]
        times = [entry["timestamp"] for entry in events]
        context = {entry["name"]: entry.get("context", {}) for entry in events}
        fatal = [
            entry["context"]["note"]
            for entry in events
            if entry["name"] == "exception" and entry["context"]["severity"] == 0
        ]
        begun, ended = ran["begin", str(id)], ran["end", str(id)]
        wrong = [name for name in _ONCE if names[name] > 1]
        if wrong or order[0] != "submit" or order[-1] != "clean" or times != sorted(times):
            result.problems.append(f"job {id}: malformed log {_json.dumps(events).decode()}")
        if fatal:
            result.interrupted += 1
            if not all(fatal):
                result.problems.append(f"job {id}: an exception does not say why")
        elif "finish" not in names or context["finish"]["status"]:
            result.problems.append(f"job {id} did not succeed and no exception says why: {order}")
        elif begun != ended:
            result.problems.append(f"job {id} succeeded, but has begun {begun} and ended {ended} times")
