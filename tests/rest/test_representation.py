# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 9110 on every path that there is: entity tags, Vary, compression, media types, parameters."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from rosin.rest.app import create_app
from rosin.rest.methods import Methods, RoutePath
from rosin.rest.own.route import PREFIX
from rosin.rest.representation import _SECRET, LONG, SMALLEST

IDENTITY, GZIP = {"Accept-Encoding": "identity"}, {"Accept-Encoding": "gzip"}
DESCRIBED = create_app().openapi()["paths"]
STREAMS = ("/events", "/stream")
#: Their answers change from one request to the next.
RESTLESS = {f"{PREFIX}/instance", f"{PREFIX}/overview", f"{PREFIX}/metrics"}
LOOKS = sorted(path for path, about in DESCRIBED.items() if "get" in about)
WHOLE = [path for path in LOOKS if not path.endswith((*STREAMS, "{path}", "{ident}"))]
#: /v1 takes what its clients like to send.
STRICT = [(path, method) for path, about in DESCRIBED.items() for method in about if path[:4] != "/v1/"]


@pytest.fixture
async def jobid(api):
    made = await api.submit("seq 20000")
    await api.ended(made)
    return made


def place(path: str, jobid: str = "1") -> str:
    return path.format(jobid=jobid, path="file", ident="0", name="x", action="start")


async def raw(api, path, headers):
    """An answer with its body as it was sent."""
    async with api.stream("GET", path, headers=headers) as answer:
        return answer, b"".join([part async for part in answer.aiter_raw()])


async def test_an_answer_is_known_again_and_compressed(api, jobid):
    compressed = set()
    for path in WHOLE:
        url = place(path, jobid)
        whole, body = await raw(api, url, IDENTITY)
        small, packed = await raw(api, url, GZIP)
        if "content-encoding" in small.headers:
            compressed.add(path)
            assert not _SECRET.fullmatch(url), path
            assert small.headers["content-length"] == str(len(packed)), path
            assert len(packed) < len(gzip.decompress(packed)), path
            if path not in RESTLESS:
                assert gzip.decompress(packed) == body, path
        fits = len(body) >= SMALLEST and whole.headers["content-type"] != "application/octet-stream"
        assert (path in compressed) == (fits and whole.status_code == 200), path
        assert ("accept-encoding" in whole.headers.get("vary", "").lower()) == (path in compressed), path
        tag = whole.headers.get("etag")
        if tag is None:
            assert _SECRET.fullmatch(url) or whole.status_code != 200 or not fits, path
            continue
        if path in RESTLESS:
            continue
        for known in (tag, f'"x", {tag}', "*"):
            again, nothing = await raw(api, url, {"If-None-Match": known, **GZIP})
            assert (again.status_code, nothing, again.headers["etag"]) == (304, b"", tag), path
            assert "content-type" not in again.headers, path
        other, _ = await raw(api, url, {"If-None-Match": 'W/"other"'})
        assert other.status_code == 200, path
        head = await api.head(url, headers=GZIP)
        for name in ("etag", "content-length", "content-encoding", "vary", "cache-control"):
            assert head.headers.get(name) == small.headers.get(name), (path, name)
    assert f"{PREFIX}/jobs/{{jobid}}/lines" in compressed
    assert len((await raw(api, f"{PREFIX}/jobs/{jobid}/lines?count=5000", IDENTITY))[1]) > LONG


async def test_style_and_scripts_are_compressed_and_pages_are_not(api):
    small, packed = await raw(api, "/static/app.css", GZIP)
    _, body = await raw(api, "/static/app.css", IDENTITY)
    assert (small.headers["content-encoding"], gzip.decompress(packed)) == ("gzip", body)
    assert small.headers["etag"].startswith("W/")
    again, _ = await raw(api, "/static/app.css", {"If-None-Match": small.headers["etag"]})
    assert again.status_code == 304
    page, _ = await raw(api, "/jobs", {**GZIP, "Accept": "text/html"})
    assert "content-encoding" not in page.headers  # it holds what signs its requests
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("gzip;q=0", None),
        ("*", "gzip"),
        ("br", None),
        ("identity, gzip;q=0.5", "gzip"),
        ("", None),
        ("x" * 9000, None),
    ],
)
async def test_who_takes_it_compressed(api, accept, encoding):
    answer, _ = await raw(api, "/openapi.json", {"Accept-Encoding": accept})
    assert answer.headers.get("content-encoding") == encoding


def table() -> list[RoutePath]:
    middleware: Any = create_app().user_middleware
    (methods,) = (each for each in middleware if each.cls is Methods)
    found: list[RoutePath] = methods.kwargs["table"]
    return found


async def test_what_looks_at_accept_says_so(api, jobid):
    pages = [each for each in table() if each.page]
    assert pages
    for path in LOOKS:
        url = place(path, jobid)
        page = any(each.pattern.match(url) for each in pages)
        answer = await api.head(url)
        varies = "accept" in answer.headers.get("vary", "").lower().replace(" ", "").split(",")
        own = path.startswith(PREFIX) and not _SECRET.fullmatch(url)
        assert varies or not (page or own), path
        if own:
            refused = await api.get(url, headers={"Accept": "image/png"})
            assert refused.status_code in (406, 404), path
            assert refused.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("path", "method"), STRICT)
async def test_a_parameter_without_effect_is_refused(api, path, method):
    answer = await api.request(method.upper(), f"{place(path)}?no-such=1")
    assert answer.status_code == 400, path
    assert "no-such" in answer.json()["detail"]
