# SPDX-License-Identifier: LGPL-3.0-or-later
"""The drop-in: bars at the end of what a program prints."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "dropin" / "src"

CODE = """
from flux.progress import *
assert (ElapsedTime(61.7).dt.seconds, ElapsedTime(2.5) * 2) == (62, 5.0)
bar = ProgressBar(total=4, before="{what} {count}/{total} ", after=" {percent:.0f}% {elapsed.dt}", what="x")
text = str(bar)
assert (len(text), text[:7], text[-12:]) == (80, "x 0/4 \u2502", "\u2502 0% 0:00:00"), text
assert bar.update() is None and (bar.count, bar.what, bar.total) == (1, "x", 4)
assert str(bar)[7:-13] == "\u2588" * 15 + " " * 45, str(bar)
bar.update(advance=3, what="yy")
assert set(str(bar).split("\u2502")[1]) == {"\u2588"} and str(bar).startswith("yy 4/4")
line = Bottombar(a=1, b="c")
assert str(line) == "a=1 b=c" and line.a == 1
assert line.start() is line
line.update(a=2)
line.stop()
ProgressBar(total=1, autostop=True, after="|", before="B").start().update()
"""


def test_bars():
    env = {**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", CODE], env=env, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    first, second, rest = done.stdout.decode().split("\n")
    assert first.split("\r\033[K") == ["", "a=1 b=c", "a=2 b=c", "a=2 b=c"]
    drawn = second.split("\r\033[K")[1:]
    assert (len(drawn), drawn[-1][:3], rest) == (3, "B\u2502\u2588", "")
