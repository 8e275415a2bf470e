# SPDX-License-Identifier: LGPL-3.0-or-later
"""Output by `/rosin/v1`: bytes, ranges of bytes, and ranges of lines."""

from __future__ import annotations

import asyncio
import sys

import pytest

from rosin.rest.output import OutputChunk
from rosin.rest.outputlog import OutputLog
from rosin.rest.own.lineindex import LONG, Changed, LineIndex
from rosin.rest.own.linematch import expression
from rosin.rest.problem import Problem

JOBS = "/rosin/v1/jobs"


@pytest.fixture
async def written(api):
    """A job of two tasks that has written."""
    script = "for i in 1 2 3; do echo $FLUX_TASK_RANK out $i; done; echo $FLUX_TASK_RANK err >&2; printf end"
    answer = await api.post(JOBS, json={"command": ["sh", "-c", script], "ntasks": 2, "nnodes": 1})
    jobid = answer.json()["id"]
    await api.ended(jobid)
    return jobid


async def lines(api, jobid, **parameters):
    answer = await api.get(f"{JOBS}/{jobid}/lines", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_all_lines_and_some(api, written):
    found = await lines(api, written)
    assert (found["total"], found["complete"]) == (10, True)
    assert [line["n"] for line in found["items"]] == list(range(10))
    assert sorted(line["text"] for line in found["items"])[:3] == ["0 err", "0 out 1", "0 out 2"]
    assert [line["open"] for line in found["items"]] == [False] * 8 + [True] * 2
    err = await lines(api, written, stream="stderr", rank="1")
    assert [(line["n"], line["text"], line["rank"]) for line in err["items"]] == [(0, "1 err", "1")]
    two = await lines(api, written, search="OUT 2", ignore_case=True)
    assert sorted(line["text"] for line in two["items"]) == ["0 out 2", "1 out 2"]
    assert (await lines(api, written, search="OUT 2"))["total"] == 0
    odd = await lines(api, written, search="^[01] OUT [13]$", ignore_case=True, regex=True)
    assert sorted(line["text"] for line in odd["items"]) == ["0 out 1", "0 out 3", "1 out 1", "1 out 3"]
    assert (await lines(api, written, search="^[01] OUT", regex=True))["total"] == 0
    assert (await lines(api, written, search="^end$", regex=True))["total"] == 2  # also without an end
    last = await lines(api, written, start=-3, count=2)
    assert (last["start"], [line["n"] for line in last["items"]]) == (7, [7, 8])
    assert (await lines(api, written, start=99))["items"] == []
    assert (await lines(api, written, count=0))["total"] == 10


async def test_bytes_and_ranges(api, written):
    whole = await api.get(f"{JOBS}/{written}/output", params={"rank": "0", "stream": "stdout"})
    assert whole.content == b"0 out 1\n0 out 2\n0 out 3\nend"
    assert whole.headers["content-type"] == "application/octet-stream"
    params = {"rank": "0", "stream": "stdout", "download": True}
    for header, expected, place in (
        ("bytes=0-6", b"0 out 1", "bytes 0-6/27"),
        ("bytes=24-", b"end", "bytes 24-26/27"),
        ("bytes=-3", b"end", "bytes 24-26/27"),
        ("bytes=25-99", b"nd", "bytes 25-26/27"),
    ):
        part = await api.get(f"{JOBS}/{written}/output", params=params, headers={"Range": header})
        assert (part.status_code, part.content, part.headers["content-range"]) == (206, expected, place)
        assert part.headers["content-disposition"].endswith('.stdout.txt"')
    for header in ("bytes=99-", "bytes=-0"):
        none = await api.get(f"{JOBS}/{written}/output", params=params, headers={"Range": header})
        assert (none.status_code, none.headers["content-range"]) == (416, "bytes */27")
    for header in ("bytes=5-3", "lines=1-2", "bytes=0-1,3-4", "bytes=-", "bytes=" + "9" * 40 + "-"):
        all_of_it = await api.get(f"{JOBS}/{written}/output", params=params, headers={"Range": header})
        assert (all_of_it.status_code, len(all_of_it.content)) == (200, 27)


async def test_lines_of_a_running_job_grow(api, tmp_path):
    go = tmp_path / "go"
    command = ["sh", "-c", f"echo one; while ! test -e {go}; do read x; done; echo two"]
    jobid = (await api.post(JOBS, json={"command": command})).json()["id"]
    await api.running(jobid)
    while (await lines(api, jobid))["total"] < 1:
        pass
    go.touch()
    await say(api, jobid, data="x\n", end=True)
    await api.ended(jobid)
    assert [line["text"] for line in (await lines(api, jobid))["items"]] == ["one", "two"]


async def say(api, jobid, **asked):
    while (answer := await api.post(f"{JOBS}/{jobid}/input", json=asked)).status_code == 409:
        pass  # its shell begins
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


async def test_input(api):
    jobid = (await api.post(JOBS, json={"command": ["cat"]})).json()["id"]
    await api.running(jobid)
    assert await say(api, jobid, data="ŧext\n") == {"bytes": 6, "end": False, "read": True}
    assert (await say(api, jobid, data="AAEC", encoding="base64", end=True))["bytes"] == 3
    await api.ended(jobid)
    assert (await api.get(f"{JOBS}/{jobid}/output")).content == "ŧext\n\0\1\2".encode()
    assert (await api.post(f"{JOBS}/{jobid}/input", json={"data": "x"})).status_code == 409


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "data"),
        ({"data": "x", "encoding": "base64"}, "data"),
        ({"data": "x", "ranks": "["}, "ranks"),
        ({"data": "x", "encoding": "latin-1"}, "encoding"),
        ({"data": 1}, "data"),
    ],
)
async def test_input_that_makes_no_sense(api, written, asked, field):
    answer = await api.post(f"{JOBS}/{written}/input", json=asked)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("parameters", [{"count": 5001}, {"rank": "x"}, {"stream": "x"}, {"start": "9" * 30}])
async def test_parameters_that_make_no_sense(api, written, parameters):
    assert (await api.get(f"{JOBS}/{written}/lines", params=parameters)).status_code in (400, 422)


class Log:
    """An index that is fed by hand."""

    def __init__(self):
        self.index = LineIndex()

    def write(self, data, stream="stdout", rank="0", time=1.0):
        self.index._add(OutputChunk(stream, rank, data, time))

    async def texts(self, writer=None, text=None):
        view = await self.index.view(("test", text is not None), writer, text)
        return [line[2] for _, _, line in view.part(0, 10**6, 10**9)]


async def test_lines_are_put_together_by_writer():
    log = Log()
    log.write(b"a")
    log.write(b"x\ny", rank="1")
    log.write(b"b\n\nc\n")
    log.write(b"\n", rank="1")
    assert await log.texts() == [b"x\n", b"ab\n", b"\n", b"c\n", b"y\n"]
    assert await log.texts(lambda who: who[1] == "1") == [b"x\n", b"y\n"]
    log.write(b"more\n", rank="1")
    assert await log.texts(lambda who: who[1] == "1") == [b"x\n", b"y\n", b"more\n"]
    log.index.close()


async def test_a_line_without_an_end_has_parts():
    log = Log()
    for _ in range(20):
        log.write(b"x" * (LONG // 16))
    view = await log.index.view(None, None)
    ((_, _, line),) = list(view.part(0, 10, 1 << 30))
    assert (line[3], len(log.index), len(log.index.unfinished(lambda _: True)[0][1])) == (True, 1, LONG // 4)
    log.index.close()


async def test_many_lines_leave_others_their_turn():
    log = Log()
    for number in range(200):
        log.write(b"".join(b"line %d\n" % at for at in range(number * 500, number * 500 + 500)))
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    found = await log.texts(text=lambda line: line.endswith(b"99\n"))
    task.cancel()
    assert len(found) == 1000
    assert turns >= 20
    log.index.close()


async def test_a_log_whose_blobs_were_put_together_is_read_again(monkeypatch):
    index = LineIndex()
    index._taken = ["a", "b"]

    async def changed(instance, jobid):
        return OutputLog(["ab"], None)

    monkeypatch.setattr("rosin.rest.own.lineindex.open_log", changed)
    with pytest.raises(Changed):
        await index.update(None, 1)
    index.close()


async def test_input_waits_for_a_job_that_is_about_to_begin(api):
    jobid = (await api.post(JOBS, json={"command": ["cat"]})).json()["id"]
    answer = await api.post(f"{JOBS}/{jobid}/input", json={"data": "soon\n", "end": True})
    assert answer.status_code == 200, answer.text
    await api.ended(jobid)
    assert (await api.get(f"{JOBS}/{jobid}/output")).content == b"soon\n"


@pytest.mark.parametrize(
    "pattern", ["(", r"(a)\1", "(?=a)", "a{1000}{1000}", "((a{100}){100}){100}", "[z-a]", "a" * 257]
)
async def test_what_is_no_safe_expression_is_refused(api, pattern):
    jobid = await api.submit("true")
    answer = await api.get(f"{JOBS}/{jobid}/lines", params={"search": pattern, "regex": True})
    assert answer.status_code == 422
    assert "search" in answer.json()["errors"][0]["field"]


def test_no_expression_takes_longer_than_its_line():
    """Each of these takes a backtracking matcher longer than the universe is old."""
    line = b"a" * LONG
    for pattern in ("(a+)+$b", "(a|a)*b", "(a|aa)+c", "(.*)*x", "a*a*a*a*a*a*b"):
        assert not expression(pattern, True)(line)
    assert expression("(a+)+$", False)(line + b"\n")
    assert expression("\u017f", True)("\u017f".encode())
    assert expression("b", False)(b"\xff\xfeb")


async def test_long_lines_leave_others_their_turn(monkeypatch):
    index = LineIndex()
    line = b"x" * (LONG - 1) + b"\n"
    for _ in range(8):
        index._add(OutputChunk("stdout", "0", line, 1.0))
    looked: list[tuple[int, int]] = []
    matching = LineIndex._matching
    monkeypatch.setattr(
        LineIndex, "_matching", lambda self, *args: looked.append(args[:2]) or matching(self, *args)
    )
    assert len(await index.view("all", None, lambda data: data.endswith(b"x\n"))) == 8
    assert looked == [(at, at + 1) for at in range(8)]
    index.close()


async def timeline(api, jobid, **parameters):
    answer = await api.get(f"{JOBS}/{jobid}/timeline", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_is_read_and_written_is_among_the_events(api):
    job = {"command": ["sh", "-c", "read x; echo got $x; echo err >&2"]}
    jobid = (await api.post(JOBS, json=job)).json()["id"]
    told = await api.post(f"{JOBS}/{jobid}/input", json={"data": "\u0167ext\n", "end": True})
    assert told.status_code == 200, told.text
    await api.ended(jobid)
    found = await timeline(api, jobid, logs="job,exec,input,output")
    times = [item["timestamp"] for item in found["items"]]
    assert (times == sorted(times), found["complete"]) == (True, True)
    talk = [item for item in found["items"] if item["log"] in ("input", "output")]
    assert [(item["log"], item["context"]["stream"], item["context"]["text"]) for item in talk[:2]] == [
        ("input", "stdin", "\u0167ext\n"),
        ("output", "stdout", "got \u0167ext\n"),
    ]
    assert (talk[0]["context"]["bytes"], talk[0]["name"], len(talk)) == (6, "data", 3)
    assert {item["log"] for item in found["items"]} == {"job", "exec", "input", "output"}
    short = await timeline(api, jobid, logs="output,input", limit=1)
    assert (len(short["items"]), short["complete"]) == (1, False)
    assert {item["log"] for item in (await timeline(api, jobid))["items"]} == {"job", "exec"}
    assert (await timeline(api, jobid, logs="input", limit=1))["complete"]
    wrong = await api.get(f"{JOBS}/{jobid}/timeline", params={"logs": "job,outputs"})
    assert (wrong.status_code, "outputs" in wrong.json()["detail"]) == (400, True)


def test_an_expression_where_there_is_no_re2(monkeypatch):
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(Problem) as refused:
        expression("a+", ignore_case=False)
    assert refused.value.status == 501
    assert "pip install 'rosin[rest]'" in str(refused.value.detail)
