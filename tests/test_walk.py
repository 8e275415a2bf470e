# SPDX-License-Identifier: LGPL-3.0-or-later
"""The walk of a request, a commit and a job through the files of the source."""

import sys

import pytest
from benchmarks import walk


async def test_a_request_enters_client_broker_and_service():
    found = (await walk.walk("request"))["request"]
    assert {"handle/rpc.py", "broker/router.py", "broker/module_peer.py", "broker/standard.py"} <= found.files
    assert not any(name.startswith(("testing/", "shell/", "modules/job")) for name in found.files)
    assert found.changes == found.pairs.total() >= len(found.files)
    assert {name for pair in found.pairs for name in pair} == {"", *found.files}


async def test_walks_are_apart():
    """What one of them enters is not counted for the next, and nothing is once they are over."""
    found = await walk.walk("commit", "request")
    assert "modules/kvs/transaction.py" in found["commit"].files - found["request"].files
    assert sys.getprofile() is None


def test_what_is_printed(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["walk", "--pairs", "2", "--times", "1", "request", "job"])
    assert walk.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if " files " in line] == ["request", "job"]
    assert len(lines) == 6
    assert all(line.split()[2] == "<>" for line in lines if " files " not in line)


@pytest.mark.parametrize(
    ("words", "text"),
    [(["nosuch"], "no such walk: nosuch"), (["--times", "0"], "--times: expected a number of 1 or more")],
)
def test_what_is_refused(capsys, monkeypatch, words, text):
    monkeypatch.setattr(sys, "argv", ["walk", *words])
    with pytest.raises(SystemExit, match="2"):
        walk.main()
    assert text in capsys.readouterr().err


async def test_the_median_of_several_walks_is_shown(monkeypatch):
    walks = iter([300, 100, 200])

    async def take(_way, _h):
        found = walk.Walk()
        found.pairs["", "a"] = next(walks)
        return found

    monkeypatch.setattr(walk, "_take", take)
    assert (await walk.walk("request", times=3))["request"].changes == 200
