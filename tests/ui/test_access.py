# SPDX-License-Identifier: LGPL-3.0-or-later
"""Every page for everybody: axe, the keyboard alone, and 360 to 3840 pixels, light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.ui.conftest import live, open_page

pytestmark = pytest.mark.ui

PATHS = ["/", "/jobs", "/jobs/submit", "/resources", "/queues", "/events", "/tokens", "/about", "/docs"]


@pytest.fixture(scope="module")
def jobs(site):
    """A job of each kind; returns the running one."""
    site.submit("true", name="completed")
    site.submit("exit 139", name="failed")
    site.submit("true", name="held", urgency=0)
    return site.submit("echo out; echo err >&2; sleep 300", name="running")


def settled(page):
    """Nothing is being fetched any more."""
    expect(page.locator("#main [aria-busy]")).to_have_count(0)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser, site, jobs, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    with open_page(browser, site, color_scheme=theme, reduced_motion="reduce", bypass_csp=True) as page:
        for path in [*PATHS, f"/jobs/{jobs}", f"/jobs/{jobs}?tab=timeline", f"/jobs/{jobs}?tab=spec"]:
            live(page, site.url + path)
            settled(page)
            found = axe.Axe().run(page).response["violations"]
            told = [(one["id"], [node["html"][:160] for node in one["nodes"][:3]]) for one in found]
            assert not told, (path, told)


@pytest.mark.parametrize("width", [360, 768, 1440, 3840])
def test_no_page_scrolls_sideways(browser, site, jobs, width):
    with open_page(browser, site, width) as page:
        for path in [*PATHS, f"/jobs/{jobs}", f"/jobs/{jobs}?tab=timeline"]:
            live(page, site.url + path)
            settled(page)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{path} is {wide} wide"


def test_keyboard_alone(page, site, jobs):
    live(page, f"{site.url}/jobs")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Search jobs")).to_be_focused()
    page.keyboard.type("running")
    expect(page.locator(".job[data-id]")).to_have_count(1)
    page.locator(".grid").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("running")
    page.locator("[role=tab][aria-selected=true]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Timeline")).to_be_focused()
    expect(page.locator("ol.timeline")).to_contain_text("Submitted")
    page.keyboard.press("g")
    page.keyboard.press("n")
    expect(page.get_by_label("Command", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("#main").focus()
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_contain_text("Keys")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)


def test_the_theme_is_switched_and_kept(browser, site):
    with open_page(browser, site, color_scheme="light") as page:
        live(page, f"{site.url}/about")
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.get_by_role("button", name="Dark theme").click()
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert light != dark
        page.reload()
        expect(page.get_by_role("button", name="Light theme")).to_be_visible()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_a_phone_has_jobs_first_and_the_menu_below(browser, site, jobs):
    with open_page(browser, site, 390, has_touch=True, is_mobile=True) as page:
        live(page, f"{site.url}/jobs")
        expect(page.locator(f".job[data-id='{jobs}']")).to_be_in_viewport()
        expect(page.locator("#side nav")).to_be_in_viewport()
        page.locator("#side nav").get_by_role("link", name="New job").tap()
        expect(page.get_by_label("Command", exact=True)).to_be_in_viewport()


def test_errors_are_pages_with_the_menu(page, site):
    page.goto(f"{site.url}/jobs/99")
    expect(page.locator("h1")).to_have_text("Not Found")
    expect(page.locator("#main")).to_contain_text("there is no job")
    page.locator("#side nav").get_by_role("link", name="Jobs").click()
    expect(page.locator("h1")).to_have_text("Jobs")
