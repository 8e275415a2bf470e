# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 9110 on every path: HEAD, OPTIONS, Allow; and parameters do what they say or are refused."""

from __future__ import annotations

import pytest

from rosin.errors import FormatError
from rosin.rest.submission import options, server_options

STREAMS = {"/events", "/rosin/v1/events"}
#: Their answers hold the time of day, which is not always as long.
CLOCKS = {"/rosin/v1/instance", "/rosin/v1/overview"}


async def paths(client):
    """Every path of the description, with a job's id, and its methods."""
    jobid = await client.submit("echo out")
    await client.ended(jobid)
    described = (await client.get("/openapi.json")).json()["paths"]
    return {
        path.replace("{jobid}", jobid): {name.upper() for name in about} for path, about in described.items()
    }


async def test_options_names_the_methods_and_others_are_refused(api):
    for path, methods in (await paths(api)).items():
        answer = await api.request("OPTIONS", path)
        allowed = set(answer.headers["allow"].split(", "))
        assert (answer.status_code, answer.content) == (204, b""), path
        assert allowed >= methods | {"OPTIONS"}, path
        assert ("HEAD" in allowed) == ("GET" in allowed), path
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - allowed:
            refused = await api.request(method, path)
            assert refused.status_code == 405, f"{method} {path}"
            assert refused.headers["allow"] == answer.headers["allow"]
    assert (await api.request("OPTIONS", "/jobs/submit")).headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await api.request("OPTIONS", "/static/app.css")).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await api.request("OPTIONS", "/nowhere")).status_code == 404


async def test_head_is_get_without_a_body(api):
    for path, methods in (await paths(api)).items():
        if "GET" not in methods:
            continue
        plain = {"Accept-Encoding": "identity"}
        head = await api.head(path, headers=plain)  # also of a stream, which has no end
        assert head.content == b"", path
        # The job does not wait any more, and there is nothing else with an id.
        over = (path.endswith("/why") and not path.startswith("/rosin/")) or "{" in path
        assert head.status_code == (404 if over else 200), path
        if path not in STREAMS and not path.endswith("/stream"):
            whole = await api.get(path, headers=plain)
            assert head.headers.get("content-type") == whole.headers.get("content-type"), path
            if path not in CLOCKS:
                assert head.headers.get("content-length") == whole.headers.get("content-length"), path
    assert len(api.app.state.instances.current().outputs) == 0
    assert (await api.head("/jobs/99")).status_code == 404


async def test_options_needs_credentials_as_everything(locked):
    assert (await locked.request("OPTIONS", "/jobs")).status_code == 401
    assert (await locked.request("OPTIONS", "/nowhere")).status_code == 401


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limt=3", "limit"),
        ("limit=1&limit=2", "twice"),
        ("x=", "cursor, limit, q, state"),
        ("%00=1", "limit"),
    ],
)
async def test_parameters_that_have_no_effect_are_refused(api, query, words):
    answer = await api.get(f"/jobs?{query}")
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert (await api.get("/v1/jobs?whatever=1")).status_code == 200  # its clients send what they like


async def test_one_stream_in_every_form(api):
    command = ["sh", "-c", "echo out; echo err >&2"]
    answer = await api.post("/jobs/submit", json={"command": command})
    jobid = answer.json()["id_str"]
    await api.ended(jobid)
    for stream, other in (("stdout", "stderr"), ("stderr", "stdout")):
        expected = f"{stream.removeprefix('std')}\n"
        for prefix in ("", "/v1"):
            text = await api.get(f"{prefix}/jobs/{jobid}/output/stream", params={"stream": stream})
            assert text.text == expected
        events = await api.get(
            f"/jobs/{jobid}/output/stream", params={"stream": stream}, headers={"Accept": "text/event-stream"}
        )
        assert f'"stream":"{stream}"' in events.text
        assert f'"stream":"{other}"' not in events.text
        assert "event: end" in events.text
        whole = (await api.get(f"/jobs/{jobid}/output", params={"stream": stream})).json()
        assert (whole["Output"], whole[stream], whole[other]) == ([expected], expected, "")
        text = await api.get(f"/jobs/{jobid}/output", params={"stream": stream, "format": "text"})
        assert text.text == expected
    assert (await api.get(f"/jobs/{jobid}/output/stream?stream=both")).status_code == 422


def test_option_flags():
    assert options("exit-on-error") == {"exit-on-error": 1}
    assert options('a=1,b="x,y",c=[1,2],d={"e":1,"f":2},g') == {
        "a": 1,
        "b": "x,y",
        "c": [1, 2],
        "d": {"e": 1, "f": 2},
        "g": 1,
    }
    for text in ("-oa=1", "-o a=1", "a..b=1", "=1", "x" * 5000):
        with pytest.raises(FormatError):
            options(text)


def test_option_flags_of_the_server():
    assert server_options("-oexit-on-error") == {"exit-on-error": 1}
    assert server_options("-o exit-on-error --setopt=mpi=none -ocpu-affinity=map:0,1") == {
        "exit-on-error": 1,
        "mpi": "none",
        "cpu-affinity": "map:0,1",
    }
    assert server_options("") == {}
    with pytest.raises(FormatError, match="quotation"):
        server_options("-o 'mpi=none")


async def test_exit_on_error_by_http(make):
    client = await make(option_flags="-oexit-on-error")
    for flags in ("exit-on-error", "verbose=1"):
        answer = await client.post("/v1/jobs/submit", params={"command": "true", "option_flags": flags})
        assert answer.status_code == 200, answer.text
        spec = (await client.get(f"/jobs/{answer.json()['id']}/jobspec")).json()
        assert spec["attributes"]["system"]["shell"]["options"]["exit-on-error"] == 1
