# SPDX-License-Identifier: LGPL-3.0-or-later
"""A subprocess server that starts real processes."""

from collections.abc import AsyncIterator

import pytest

from rosin.testing import Instance


@pytest.fixture
async def inst() -> AsyncIterator[Instance]:
    async with Instance(["rexec"], clock="real") as instance:
        yield instance
