# SPDX-License-Identifier: LGPL-3.0-or-later
"""Fixtures for the tests of workflows: pytest finds them where Rosin is installed.

``flux_instance`` is an instance of the test session's own, ``flux`` a handle of it. Programs that the test
starts, and ``flux.Flux()`` of the drop-in, reach it, too: FLUX_URI names it. Jobs that a test leaves are
cancelled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rosin.handle.flux import Flux
    from rosin.instance import Instance


@pytest.fixture(scope="session")
def flux_options() -> tuple[str, ...]:
    """Options of ``rosin start`` for the instance of the session; define it anew to have others."""
    return ()


@pytest.fixture(scope="session")
def flux_instance(flux_options: tuple[str, ...]) -> Iterator[Instance]:
    """A running instance, a :class:`rosin.Instance`; the first test that asks for it starts it."""
    from rosin.instance import Instance

    with Instance(*flux_options) as instance:
        yield instance


@pytest.fixture
def flux(flux_instance: Instance, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flux]:
    """A handle of the session's instance, which is the one of FLUX_URI meanwhile."""
    from rosin.job import JobList, cancel, event_wait

    monkeypatch.setenv("FLUX_URI", flux_instance.uri)
    with flux_instance.connect() as handle:
        yield handle
    with flux_instance.connect() as handle:
        left = JobList(handle, filters=["pending", "running"]).jobs()
        for job in left:
            cancel(handle, job.id, "left by a test")
        for job in left:
            event_wait(handle, job.id, "clean", raiseJobException=False)
