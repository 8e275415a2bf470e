# SPDX-License-Identifier: LGPL-3.0-or-later
"""The HTML pages: served to browsers on the paths of the API, whole without any other host."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


PATHS = [
    "/",
    "/jobs",
    "/jobs/submit",
    "/resources",
    "/queues",
    "/events",
    "/tokens",
    "/webhooks",
    "/about",
    "/docs",
]


@pytest.mark.parametrize("path", PATHS)
async def test_pages_are_complete(api, path):
    page = await api.get(path, headers=HTML)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for link in re.findall(r'(?:src|href)="([^"#]+)"', page.text):
        assert link.startswith("/"), f"{link} leads elsewhere"
        assert (await api.get(link, headers=HTML)).status_code == 200


async def test_errors_are_pages_too(api):
    page = await api.get("/jobs/99", headers=HTML)
    assert page.status_code == 404
    assert "there is no job" in page.text


@pytest.mark.parametrize("path", ["/jobs?state=failed&cols=name,id", "/events?search=x", "/resources?host=a"])
async def test_views_have_their_state_in_the_address(api, path):
    """The parameters of a page are its own; those of the API on the same path are checked as ever."""
    assert (await api.get(path, headers=HTML)).status_code == 200
    assert (await api.get("/jobs?cols=name")).status_code == 400
    assert (await api.get("/jobs?limit=1")).json()["jobs"] is not None


async def test_pages_and_answers_on_one_path_vary_by_accept(api):
    page = await api.get("/resources", headers=HTML)
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["vary"] == "Accept"
    assert "all" in (await api.get("/resources")).json()
    assert (await api.get("/queues")).status_code == 404


async def test_scripts_are_kept_until_they_change(api):
    first = await api.get("/static/js/main.js")
    assert first.headers["cache-control"] == "no-cache"
    again = await api.get("/static/js/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


def test_nothing_is_loaded_from_elsewhere():
    for entry in (Path(str(files("rosin.rest"))) / "static").rglob("*.*"):
        text = entry.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, entry.name
        assert "https://" not in text, entry.name
        assert "innerHTML" not in text, entry.name


async def test_policy_allows_only_own_files(api):
    policy = (await api.get("/jobs", headers=HTML)).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


async def test_name_of_a_job_is_text(api):
    name = "<img src=x onerror=alert(1)>"
    jobid = await api.submit("true", name=name)
    page = await api.get(f"/jobs/{jobid}", headers=HTML)
    assert name not in page.text
    assert "&lt;img" in page.text
    await api.ended(jobid)


async def test_old_page_of_a_job_leads_on(api):
    assert (await api.get("/job/ƒabc", headers=HTML)).headers["location"] == "/jobs/%C6%92abc"
