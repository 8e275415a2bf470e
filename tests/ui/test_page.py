# SPDX-License-Identifier: LGPL-3.0-or-later
"""The page in a real browser: submit, watch, cancel, stop, as a user does."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.ui


def submit(page: Page, command: str, **fields: str) -> str:
    """Fill in and send the form; returns the path of the job's page."""
    page.fill("#command", command)
    for name, value in fields.items():
        page.fill(f"#{name}", value)
    with page.expect_response(lambda response: response.url.endswith("/jobs/submit")):
        page.click("button[type=submit]")
    link = page.locator("#outcome a")
    expect(link).to_be_visible()
    return str(link.get_attribute("href"))


def test_submit_by_form_and_see_it_in_the_table(page, site):
    page.goto(f"{site.url}/")
    expect(page.locator("#link")).to_have_text("live")
    path = submit(page, "hostname", name="first-steps", num_tasks="2")
    row = page.locator(f"tr[data-id='{path.rpartition('/')[2]}']")
    expect(row).to_contain_text("first-steps")
    expect(row.locator(".state")).to_have_text("completed")
    expect(row.locator("td").nth(4)).to_have_text("2")


def test_output_of_a_loop_as_it_comes(page, site, tmp_path):
    gate = tmp_path / "gate"
    page.goto(f"{site.url}/jobs")
    command = (
        f"for i in $(seq 1 20); do echo line $i; [ $i = 10 ] && while ! test -e {gate}; do sleep 0.02; done; "
        "done; echo oops >&2; printf '\\033[32mgreen\\033[0m'"
    )
    path = submit(page, command)
    expect(page.locator("#shell")).to_be_checked()  # noticed by itself
    page.goto(site.url + path)
    log = page.locator("#log")
    expect(log).to_contain_text("line 10\n")
    expect(page.locator("#job-state")).to_have_text("running")
    assert "line 11" not in log.inner_text()
    gate.touch()
    expect(log).to_contain_text("line 20\n")
    expect(page.locator("#log .stderr")).to_have_text("oops\n")
    expect(page.locator("#log .f2")).to_have_text("green")
    expect(page.locator("#job-state")).to_have_text("completed")
    expect(page.locator("#events li.clean")).to_be_visible()
    lines = re.findall(r"line \d+", log.inner_text())
    assert lines == [f"line {n}" for n in range(1, 21)]
    page.uncheck("#show-stderr")
    expect(page.locator("#log .stderr")).to_be_hidden()
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename.endswith(".txt")


def test_cancel_from_the_table(page, site):
    page.goto(f"{site.url}/jobs")
    path = submit(page, "sleep 300")
    row = page.locator(f"tr[data-id='{path.rpartition('/')[2]}']")
    expect(row.locator(".state")).to_have_text("running")
    row.get_by_role("button", name="Cancel").click()
    expect(row.locator(".state")).to_have_text("canceled")
    expect(row.locator("button")).to_be_hidden()


def test_cancel_from_the_jobs_page(page, site):
    page.goto(f"{site.url}/jobs")
    page.goto(site.url + submit(page, "sleep 300"))
    page.click("#cancel")
    expect(page.locator("#job-state")).to_have_text("canceled")
    expect(page.locator("#log")).to_contain_text("written nothing")
    expect(page.locator("#events li.exception")).to_be_visible()


def test_filters(page, site):
    page.goto(f"{site.url}/jobs")
    submit(page, "exit 3", name="fails-always")
    row = page.locator("tr.job", has_text="fails-always")
    expect(row.locator(".state")).to_have_text("failed (3)")
    page.get_by_role("button", name="Failed").click()
    expect(page.locator("tr.job")).to_have_count(1)
    page.fill("#filter", "nothing like it")
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#empty")).to_contain_text("No job matches")


def test_mistakes_are_explained(page, site):
    page.goto(f"{site.url}/jobs")
    page.fill("#command", "echo 'open")
    page.click("button[type=submit]")
    expect(page.locator("#outcome")).to_have_attribute("role", "alert")
    expect(page.locator("#outcome")).to_contain_text("quotation")


def test_script_in_a_name_stays_text(page, site):
    page.goto(f"{site.url}/jobs")
    name = "<img src=x onerror=document.title=1>"
    path = submit(page, f"echo '{name}'", name=name)
    expect(page.locator("tr.job", has_text=name)).to_be_visible()
    page.goto(site.url + path)
    expect(page.locator("#log")).to_contain_text(name)
    expect(page.locator("#job-name")).to_have_text(name)
    assert page.title() != "1"


def test_form_without_scripts(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.url}/jobs")
    page.fill("#command", "hostname")
    page.click("button[type=submit]")
    assert re.search(r"/jobs/f\w+$", page.url)
    context.close()


def test_phone_needs_no_sideways_scrolling(browser, site):
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    for path in ("/jobs", "/docs", "/jobs/submit"):
        page.goto(site.url + path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, f"{path} is {width} wide"
    context.close()


def test_keyboard_alone(page, site):
    page.goto(f"{site.url}/jobs")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.focus("#command")
    page.keyboard.type("echo by keyboard")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#outcome a")).to_be_visible()
    for control in page.locator("input, textarea, button").all():
        label = control.evaluate("e => (e.labels?.[0] ?? e).textContent.trim() || e.ariaLabel")
        assert label, control.evaluate("e => e.outerHTML")


_TABLE = """async () => {
  const { JobTable } = await import('/static/table.js');
  const scroller = document.createElement('div');
  scroller.id = 'scroller';
  scroller.className = 'scroller';
  const table = document.createElement('table');
  table.className = 'jobs';
  table.append(document.createElement('tbody'));
  scroller.append(table);
  document.getElementById('main').prepend(scroller);
  const job = { name: 'n', user: 'u', state: 'RUN', status: 'RUN', urgency: 16, t_submit: 1 };
  const jobs = [...Array(20000).keys()].map((n) => ({ ...job, id_str: String(n), jobid: String(n) }));
  new JobTable(scroller, () => {}).reset(jobs);
}"""


def test_thousands_of_rows_stay_few_in_the_document(page, site):
    page.goto(f"{site.url}/docs")
    page.evaluate(_TABLE)
    expect(page.locator("tr[data-id='19999']")).to_be_visible()
    assert page.locator("tr.job").count() < 100
    page.locator("#scroller").evaluate("e => { e.scrollTop = e.scrollHeight; }")
    expect(page.locator("tr[data-id='0']")).to_be_visible()
    assert page.locator("tr.job").count() < 100


def test_stop(own_page, own_site):
    page, site = own_page, own_site
    page.goto(f"{site.url}/jobs")
    expect(page.locator("#link")).to_have_text("live")
    page.click("#stop")
    expect(page.locator("#stop-dialog")).to_be_visible()
    page.get_by_role("button", name="Keep it running").click()
    expect(page.locator("#stop-dialog")).to_be_hidden()
    page.click("#stop")
    page.click("#stop-now")
    expect(page.locator("#stop")).to_be_disabled()
    assert site.process.wait(30) in (0, 1)
