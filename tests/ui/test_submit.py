# SPDX-License-Identifier: LGPL-3.0-or-later
"""The form for a new job in a browser."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from tests.ui.conftest import live, open_page

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]


def test_what_is_filled_in_is_submitted(page, site):
    live(page, f"{site.url}/jobs/submit")
    page.get_by_label("Command", exact=True).fill("echo $GREETING | tr a-z A-Z")
    expect(page.get_by_label("Run in a shell")).to_be_checked()  # noticed by itself
    page.get_by_label("Tasks").fill("2")
    page.get_by_label("Name").fill("by-form")
    page.get_by_text("Directory, environment, files").click()
    page.get_by_label("Environment").fill("GREETING=hello")
    page.get_by_label("Command", exact=True).press("Control+Enter")
    expect(page.locator("h1")).to_have_text("by-form")
    expect(page.locator("aside")).to_contain_text("2 tasks")
    jobid = page.url.rpartition("/")[2]
    expect(page.locator(".badge")).to_have_text("Completed")
    assert site.call(f"/jobs/{jobid}/output")["Output"] == ["HELLO\n", "HELLO\n"]


def test_the_preview_is_the_exact_command(page, site):
    live(page, f"{site.url}/jobs/submit")
    page.get_by_label("Command", exact=True).fill("echo 'two words' it\\'s")
    page.get_by_label("Nodes", exact=True).fill("1")
    page.get_by_label("Time limit").fill("90s")
    preview = page.get_by_label("The same in a terminal")
    expect(preview).to_contain_text("-N1")
    body = {"command": "echo 'two words' it\\'s", "nnodes": 1, "duration": "90s"}
    expect(preview).to_have_text(site.call("/rosin/v1/jobs/check", body)["command_line"])


@pytest.mark.parametrize(
    ("label", "value", "words"),
    [
        ("Nodes", "4096", "1 node, not 4096"),
        ("Tasks", "0", "whole number"),
        ("Time limit", "soon", "90s"),
        ("Queue", "no-such-queue", "no-such-queue"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(page, site, label, value, words):
    live(page, f"{site.url}/jobs/submit")
    page.get_by_label("Command", exact=True).fill("hostname")
    field = page.get_by_label(label, exact=True)
    field.fill(value)
    field.blur()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.locator(f"#{field.get_attribute('aria-describedby')}")).to_contain_text(words)
    before = site.call("/rosin/v1/jobs?limit=0")["total"]
    page.get_by_role("button", name="Submit job").click()
    expect(field).to_be_focused()
    assert site.call("/rosin/v1/jobs?limit=0")["total"] == before


def test_pressing_three_times_submits_once(page, site):
    live(page, f"{site.url}/jobs/submit")
    page.get_by_label("Command", exact=True).fill("true")
    page.get_by_label("Name").fill("only-once")
    page.evaluate("for (let n = 0; n < 3; n += 1) document.querySelector('form').requestSubmit()")
    expect(page.locator("h1")).to_have_text("only-once")
    assert site.call("/rosin/v1/jobs?search=only-once")["total"] == 1


def test_a_sending_that_is_repeated_makes_one_job(page, site):
    """The answer to the first is lost on the way."""
    lost = []

    def lose(route):
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)
        route.abort()

    page.route(re.compile(r"/rosin/v1/jobs$"), lose)
    live(page, f"{site.url}/jobs/submit")
    page.get_by_label("Command", exact=True).fill("true")
    page.get_by_label("Name").fill("lost-answer")
    page.get_by_role("button", name="Submit job").click()
    expect(page.locator(".note.bad[role=alert]")).to_contain_text("cannot be reached")
    page.get_by_role("button", name="Submit job").click()
    expect(page.locator("h1")).to_have_text("lost-answer")
    assert lost == [201]
    assert site.call("/rosin/v1/jobs?search=lost-answer")["total"] == 1


def test_the_form_is_in_the_address(page, site):
    live(page, f"{site.url}/jobs/submit")
    page.get_by_label("Command", exact=True).fill("sleep 1 && date")
    page.get_by_label("Run in a shell").uncheck()
    page.get_by_label("Cores per task").fill("2")
    expect(page).to_have_url(re.compile("cores_per_task=2"))
    page.reload()
    expect(page.get_by_label("Command", exact=True)).to_have_value("sleep 1 && date")
    expect(page.get_by_label("Run in a shell")).not_to_be_checked()
    expect(page.get_by_label("Cores per task")).to_have_value("2")


def test_a_job_is_run_again_with_changes(page, site):
    jobid = site.submit("echo $A; exit 3", name="to-repeat", environment={"A": "b c"}, duration=60)
    live(page, f"{site.url}/jobs/{jobid}")
    expect(page.locator(".badge")).to_have_text("Failed")
    expect(page.locator(".note.bad")).to_contain_text("3")
    page.get_by_role("link", name="Run again").click()
    expect(page.get_by_label("Command", exact=True)).to_have_value("echo $A; exit 3")
    expect(page.get_by_label("Environment")).to_have_value("A=b c")
    page.get_by_label("Command", exact=True).fill("echo $A")
    page.get_by_role("button", name="Submit job").click()
    expect(page.locator(".badge")).to_have_text("Completed")


#: Labels of fields, what they hold, and the members of a request that they stand for.
_EVERY: dict[str, tuple[str, dict[str, Any]]] = {
    "Command": ("cat; hostname", {"command": "cat; hostname", "shell": True}),
    "Tasks": ("1", {"ntasks": 1}),
    "Nodes": ("1", {"nnodes": 1}),
    "Cores per task": ("2", {"cores_per_task": 2}),
    "Time limit": ("90", {"duration": 90}),
    "Name": ("every-field", {"name": "every-field"}),
    "Working directory": ("/tmp", {"cwd": "/tmp"}),
    "Environment": ('A=b=c\nB="two\\nlines"', {"environment": {"A": "b=c", "B": "two\nlines"}}),
    "Standard input": ("read me\n", {"stdin": "read me\n"}),
    "Write output to a file": ("out-{{id}}.txt", {"stdout_path": "out-{{id}}.txt"}),
    "Write errors to a file": ("err.txt", {"stderr_path": "err.txt"}),
    "Urgency": ("0", {"urgency": 0}),
    "Not before": ("2033-05-18T03:33:20", {"begin_time": 2000000000}),
    "Dependencies": ("singleton:", {"dependencies": ["singleton:"]}),
    "Properties of nodes": ("rank:0", {"requires": "rank:0"}),
    "Bank": ("physics", {"bank": "physics"}),
    "Options of the job shell": ("verbose=2", {"options": {"verbose": 2}}),
    "Attributes of the jobspec": ("system.project=p", {"attributes": {"system.project": "p"}}),
}
_BOXES: dict[str, dict[str, Any]] = {
    "Run in a shell": {},
    "Whole nodes": {"exclusive": True},
    "Begin each line": {"label_io": True},
    "A terminal for its first task": {"pty": True},
}


def test_running_again_fills_in_every_field(browser, site):
    asked = {key: value for _, members in _EVERY.values() for key, value in members.items()}
    for members in _BOXES.values():
        asked |= members
    jobid = str(site.call("/rosin/v1/jobs", asked)["id"])
    with open_page(browser, site, timezone_id="UTC") as page:
        live(page, f"{site.url}/jobs/submit?from={jobid}")
        for label, (text, _) in _EVERY.items():
            expect(page.get_by_label(label, exact=True)).to_have_value(text)
            expect(page.get_by_label(label, exact=True)).to_be_visible()
        for label in _BOXES:
            expect(page.get_by_label(label)).to_be_checked()
        # Fields without a value here are those that the others exclude.
        filled = page.locator("form input:not([type=checkbox]), form textarea").evaluate_all(
            "nodes => nodes.filter((node) => !node.value).map((node) => node.name)"
        )
        assert sorted(filled) == sorted(
            ["args", "cc", "gpus_per_task", "jobspec", "queue", "script", "stdin_path"]
        )
        page.get_by_role("button", name="Submit job").click()
        expect(page.locator("h1")).to_have_text("every-field")
    again = page.url.rpartition("/")[2]
    assert site.call(f"/rosin/v1/jobs/{again}/request") == site.call(f"/rosin/v1/jobs/{quote(jobid)}/request")


def test_a_jobspec_is_submitted_as_it_is(page, site):
    spec = site.call("/rosin/v1/jobs/check", {"command": "true", "name": "by-jobspec"})["jobspec"]
    live(page, f"{site.url}/jobs/submit")
    page.get_by_role("button", name="Jobspec").click()
    expect(page.get_by_label("Tasks", exact=True)).to_be_hidden()
    page.get_by_label("Jobspec", exact=True).fill("{")
    page.get_by_label("Jobspec", exact=True).blur()
    expect(page.get_by_label("Jobspec", exact=True)).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Jobspec", exact=True).fill(json.dumps(spec))
    page.get_by_role("button", name="Submit job").click()
    expect(page.locator("h1")).to_have_text("by-jobspec")


def test_many_at_once(page, site):
    live(page, f"{site.url}/jobs/submit")
    page.get_by_label("Command", exact=True).fill("echo {cc}")
    page.get_by_label("Name").fill("one-of-many")
    page.get_by_text("Many, terminal, shell options").click()
    page.get_by_label("Repeat").fill("1-5")
    page.get_by_role("button", name="Submit job").click()
    expect(page.locator(".toast")).to_contain_text("5 jobs submitted")
    assert site.call("/rosin/v1/jobs?search=one-of-many")["total"] == 5


def test_a_form_without_scripts(browser, site):
    with open_page(browser, site, java_script_enabled=False) as page:
        page.goto(f"{site.url}/jobs")
        page.get_by_label("Command").fill("hostname")
        page.get_by_role("button", name="Submit job").click()
        assert re.search(r"/jobs/f\w+$", page.url)
