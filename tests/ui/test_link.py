# SPDX-License-Identifier: LGPL-3.0-or-later
"""The connection of a page: one for all tabs, resumed after cuts, and what is said when it is gone."""

from __future__ import annotations

import re
import signal
from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from tests.ui.conftest import Site, live, watch

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]


def test_seven_tabs_leave_the_eighth_and_its_buttons_working(browser, site):
    """A browser has six connections to a server by HTTP/1.1."""
    jobs = [
        site.submit("echo hello; sleep 300", name=f"tab-{n}", urgency=16 if n < 1 else 0) for n in range(8)
    ]
    context = browser.new_context()
    faults: list[str] = []
    pages = []
    for jobid in jobs:
        page = context.new_page()
        watch(page, site, faults)
        live(page, f"{site.url}/jobs/{jobid}")
        pages.append(page)
    last = pages[-1]
    for jobid, page in zip(jobs, pages, strict=True):
        page.bring_to_front()
        page.get_by_role("button", name="Cancel job").click()
        page.locator("dialog").get_by_role("button", name="Cancel job").click()
        expect(page.locator(".badge")).to_have_text("Canceled")
        assert site.call(f"/rosin/v1/jobs/{quote(jobid)}")["result"] == "CANCELED"
    expect(last.locator(".badge")).to_have_text("Canceled")
    context.close()
    assert not faults


def test_when_the_server_is_cut_off_clocks_stop_and_buttons_are_off(own_page, own_site: Site):
    page, site = own_page, own_site
    jobid = site.submit("sleep 300", name="outlives")
    live(page, f"{site.url}/jobs/{jobid}")
    expect(page.locator(".badge")).to_have_text("Running")
    site.process.send_signal(signal.SIGTERM)
    site.process.wait(30)
    expect(page.locator("#banner")).to_be_visible()
    expect(page.locator("#banner")).to_contain_text(re.compile("has ended|does not answer"))
    expect(page.locator("#banner").get_by_role("button", name="Try now")).to_be_visible()
    clock = page.locator(".head .tabular")
    stands = clock.inner_text()
    cancel = page.get_by_role("button", name="Cancel job")
    expect(cancel).to_have_attribute("aria-disabled", "true")
    cancel.click(force=True)
    expect(page.locator(".toast")).to_contain_text("not connected")
    expect(page.locator("dialog")).to_have_count(0)
    page.evaluate("new Promise((done) => setTimeout(done, 1500))")  # a clock that goes on shows it by then
    assert clock.inner_text() == stands
    expect(page.locator("h1")).to_have_text("outlives")


def test_a_cut_is_told_and_healed_without_a_reload(page, site):
    """The stream cannot be opened for a while; what happened meanwhile is shown after."""
    page.add_init_script("delete globalThis.SharedWorker")  # so that the test can cut the stream
    live(page, f"{site.url}/jobs?search=after-the-cut")
    expect(page.locator(".blank")).to_be_visible()
    page.route("**/rosin/v1/events*", lambda route: route.abort())
    page.evaluate("import('/static/js/net/link.js').then((link) => link.reconnect())")
    expect(page.locator("#banner")).to_contain_text("does not answer")
    expect(page.locator("#link")).to_have_attribute("data-state", "lost")
    jobid = site.submit("true", name="after-the-cut")
    page.unroute("**/rosin/v1/events*")
    page.get_by_role("button", name="Try now").click()
    expect(page.locator("#banner")).to_be_hidden()
    expect(page.locator(f".job[data-id='{jobid}']")).to_be_visible()


def test_stop(own_page, own_site):
    page, site = own_page, own_site
    live(page, f"{site.url}/about")
    page.get_by_role("button", name="Stop the instance").click()
    expect(page.locator("dialog")).to_contain_text("All jobs")
    page.get_by_role("button", name="Keep it running").click()
    page.get_by_role("button", name="Stop the instance").click()
    page.locator("dialog").get_by_role("button", name="Stop the instance").click()
    expect(page.locator("#banner")).to_be_visible()
    assert site.process.wait(30) in (0, 1)
