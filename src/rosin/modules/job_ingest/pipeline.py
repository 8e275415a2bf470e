# SPDX-License-Identifier: LGPL-3.0-or-later
"""What plugins in files do with a job, between what is done with it in this process."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from rosin.modules.job_ingest.crew import Crew, CrewSettings
from rosin.rfc.queues.additions import Additions

if TYPE_CHECKING:
    from rosin.modules.job_ingest.crew import CrewPort
    from rosin.modules.job_ingest.request import IngestRequest
    from rosin.modules.job_ingest.settings import IngestSettings


class Pipeline:
    """The processes of some settings."""

    def __init__(self, settings: IngestSettings, port: CrewPort) -> None:
        def crew(wanted: CrewSettings) -> Crew:
            return Crew(wanted, port, lambda: settings.room)

        frobnicators = settings.policy.frobnicators
        self._stages: list[Additions | Crew] = [
            crew(stage) if isinstance(stage, CrewSettings) else stage for stage in frobnicators.stages
        ]
        self._validator = None if settings.crew is None else crew(settings.crew)
        self.apart = frobnicators.apart or self._validator is not None

    @property
    def _crews(self) -> list[Crew]:
        crews = [stage for stage in self._stages if isinstance(stage, Crew)]
        return crews if self._validator is None else [*crews, self._validator]

    async def change(self, submission: IngestRequest) -> dict[str, Any]:
        """Return the jobspec with what all stages do to it. Raises OSError."""
        jobspec = submission.jobspec
        for stage in self._stages:
            if isinstance(stage, Crew):
                jobspec = _value(await _said(stage, submission, jobspec))
            _check_form(jobspec)
            if isinstance(stage, Additions):
                jobspec = stage.apply(jobspec)
        return jobspec  # type: ignore[no-any-return]

    async def check(self, submission: IngestRequest, jobspec: dict[str, Any]) -> None:
        """Let all plugins check it. Raises OSError with what they have against it."""
        if self._validator is not None:
            await _said(self._validator, submission, jobspec)

    def stats(self) -> dict[str, Any]:
        """Those of the processes, by stage, in flux-core's shape."""
        named = {"frobnicator": self._crews[:1] if self._crews[:1] != [self._validator] else []}
        named["validator"] = [] if self._validator is None else [self._validator]
        return {name: crews[0].stats() for name, crews in named.items() if crews}

    async def retire(self) -> None:
        """Let all processes end when they have done what they were asked."""
        for crew in self._crews:
            await crew.retire()

    async def stop(self) -> None:
        """End all processes."""
        for crew in self._crews:
            await crew.stop()


async def _said(crew: Crew, submission: IngestRequest, jobspec: Any) -> dict[str, Any]:
    """The answer of a stage. Raises OSError if it refuses the job."""
    info = {"userid": submission.userid, "urgency": submission.urgency, "flags": submission.flags}
    answer = await crew.ask({"jobspec": jobspec, **info})
    if answer["errnum"] != 0:
        crew.counts["errors"] += 1
        text = answer.get("errstr")
        errnum = answer["errnum"] if answer["errnum"] > 1 else errno.EINVAL
        raise OSError(errnum, text if isinstance(text, str) and text else f"refused by {crew.settings.names}")
    return answer


def _value(answer: dict[str, Any]) -> Any:
    return answer.get("data")


def _check_form(jobspec: Any) -> None:
    """Refuse what nothing can be added to. Raises OSError EINVAL."""
    attributes = jobspec.get("attributes") if isinstance(jobspec, dict) else None
    if not isinstance(attributes, dict) or not isinstance(attributes.get("system", {}), dict):
        raise OSError(errno.EINVAL, "jobspec: expected an object with attributes and in them system, objects")
