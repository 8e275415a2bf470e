# SPDX-License-Identifier: LGPL-3.0-or-later
"""Each function of the Python API's reference has an example, and it gives what the page says.

After a change, `rosin start python tests/upstream/answers.py docs/python_examples.txt` prints the file anew.
"""

import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "python_examples.txt"
MODULES = ("rosin.job", "rosin.kvs", "rosin.content", "rosin.resource", "rosin.queue")


def functions(name):
    module = import_module(name)
    public = getattr(module, "__all__", None) or [
        item for item, value in vars(module).items() if getattr(value, "__module__", "") == name
    ]
    return [
        f"{name}.{item}" for item in public if item[0] != "_" and inspect.isfunction(getattr(module, item))
    ]


def test_each_function_has_an_example():
    shown = {line[2:] for line in EXAMPLES.read_text(encoding="utf-8").splitlines() if line.startswith("# ")}
    assert [name for module in MODULES for name in functions(module) if name not in shown] == []


@pytest.mark.system
def test_the_examples_give_what_the_page_says():
    done = subprocess.run(
        [sys.executable, "-m", "rosin", "start", sys.executable, "tests/upstream/answers.py", str(EXAMPLES)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=58,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, EXAMPLES.read_text(encoding="utf-8")), done.stderr
