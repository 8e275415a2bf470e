# SPDX-License-Identifier: LGPL-3.0-or-later
"""Every page for everybody: axe, the keyboard alone, and 360 to 3840 pixels, light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.ui.conftest import live, open_page

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]

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
    expect(page.get_by_text("could not be loaded")).to_have_count(0)


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


def test_the_palette_leads_to_pages_actions_and_jobs(page, site, jobs):
    live(page, f"{site.url}/about")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("combobox")).to_be_focused()
    page.keyboard.type("que")
    expect(page.locator("[role=option][aria-selected=true]")).to_contain_text("Queues")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Queues")
    page.keyboard.press("Control+k")
    page.keyboard.type("runnin")
    option = page.locator("[role=option]", has_text=jobs)
    expect(option).to_be_visible()
    page.keyboard.press("ArrowUp")
    expect(option).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("running")
    page.keyboard.press("Control+k")
    page.keyboard.type("zzzz")
    expect(page.locator(".choices")).to_contain_text("Nothing is called like that")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.locator("h1")).to_have_text("running")


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


def test_a_token_is_made_shown_once_and_revoked(page, site):
    live(page, f"{site.url}/tokens")
    expect(page.locator(".blank")).to_contain_text("No tokens")
    page.get_by_role("button", name="New token").click()
    page.get_by_label("Name").fill("nightly")
    page.get_by_label("Submit jobs").check()
    page.get_by_role("button", name="Make it").click()
    secret = page.locator(".secret").inner_text()
    assert len(secret) > 20
    page.reload()
    row = page.locator("tr", has_text="nightly")
    expect(row).to_contain_text("submit")
    assert secret not in page.content()
    row.get_by_role("button", name="Revoke").click()
    page.locator("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)


def test_a_node_is_drained_and_undrained(page, site):
    live(page, f"{site.url}/resources")
    page.get_by_role("button", name="Drain", exact=True).click()
    page.get_by_label("Reason").fill("bad memory")
    page.locator("dialog").get_by_role("button", name="Drain").click()
    expect(page.locator(".node")).to_contain_text("bad memory")
    expect(page.locator(".node")).to_contain_text("drain")
    page.get_by_role("button", name="Undrain").click()
    expect(page.get_by_role("button", name="Drain", exact=True)).to_be_visible()


def test_a_queue_is_stopped_and_started(page, site):
    live(page, f"{site.url}/queues")
    page.get_by_role("button", name="Stop").click()
    page.get_by_label("Reason").fill("maintenance")
    page.locator("dialog").get_by_role("button", name="Stop").click()
    expect(page.locator("table")).to_contain_text("maintenance")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()


def test_events_are_told_as_they_happen(page, site):
    live(page, f"{site.url}/events")
    expect(page.locator(".blank")).to_contain_text("Nothing has happened yet")
    site.submit("true", name="told")
    expect(page.locator("tbody tr", has_text="clean").first).to_contain_text("told")
    page.get_by_label("Search events").fill("submit")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_the_overview_says_what_runs_what_waits_and_why(page, site, jobs):
    live(page, f"{site.url}/")
    expect(page.locator("a.figure", has_text="Running")).to_contain_text("1")
    expect(page.locator("section", has_text="Waiting, and why")).to_contain_text("held")
    expect(page.locator("section", has_text="Failed last")).to_contain_text("139: segmentation fault")
    expect(page.get_by_role("img", name="Cores in use over time")).to_be_visible()
    page.get_by_role("button", name="1 hour").click()
    page.reload()
    expect(page.get_by_role("button", name="1 hour")).to_have_attribute("aria-pressed", "true")
