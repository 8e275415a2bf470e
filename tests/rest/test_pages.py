# SPDX-License-Identifier: LGPL-3.0-or-later
"""The HTML pages: served to browsers on the paths of the API, whole without any other host."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize("path", ["/", "/jobs", "/jobs/submit", "/docs"])
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


def test_nothing_is_loaded_from_elsewhere():
    static = files("rosin.rest") / "static"
    for entry in static.iterdir():
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
    assert (await api.get("/job/ƒabc")).headers["location"] == "/jobs/%C6%92abc"
