# SPDX-License-Identifier: LGPL-3.0-or-later
"""The code of modules in one file: what is in it is what Python would import, or it is not taken."""

import importlib.util
import inspect
import os
import sys

import pytest

from rosin._codecache import Finder


class Place:
    """Modules of a package in a directory, and the file beside them."""

    def __init__(self, root):
        self.root = root
        self.path = str(root / "start.code")
        self.write("zz_one", "VALUE = 1\n\n\ndef answer():\n    return VALUE + 41\n")
        (root / "zz_two").mkdir()
        self.write("zz_two/__init__", "VALUE = 2\n")
        self.write("zz_two/three", "VALUE = 3\n")

    def write(self, name, text):
        (self.root / f"{name}.py").write_text(text)

    def imported(self):
        """Import them as Python does."""
        for name, file in (
            ("zz_one", "zz_one"),
            ("zz_two", "zz_two/__init__"),
            ("zz_two.three", "zz_two/three"),
        ):
            spec = importlib.util.spec_from_file_location(f"rosin.{name}", self.root / f"{file}.py")
            module = sys.modules[f"rosin.{name}"] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)

    def finder(self, **changes):
        found = Finder(**{"path": self.path, "root": str(self.root), **changes})
        found.open()
        return found

    def kept(self):
        """A finder of the file that a first start has written."""
        self.imported()
        first = self.finder()
        assert first.find_spec("rosin.zz_one") is None
        first.missed = 1000
        first.keep()
        for name in [name for name in sys.modules if name.startswith("rosin.zz_")]:
            del sys.modules[name]
        return self.finder()


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    before = set(sys.modules)
    yield Place(tmp_path)
    for name in set(sys.modules) - before:
        if name.startswith("rosin.zz_"):
            del sys.modules[name]


def load(finder, name):
    spec = finder.find_spec(name)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_modules_are_as_python_imports_them(place):
    finder = place.kept()
    one, two, three = (load(finder, f"rosin.{name}") for name in ("zz_one", "zz_two", "zz_two.three"))
    assert (one.answer(), two.VALUE, three.VALUE) == (42, 2, 3)
    assert one.__file__ == str(place.root / "zz_one.py")
    assert inspect.getsource(one.answer) == "def answer():\n    return VALUE + 41\n"
    assert two.__path__ == [str(place.root / "zz_two")]
    assert not hasattr(one, "__path__")
    assert three.__package__ == "rosin.zz_two"
    assert finder.missed == 0
    assert finder.find_spec("json") is None
    assert finder.missed == 0


def test_a_source_that_has_changed(place):
    """By its size, or by its time alone; or that is gone."""
    finder = place.kept()
    place.write("zz_one", "VALUE = 1000\n")
    os.utime(place.root / "zz_two" / "three.py", (1, 1))
    (place.root / "zz_two" / "__init__.py").unlink()
    assert [finder.find_spec(f"rosin.{name}") for name in ("zz_one", "zz_two.three", "zz_two")] == [None] * 3
    assert finder.missed == 2


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("cut", [0, 3, 8, 40, 400, 600])
def test_a_file_that_is_cut(place, cut, zeros):
    """What is left of it after a power cut: nothing is taken of it that is not whole."""
    place.kept()
    whole = os.path.getsize(place.path)
    assert whole > 600
    with open(place.path, "r+b") as file:
        file.truncate(cut)
        if zeros:
            file.truncate(whole)
    finder = place.finder()
    for name in ("zz_one", "zz_two", "zz_two.three"):
        if finder.find_spec(f"rosin.{name}") is not None:
            assert load(finder, f"rosin.{name}").VALUE


def test_a_file_that_is_not_ours(place, tmp_path_factory, monkeypatch):
    place.kept()
    assert place.finder(root=str(tmp_path_factory.mktemp("copy"))).find_spec("rosin.zz_one") is None
    monkeypatch.setattr(Finder, "_mark", staticmethod(lambda: b"another Python"))
    assert place.finder().find_spec("rosin.zz_one") is None


def test_when_it_is_written(place, monkeypatch):
    """Not where nearly all was found, where Python is not to write .pyc, or where nothing can be written."""
    finder = place.kept()
    before = os.stat(place.path).st_mtime_ns
    place.imported()
    finder.keep()
    assert os.stat(place.path).st_mtime_ns == before
    finder.missed = 1000
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    finder.keep()
    assert os.stat(place.path).st_mtime_ns == before
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    lost = place.finder(path=str(place.root / "nowhere" / "start.code"))
    lost.missed = 1000
    lost.keep()
    finder.keep()
    assert os.stat(place.path).st_mtime_ns > before
    assert sorted(path.name for path in place.root.iterdir()) == [
        "__pycache__",
        "start.code",
        "zz_one.py",
        "zz_two",
    ]


def test_what_has_no_code_or_another_name(place):
    """A .pyc that is not of this source, and a module that is somewhere else, are left out."""
    place.imported()
    place.write("zz_one", "VALUE = 1000\n")
    sys.modules["rosin.zz_two"].__spec__.origin = "/elsewhere.py"
    finder = place.finder()
    finder.missed = 1000
    finder.keep()
    found = place.finder()
    assert found.find_spec("rosin.zz_one") is None
    assert found.find_spec("rosin.zz_two") is None
    assert found.find_spec("rosin.zz_two.three") is not None
