# SPDX-License-Identifier: LGPL-3.0-or-later
"""Colour, and lines that are drawn over and over: they fit, and no job commands the screen."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pytest

from rosin.cli import terminal
from rosin.cli.colour import use_color
from rosin.cli.job.statusline import status_text
from rosin.cli.jobformat import job_format
from rosin.cli.progress import Progress


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("environ", "when", "expected"),
    [
        ({}, "auto", True),
        ({"NO_COLOR": "1"}, "auto", False),
        ({"NO_COLOR": ""}, "auto", True),
        ({"TERM": "dumb"}, "auto", False),
        ({"NO_COLOR": "1", "TERM": "dumb"}, "always", True),
        ({}, "never", False),
    ],
)
def test_one_place_decides_about_colour(monkeypatch, environ, when, expected):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert use_color(when, Screen()) is expected
    assert use_color("auto", io.StringIO()) is False


def drawn(text):
    return re.sub(r"\x1b\[K|\r", "", text)


@pytest.mark.parametrize("width", [1, 2, 10, 20, 40, 41, 60, 80, 200])
@pytest.mark.parametrize("submitting", [True, False])
@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_progress_never_reaches_the_last_column(monkeypatch, capsys, width, submitting, term):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(terminal, "columns", lambda fd: width)
    reactor = SimpleNamespace(timer=lambda *args: SimpleNamespace(cancel=lambda: None))
    progress = Progress(reactor, 100_000, jobs_per_second=True, submitting=submitting)
    progress.count = progress.pending = progress.complete = 50_000
    capsys.readouterr()
    progress.show()
    progress.hide()
    out = capsys.readouterr().out
    assert all(len(line) < width for line in re.split(r"\r|\x1b\[K", out))
    assert ("\x1b" in out) is (term != "dumb")
    if width >= 40:
        assert "50.0%" in out


@pytest.mark.parametrize("width", [5, 20, 40, 80])
def test_the_status_line_fits_and_keeps_job_and_clock(width):
    line = status_text(
        "rosin-job", "ƒABCDEFGHJK", "waiting for resources (batch queue stopped)", "00:00:12", width
    )
    assert width < 20 or (len(line) < width and line.endswith(" 00:00:12"))
    assert width < 40 or "ƒABCDEFGHJK" in line


def test_values_of_jobs_are_plain_text():
    job = SimpleNamespace(name="a\x1b[31m\nb\udc9b\u202ec", id=SimpleNamespace(f58="ƒ1"))
    assert job_format("{name}|{name:>30}").format(job) == (
        "a\\x1b[31m\\x0ab\\x9b\\u202ec|" + "a\\x1b[31m\\x0ab\\x9b\\u202ec".rjust(30)
    )
    # What the user wrote into the format stays.
    assert job_format("{id.f58}\t\n").format(job) == "ƒ1\t\n"
    assert terminal.printable("grün 🎉") == "grün 🎉"


def test_output_beside_a_progress_bar():
    assert terminal.beside_layout(b"plain\ttext\n") == b"plain\ttext\n"
    assert terminal.beside_layout(b"\x1b[1;31mred\x1b[0m\r\n") == b"\x1b[1;31mred\x1b[0m\n"
    assert terminal.beside_layout(b"\x1b[2J\x1b[H\x07\r") == b"\\x1b[2J\\x1b[H\\x07\\x0d"
    assert terminal.beside_layout("ü\x9b2J".encode()) == "ü".encode() + b"\\xc2\\x9b2J"
    assert terminal.beside_layout(b"\xff\x1b]0;title\x07") == b"\xff\\x1b]0;title\\x07"
