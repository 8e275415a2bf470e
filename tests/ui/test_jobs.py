# SPDX-License-Identifier: LGPL-3.0-or-later
"""The table of jobs in a browser: current, filtered, sorted, and nothing slips away."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, quote, urlparse

import pytest
from playwright.sync_api import Page, Route, expect
from tests.ui.conftest import live

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]


def row(page: Page, jobid: str) -> Any:
    return page.locator(f".job[data-id='{jobid}']")


def chip(page: Page, title: str) -> Any:
    return page.locator(".tabs button", has_text=title)


def test_jobs_appear_change_and_are_counted(page, site):
    live(page, f"{site.url}/jobs")
    jobid = site.submit("exit 3", name="fails-always")
    expect(row(page, jobid)).to_contain_text("fails-always")
    expect(row(page, jobid).locator(".state")).to_have_text("Failed (3)")
    number = chip(page, "Failed").locator("b").inner_text()
    chip(page, "Failed").click()
    assert chip(page, "Failed").locator("b").inner_text() == number  # known while the list is fetched, too
    expect(page.locator(".job")).to_have_count(int(number))
    expect(row(page, jobid)).to_be_visible()


def test_cancelling_asks(page, site):
    live(page, f"{site.url}/jobs")
    jobid = site.submit("sleep 300", name="to-cancel")
    expect(row(page, jobid).locator(".state")).to_have_text("Running")
    row(page, jobid).hover()
    row(page, jobid).get_by_role("button", name="Cancel").click()
    expect(page.locator("dialog")).to_contain_text("Cancel to-cancel?")
    page.get_by_role("button", name="Keep").click()
    expect(row(page, jobid).locator(".state")).to_have_text("Running")
    row(page, jobid).hover()
    row(page, jobid).get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel job").click()
    expect(row(page, jobid).locator(".state")).to_have_text("Canceled")
    expect(row(page, jobid).get_by_role("button")).to_have_count(0)


def test_several_are_selected_by_keys_and_boxes_and_held(page, site):
    jobs = [site.submit("true", name=f"several-{n}", urgency=0) for n in range(4)]
    live(page, f"{site.url}/jobs?search=several-")
    expect(page.locator(".job[data-id]")).to_have_count(4)
    page.locator(".grid").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator(".bulk")).to_contain_text("2 selected")
    row(page, jobs[0]).get_by_role("checkbox").check()
    expect(page.locator(".bulk")).to_contain_text("3 selected")
    page.locator(".bulk").get_by_role("button", name="Cancel").click()
    expect(page.locator("dialog")).to_contain_text("Cancel 3 jobs?")
    page.get_by_role("button", name="Cancel jobs").click()
    expect(row(page, jobs[0]).locator(".state")).to_have_text("Canceled")
    expect(row(page, jobs[1]).locator(".state")).to_have_text("Held")
    expect(page.locator(".bulk")).to_be_hidden()
    row(page, jobs[1]).get_by_role("checkbox").check()
    page.locator(".bulk").get_by_role("button", name="Release").click()
    expect(row(page, jobs[1]).locator(".state")).to_have_text("Completed")


def test_a_range_goes_from_where_it_began_to_where_one_is(page, site):
    jobs = [site.submit("true", name=f"range-{n}", urgency=0) for n in range(6)][::-1]
    live(page, f"{site.url}/jobs?search=range-")
    expect(page.locator(".job[data-id]")).to_have_count(6)

    def selected() -> list[int]:
        chosen = page.locator(".job[aria-selected=true]").evaluate_all(
            "rows => rows.map((row) => row.dataset.id)"
        )
        return sorted(jobs.index(jobid) for jobid in chosen)

    page.locator(".grid").focus()
    page.keyboard.press("ArrowDown")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowDown")
    expect(page.locator(".bulk")).to_contain_text("4 selected")
    page.keyboard.press("Shift+ArrowUp")
    expect(page.locator(".bulk")).to_contain_text("3 selected")
    assert selected() == [1, 2, 3]
    page.keyboard.press("Shift+Home")
    expect(page.locator(".bulk")).to_contain_text("2 selected")
    assert selected() == [0, 1]
    page.keyboard.press("Shift+End")
    expect(page.locator(".bulk")).to_contain_text("5 selected")
    page.keyboard.press("Escape")
    expect(page.locator(".bulk")).to_be_hidden()
    row(page, jobs[4]).get_by_role("checkbox").click()
    row(page, jobs[2]).get_by_role("checkbox").click(modifiers=["Shift"])
    expect(page.locator(".bulk")).to_contain_text("3 selected")
    assert selected() == [2, 3, 4]
    chip(page, "Failed").click()  # what is not shown must not be cancelled
    expect(page.locator(".bulk")).to_be_hidden()
    chip(page, "All").click()
    expect(page.locator(".job[data-id]")).to_have_count(6)
    assert selected() == []
    for jobid in jobs:
        site.call(f"/rosin/v1/jobs/{quote(jobid)}/cancel", {})


def test_no_row_moves_between_pressing_and_releasing(page, site):
    first = site.submit("true", name="press-me")
    live(page, f"{site.url}/jobs?search=press")
    expect(row(page, first).locator(".state")).to_have_text("Completed")
    box = row(page, first).get_by_role("checkbox").bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    second = site.submit("true", name="press-too")
    with page.expect_response(lambda answer: "/rosin/v1/jobs?" in answer.url and second in answer.text()):
        pass
    page.evaluate("new Promise(requestAnimationFrame)")
    assert row(page, first).get_by_role("checkbox").bounding_box() == box
    page.mouse.up()
    expect(row(page, second)).to_be_visible()
    expect(row(page, first)).to_have_attribute("aria-selected", "true")
    expect(row(page, second)).to_have_attribute("aria-selected", "false")


def test_every_state_is_in_the_address(page, site):
    jobid = site.submit("true", name="address-of")
    site.call("/rosin/v1/jobs?search=address-of")
    live(page, f"{site.url}/jobs")
    page.get_by_label("Search jobs").fill("address-of")
    expect(page.locator(".job[data-id]")).to_have_count(1)
    chip(page, "Completed").click()
    page.get_by_role("button", name="User").click()
    page.get_by_role("button", name="Columns").click()
    page.locator(".menu").get_by_label("Urgency").check()
    page.keyboard.press("Escape")
    expect(page.locator("[data-column=urgency]")).to_have_text("16")
    asked = parse_qs(urlparse(page.url).query)
    assert asked["state"] == ["completed"]
    assert asked["search"] == ["address-of"]
    assert asked["sort"] == ["-user"]
    assert "urgency" in asked["cols"][0]
    page.reload()
    expect(row(page, jobid).locator("[data-column=urgency]")).to_have_text("16")
    expect(chip(page, "Completed")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[aria-sort=descending]")).to_have_text("User")
    row(page, jobid).get_by_role("link").click()
    expect(page.locator("h1")).to_have_text("address-of")
    page.go_back()
    expect(page.get_by_label("Search jobs")).to_have_value("address-of")
    expect(row(page, jobid).locator("[data-column=urgency]")).to_have_text("16")


def test_a_wrong_query_is_explained_at_its_field(page, site):
    live(page, f"{site.url}/jobs")
    page.get_by_role("button", name="Query").click()
    page.get_by_label("Query (RFC 35)").fill("nam:x")
    page.keyboard.press("Enter")
    expect(page.locator("#q-fault")).to_contain_text("nam:")
    page.get_by_label("Query (RFC 35)").fill("name:nothing-like-it")
    page.keyboard.press("Enter")
    expect(page.locator(".blank")).to_contain_text("No job matches")
    page.get_by_role("button", name="Show all jobs").click()
    expect(page.locator(".blank")).to_be_hidden()


def test_script_in_a_name_stays_text(page, site):
    name = "<img src=x onerror=document.title=1>"
    jobid = site.submit(f"echo '{name}'", name=name)
    live(page, f"{site.url}/jobs")
    expect(row(page, jobid)).to_contain_text(name)
    live(page, f"{site.url}/jobs/{jobid}")
    expect(page.locator("h1")).to_have_text(name)
    assert page.title() != "1"


def test_a_long_name_is_cut_and_its_row_is_like_the_others(page, site):
    jobs = [site.submit("true", name=name) for name in ("wide", "wide-" + "long" * 60)]
    live(page, f"{site.url}/jobs?search=wide")
    boxes = [row(page, jobid).locator("[data-column=status]").bounding_box() for jobid in jobs]
    assert boxes[0]["x"] == boxes[1]["x"]
    grid = page.locator(".grid")
    assert grid.evaluate("grid => grid.scrollWidth <= grid.clientWidth")


class ManyJobs:
    """A listing of a hundred thousand jobs, newest first."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, route: Route) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlparse(route.request.url).query).items()}
        before = int(asked["cursor"]) if "cursor" in asked else self.count
        low = max(0, before - int(asked["limit"]))
        items = [self.job(n) for n in range(before - 1, low - 1, -1)]
        counts = {"total": self.count, "completed": self.count}
        following = str(low) if low else None
        route.fulfill(json={"items": items, "next": following, "total": self.count, "counts": counts})

    @staticmethod
    def job(n: int) -> dict[str, Any]:
        times = {"t_submit": 1e9, "t_run": 1e9, "t_cleanup": 1e9 + 5, "t_inactive": 1e9 + 5}
        amounts = {"ntasks": 1, "ncores": 1, "nnodes": 1, "urgency": 16, "returncode": 0}
        states = {"state": "INACTIVE", "result": "COMPLETED", "status": "COMPLETED"}
        return {"id": f"f{n}", "name": f"job-{n}", "user": "ann", **times, **amounts, **states}


def test_a_hundred_thousand_rows(page, site):
    many = ManyJobs(100_000)
    page.route(re.compile(r"/rosin/v1/jobs\?"), many)
    live(page, f"{site.url}/jobs")
    expect(row(page, "f99999")).to_be_visible()
    expect(chip(page, "All").locator("b")).to_have_text("100,000")
    assert page.locator(".job").count() < 60
    page.locator(".grid").evaluate("grid => { grid.scrollTop = grid.scrollHeight; }")
    expect(row(page, "f0")).to_be_visible(timeout=60_000)
    assert page.locator(".job").count() < 60
    page.locator(".grid").evaluate("grid => { grid.scrollTop = 2_000_000; }")
    expect(row(page, "f49999")).to_be_visible()


def test_who_has_scrolled_keeps_their_rows_when_jobs_come(page, site):
    many = ManyJobs(5000)
    page.route(re.compile(r"/rosin/v1/jobs\?"), many)
    live(page, f"{site.url}/jobs")
    expect(row(page, "f4999")).to_be_visible()
    page.locator(".grid").evaluate("grid => { grid.scrollTop = 4000; }")
    expect(row(page, "f4895")).to_be_visible()
    before = row(page, "f4895").bounding_box()
    many.count += 30
    with page.expect_response(lambda answer: "/rosin/v1/jobs?" in answer.url):
        site.submit("true")
    expect(chip(page, "All").locator("b")).to_have_text("5,030")
    assert row(page, "f4895").bounding_box() == before
