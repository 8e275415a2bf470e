# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin jobtap in a real instance."""

import json
from pathlib import Path

import pytest

from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system

QUOTA = Path(__file__).parents[2] / "examples" / "quota.py"


@pytest.fixture(scope="module")
def instance():
    with RealInstance() as instance:
        yield instance


@pytest.fixture
def jobtap(command, instance, monkeypatch):
    """Run ``rosin jobtap ARGS...``; all is removed in the end that was loaded."""
    monkeypatch.setenv("FLUX_URI", instance.uri)
    yield lambda *args: command("jobtap", *args)
    assert command("jobtap", "remove", "all") == (0, "", "")


def test_load_list_query_remove(jobtap, monkeypatch):
    monkeypatch.chdir(QUOTA.parent)  # the broker has another directory
    assert jobtap("load", "./quota.py", "most=7", "user.a=x", "user.b=[1]") == (0, "", "")
    assert jobtap("list").out == "quota.py\n"
    assert jobtap("list", "-a").out.splitlines()[::11] == [".priority-default", "quota.py"]
    assert json.loads(jobtap("query", "quota.py").out) == {
        "name": "quota.py",
        "path": str(QUOTA),
        "most": 7,
        "active": 0,
    }
    assert jobtap("load", "-r", "q*", str(QUOTA)) == (0, "", "")
    assert json.loads(jobtap("query", "quota.py").out)["most"] == 100
    assert jobtap("remove", "quota.py") == (0, "", "")
    assert jobtap("list") == (0, "", "")


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (
            ["load", "nosuch.py"],
            1,
            "rosin-jobtap: ERROR: nosuch.py not found; a file is named with a slash",
        ),
        (["load", "./nosuch.py"], 1, "/nosuch.py not found\n"),
        (["load", ".history"], 1, "rosin-jobtap: ERROR: .history already loaded\n"),
        (
            ["load", str(QUOTA), "most=x"],
            1,
            "rosin-jobtap: ERROR: quota.py: most: expected a number, got 'x'\n",
        ),
        (
            ["load", str(QUOTA), "a=1", "a.b=2"],
            1,
            "rosin-jobtap: ERROR: cannot set a.b: a is not an object\n",
        ),
        (
            ["load", str(QUOTA), "most"],
            2,
            "KEY=VALUE: invalid setting value: 'most': it takes KEY=VALUE, as in ",
        ),
        (["load"], 2, "rosin-jobtap load: the following arguments are required: PLUGIN\n"),
        (["remove", "x"], 1, "rosin-jobtap: ERROR: x not found\n"),
        (["query", "x"], 1, "rosin-jobtap: ERROR: x: plugin not found\n"),
    ],
)
def test_what_is_wrong_is_one_line(jobtap, args, code, text):
    result = jobtap(*args)
    assert (result.code, result.out) == (code, "")
    assert text in result.err
    assert code == 2 or result.err.count("\n") == 1
