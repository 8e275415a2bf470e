# SPDX-License-Identifier: LGPL-3.0-or-later
"""Fixtures that several areas share."""

import os
from collections.abc import Iterator

import hypothesis
import pytest

from rosin import _json
from rosin.process.signals import catch_ignored
from rosin.testing.process import RealInstance

from . import rfc_table, timeouts, transcripts
from .leftovers import Leftovers

# Unbuffered output, which a developer's machine may have set, hides what happens when it is flushed.
os.environ.pop("PYTHONUNBUFFERED", None)

# Neither may tests meet instances of the machine, nor its user those of tests.
for _name in [name for name in os.environ if name.startswith("FLUX_")]:
    del os.environ[_name]
_LEFTOVERS = Leftovers()

# What runs tests in the background (nohup, a script) may ignore or block signals that tests send to what they
# start. This process goes on ignoring them; programs get those that are caught as usual.
catch_ignored()
os.environ["ROSIN_REGISTRY"] = _LEFTOVERS.registry

# How long an example takes says how busy the machine is, and nothing about the subject.
hypothesis.settings.register_profile(
    "rosin", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("rosin")

_CODEC = {name: getattr(_json, name) for name in ("dumps", "dumps_sorted", "loads")}


def pytest_addoption(parser: pytest.Parser) -> None:
    rfc_table.add_options(parser)
    transcripts.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(rfc_table.RfcTable(config), "rfc-table")
    config.pluginmanager.register(timeouts, "timeouts")
    config.pluginmanager.register(_LEFTOVERS, "leftovers")


@pytest.fixture(autouse=True)
def _own_json_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ran in this process must not leave its JSON codec to the tests after it."""
    for name, function in _CODEC.items():
        monkeypatch.setattr(_json, name, function)


@pytest.fixture(scope="session")
def real_instance() -> Iterator[RealInstance]:
    """One running instance for all tests that only look at it or submit jobs of their own."""
    with RealInstance() as instance:
        yield instance
