# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin._lazy: packages whose names are imported on first use."""

import importlib
import sys

import pytest

PACKAGES = ["rosin", "rosin.handle", "rosin.job", "rosin.kvs", "rosin.resource"]


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_there_and_listed(name):
    package = importlib.import_module(name)
    assert set(package.__all__) <= {*package._WHERE, "__version__"}
    for public in package._WHERE:
        value = getattr(package, public)
        assert vars(package)[public] is value  # the next time it is an attribute like any other
    assert set(package._WHERE) <= set(dir(package))


def test_a_name_costs_its_own_module(tmp_path, monkeypatch):
    package = tmp_path / "lazily_made"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from rosin._lazy import on_first_use\n"
        "__getattr__, __dir__ = on_first_use(__name__, {'one': 'first', 'two': 'second'})\n"
    )
    (package / "first.py").write_text("one = 1\n")
    (package / "second.py").write_text("two = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    lazily_made = importlib.import_module("lazily_made")
    try:
        assert {"one", "two"} <= set(dir(lazily_made))
        assert lazily_made.one == 1
        assert "lazily_made.first" in sys.modules
        assert "lazily_made.second" not in sys.modules
        with pytest.raises(AttributeError, match="module 'lazily_made' has no attribute 'three'"):
            _ = lazily_made.three
    finally:
        for name in [name for name in sys.modules if name.startswith("lazily_made")]:
            del sys.modules[name]
