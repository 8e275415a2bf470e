# SPDX-License-Identifier: LGPL-3.0-or-later
"""A user's own plugins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.shell.fakes import FakeShell

from rosin.shell import vocabulary
from rosin.shell.errors import ShellError
from rosin.shell.options import Options
from rosin.shell.plugins.userrc import files, plugin_classes

GREETER = """
from rosin.shell.plugins.api import ShellPlugin

class Greeter(ShellPlugin):
    options = {"greeting": "a word"}

    def shell_init(self):
        self.shell.announcement["greeting"] = self.shell.info.options.string("greeting", "hello")

    def task_init(self, task):
        task.env["GREETING"] = f"{self.shell.announcement['greeting']} {task.rank}"

    def task_exit(self, task):
        self.shell.log.notice(f"task {task.rank} is over", self.name)

class Nobody(ShellPlugin):
    name = "umask"
"""
#: A plugin with a fault at one point.
FAULTY = """
from rosin.shell.plugins.api import ShellPlugin

class Faulty(ShellPlugin):
    def POINT(self):
        1 / 0
"""
FAULT = "internal error: ZeroDivisionError: division by zero (mine.py:6)"


def classes(path: str, **system: Any) -> list[Any]:
    return plugin_classes(FakeShell({"userrc": path}, **system).info)


def test_the_classes_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GREETER)
    assert [cls.name for cls in classes(str(tmp_path / "mine.py"))] == ["Greeter", "umask"]
    assert [cls.name for cls in classes("mine.py", cwd=str(tmp_path))] == ["Greeter", "umask"]
    both = FakeShell({"userrc": "mine.py", "initrc": "mine.py"}, cwd=str(tmp_path)).info
    assert len(plugin_classes(both)) == 4


def test_jobs_without_one() -> None:
    shell = FakeShell({"userrc": "/dev/null"})
    assert files(shell.info.options, None) == []
    assert plugin_classes(shell.info) == []


def test_the_plugins_of_a_site(tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text(GREETER)
    site = str(tmp_path / "site.py")
    options = FakeShell({"userrc": "mine.py"}).info.options
    assert files(options, site) == [("conf.shell_initrc", site), ("userrc", "mine.py")]
    assert files(options, "/etc/flux/shell/initrc.lua") == [("userrc", "mine.py")]
    for other in ("/dev/null", "other.py"):
        options = FakeShell({"initrc": other}).info.options
        assert ("conf.shell_initrc", site) not in files(options, site)
    assert len(plugin_classes(FakeShell().info, site)) == 2
    with pytest.raises(
        ShellError, match=r"^attribute conf\.shell_initrc: loading rc file /no\.py: No such file"
    ):
        plugin_classes(FakeShell().info, "/no.py")


CHOOSER = """
from rosin.shell.plugins.api import ShellPlugin

class Chooser(ShellPlugin):
    options = {"quiet": "0 or 1"}

    @classmethod
    def choose(cls, options):
        if not options.flag("quiet"):
            options.set("env-expand.PLACE", "{{size}}")
        options.set("umask", None)
        options.set("verbose", 1)
"""


def test_a_site_chooses_options(run: Any, broker: Any, tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text(CHOOSER)
    broker.attrs["conf.shell_initrc"] = str(tmp_path / "site.py")
    for init in (None, True):
        assert run(["sh", "-c", "echo $PLACE"], options={"umask": "bogus"}, init=init) == 0
    assert broker.output() == b"1\n1\n"
    assert "exit 0" in broker.messages()
    assert run(["sh", "-c", "echo $PLACE."], options={"quiet": 1}, init=True) == 0
    assert broker.output().endswith(b"\n.\n")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("a", 1, {"a": 1, "b": {"c": 2}}),
        ("b.d.e", 3, {"b": {"c": 2, "d": {"e": 3}}}),
        ("b.c.d", 3, {"b": {"c": {"d": 3}}}),
        ("b.c", None, {"b": {}}),
        ("x.y", None, {"b": {"c": 2}, "x": {}}),
    ],
)
def test_options_are_set_by_their_paths(name: str, value: Any, expected: dict[str, Any]) -> None:
    options: dict[str, Any] = {"b": {"c": 2}}
    Options(options).set(name, value)
    assert options == expected


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("1/0", "ZeroDivisionError: division by zero (mine.py:1)"),
        ("x = (", "SyntaxError: '(' was never closed (mine.py, line 1)"),
        ("raise SystemExit(3)", "SystemExit: 3 (mine.py:1)"),
        ("class", "SyntaxError: invalid syntax (mine.py, line 1)"),
    ],
)
def test_a_file_that_does_not_run(tmp_path: Path, program: str, text: str) -> None:
    (tmp_path / "mine.py").write_text(program)
    with pytest.raises(ShellError) as raised:
        classes("mine.py", cwd=str(tmp_path))
    assert str(raised.value) == f"shell option userrc=mine.py: {text}"


def test_a_file_that_is_missing() -> None:
    with pytest.raises(ShellError, match=r"userrc: loading rc file /no/mine\.py: No such file or directory"):
        classes("/no/mine.py")


def test_options_of_its_own() -> None:
    vocabulary.check({"greeting": {"any": "thing"}}, {"greeting"})
    with pytest.raises(ShellError, match="unknown shell option greetings"):
        vocabulary.check({"greetings": 1}, {"greeting"})


def test_it_takes_part_in_the_life_of_the_shell(run: Any, broker: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(GREETER)
    options = {"userrc": str(tmp_path / "mine.py"), "greeting": "hi", "umask": "bogus"}
    assert run(["sh", "-c", "echo $GREETING"], options=options, init=True) == 0
    assert broker.output() == b"hi 0\n"
    assert broker.log("exec.eventlog")[0].context["greeting"] == "hi"
    assert broker.messages() == ["task 0 is over"]


@pytest.mark.parametrize("point", ["shell_init", "shell_post_init", "shell_start", "shell_finish"])
def test_its_fault_ends_the_job(run: Any, broker: Any, tmp_path: Path, point: str) -> None:
    (tmp_path / "mine.py").write_text(FAULTY.replace("POINT", point))
    assert run(["true"], options={"userrc": str(tmp_path / "mine.py")}) == 1
    assert [exception["note"] for exception in broker.exceptions] == [FAULT]


def test_it_does_not_end_the_job_in_silence(run: Any, broker: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        FAULTY.replace("POINT", "shell_init").replace("1 / 0", "raise SystemExit(0)")
    )
    assert run(["true"], options={"userrc": str(tmp_path / "mine.py")}) == 1
    (exception,) = broker.exceptions
    assert exception["note"] == "internal error: SystemExit: 0 (mine.py:6)"


@pytest.mark.parametrize("point", ["shell_exit", "close"])
def test_its_fault_at_the_end_is_told(start: Any, broker: Any, tmp_path: Path, point: str) -> None:
    (tmp_path / "mine.py").write_text(FAULTY.replace("POINT", point))
    job = start(["echo", "all"], options={"userrc": str(tmp_path / "mine.py")})
    assert job.wait() == (1 if point == "shell_exit" else 0)
    assert job.errors == f"flux-shell: {FAULT}\n"
    assert broker.output() == b"all\n"
    assert not list(tmp_path.glob("jobtmp-*"))
