# SPDX-License-Identifier: LGPL-3.0-or-later
"""A KVS with a store."""

import pytest

from rosin.testing import Instance


@pytest.fixture
async def inst():
    async with Instance(modules=["content", "content-sqlite", "kvs"]) as instance:
        yield instance
