# SPDX-License-Identifier: LGPL-3.0-or-later
"""The output of a job in a browser: as it comes, as a terminal shows it, found, filtered, and never moved."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, quote, urlparse

import pytest
from playwright.sync_api import Page, Route, expect
from tests.ui.conftest import live

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]

#: The number of the line at the top of the view, and where it begins there.
_TOP = """() => {
  const log = document.querySelector('.log');
  const top = log.getBoundingClientRect().top;
  const lines = [...log.querySelectorAll('.line')];
  const boxes = lines.map((line) => [line.dataset.n, line.getBoundingClientRect()]);
  const seen = boxes.filter(([, box]) => box.bottom > top + 1).sort((a, b) => a[1].top - b[1].top);
  return [Number(seen[0][0]), Math.round(seen[0][1].top - top)];
}"""


def texts(page: Page) -> list[str]:
    """The lines in sight, in order."""
    script = (
        "lines => lines.sort((a, b) => a.dataset.n - b.dataset.n).map((line) => line.lastChild.textContent)"
    )
    found: list[str] = page.locator(".log .line").evaluate_all(script)
    return found


def test_output_of_a_loop_as_it_comes_and_no_line_twice(page, site, tmp_path):
    gate = tmp_path / "gate"
    wait = f"while ! test -e {gate}; do sleep 0.02; done"
    loop = f"for i in $(seq 1 20); do echo line $i; [ $i = 10 ] && {wait}; done"
    jobid = site.submit(f"{loop}; echo oops >&2")
    live(page, f"{site.url}/jobs/{jobid}")
    expect(page.locator(".log")).to_contain_text("line 10")
    assert "line 11" not in texts(page)
    expect(page.locator(".logend")).to_contain_text("following")
    gate.touch()
    expect(page.locator(".log .stderr .text")).to_have_text("oops")
    expect(page.locator(".logend")).to_contain_text("complete")
    assert texts(page) == [*(f"line {n}" for n in range(1, 21)), "oops"]
    with page.expect_download() as download:
        page.get_by_label("Download the output").click()
    assert download.value.suggested_filename.endswith(".txt")


def test_output_is_told_of_and_not_asked_for_again_and_again(page, site, tmp_path):
    """A silent job is left alone; what it writes then is there at once."""
    gate = tmp_path / "gate"
    jobid = site.submit(f"echo one; while ! test -e {gate}; do sleep 0.02; done; echo two; sleep 300")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/lines?" in request.url else None)
    page.clock.install()
    live(page, f"{site.url}/jobs/{jobid}")
    expect(page.locator(".log")).to_contain_text("one")
    before = len(asked)
    page.clock.run_for(12_000)
    assert len(asked) - before <= 1  # one for what was told just then
    gate.touch()
    expect(page.locator(".log")).to_contain_text("two", timeout=10_000)
    site.call(f"/rosin/v1/jobs/{quote(jobid)}/cancel", {})
    expect(page.locator(".logend")).to_contain_text("complete")


def test_a_terminals_controls_and_colours(page, site):
    command = r"""printf '10%%\r100%%\nabcd\b\bX\nold\r\033[Knew\n'
printf '\033[31mred\033[0m \033[7mrev\033[0m \033[9mgone\033[0m '
printf '\033[38;5;208mo\033[0m \033[38;2;1;2;3mt\033[0m\n'
printf '\033]8;;https://example.org/manual\033\\the manual\033]8;;\033\\\n'
echo see https://example.org/a, or not"""
    jobid = site.submit(command)
    live(page, f"{site.url}/jobs/{jobid}")
    expect(page.locator(".log")).to_contain_text("example.org")
    assert texts(page)[:3] == ["100%", "abXd", "new"]
    styles = page.locator(".line[data-n='4'] .text span")
    expect(styles.nth(0)).to_have_css("color", "rgb(255, 130, 114)")
    expect(styles.nth(1)).to_have_css("background-color", "rgb(230, 228, 223)")
    expect(styles.nth(2)).to_have_css("text-decoration-line", "line-through")
    expect(styles.nth(3)).to_have_css("color", "rgb(255, 135, 0)")
    expect(styles.nth(4)).to_have_css("color", "rgb(1, 2, 3)")
    manual = page.locator(".line[data-n='5'] a.url")
    expect(manual).to_have_text("the manual")
    expect(manual).to_have_attribute("href", "https://example.org/manual")
    link = page.locator(".line[data-n='6'] a.url")
    expect(link).to_have_attribute("href", "https://example.org/a")
    expect(link).to_have_attribute("rel", "noopener noreferrer")


def test_find_with_count_and_links_to_lines(page, site):
    jobid = site.submit("for i in $(seq 1 3000); do echo line $i; done")
    live(page, f"{site.url}/jobs/{jobid}")
    expect(page.locator(".logend")).to_contain_text("complete")
    page.get_by_label("Find in the output").fill("line 299")
    expect(page.locator(".hits")).to_have_text("1 of 11")
    expect(page.locator(".line.found .text")).to_have_text("line 299")
    page.get_by_label("Find in the output").press("Enter")
    expect(page.locator(".line.found .text")).to_have_text("line 2990")
    page.get_by_label("Regular expression").click()
    page.get_by_label("Find in the output").fill("^line 1.*7$")
    expect(page.locator(".hits")).to_contain_text("of 111")
    expect(page.locator(".line.found .text")).to_have_text("line 17")
    page.get_by_label("Find in the output").fill("(")
    expect(page.get_by_label("Find in the output")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Find in the output").fill("")
    page.get_by_role("link", name="Line 20", exact=True).click()
    expect(page).to_have_url(re.compile(r"[?&]line=20\b"))
    page.reload()
    expect(page.locator(".line.here .text")).to_have_text("line 20")


def test_only_some_lines(page, site):
    command = "echo out $FLUX_TASK_RANK; echo err $FLUX_TASK_RANK >&2; echo more $FLUX_TASK_RANK"
    jobid = site.submit(command, ntasks=2)
    live(page, f"{site.url}/jobs/{jobid}")
    expect(page.locator(".logend")).to_contain_text("6 lines")
    expect(page.locator(".logend")).to_contain_text("complete")
    page.get_by_role("button", name="Filter").click()
    page.get_by_label("Stream").select_option("stderr")
    expect(page.locator(".logend")).to_contain_text("2 lines match")
    page.get_by_role("button", name="Filter").click()
    page.get_by_label("Ranks").fill("1")
    page.get_by_label("Ranks").press("Enter")
    expect(page.locator(".logend")).to_contain_text("1 line match")
    assert texts(page) == ["err 1"]
    page.reload()
    expect(page.locator(".logend")).to_contain_text("1 line match")
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("button", name="Show all lines").click()
    expect(page.locator(".logend")).to_contain_text("6 lines")
    page.get_by_label("as a regular expression").check()
    page.get_by_label("Text").fill("^(out|more) 0$")
    page.get_by_label("Text").press("Enter")
    expect(page.locator(".logend")).to_contain_text("2 lines match")
    assert texts(page) == ["out 0", "more 0"]


class ManyLines:
    """An output of a million lines."""

    def __init__(self, count: int = 1_000_000) -> None:
        self.count = count

    def __call__(self, route: Route) -> None:
        asked = {
            name: int(v[0])
            for name, v in parse_qs(urlparse(route.request.url).query).items()
            if v[0].isdigit()
        }
        numbers = range(asked["start"], min(self.count, asked["start"] + asked["count"]))
        answer = {"start": asked["start"], "total": self.count, "complete": False, "truncated": False}
        route.fulfill(json={**answer, "items": [self.line(n) for n in numbers]})

    @staticmethod
    def line(n: int) -> dict[str, Any]:
        text = f"line {n + 1} " + "x" * (n * 7 % 400)
        return {"n": n, "line": n, "stream": "stdout", "rank": "0", "time": 1e9, "text": text, "cut": False}


@pytest.fixture
def many(page, site):
    """A running job whose output is a million lines."""
    many = ManyLines()
    page.route(re.compile(r"/rosin/v1/jobs/[^/]+/lines"), many)
    # It writes, so that the page is told that there is more.
    jobid = site.submit("while sleep 0.2; do echo; done", name="million")
    page.many = f"{site.url}/jobs/{jobid}"
    yield many
    site.call(f"/rosin/v1/jobs/{quote(jobid)}/cancel", {})


def test_a_million_lines_of_which_few_are_in_the_document(page, many):
    live(page, page.many)
    expect(page.locator(".line[data-n='1000000']")).to_be_in_viewport()
    assert page.locator(".line").count() < 400
    page.locator(".log").evaluate("log => { log.scrollTop = 0; }")
    expect(page.locator(".line[data-n='1']")).to_be_in_viewport()
    page.locator(".log").evaluate("log => { log.scrollTop = log.scrollHeight; }")
    expect(page.locator(".line[data-n='1000000']")).to_be_in_viewport()
    page.goto(f"{page.many}?line=543210")
    expect(page.locator(".line.here")).to_be_in_viewport()
    assert page.locator(".line").count() < 400


@pytest.mark.parametrize("how", ["wheel", "bar", "key"])
def test_who_has_scrolled_away_stays_whatever_arrives(page, many, how):
    live(page, page.many)
    expect(page.locator(".line[data-n='1000000']")).to_be_in_viewport()
    log = page.locator(".log")
    if how == "wheel":
        log.hover()
        page.mouse.wheel(0, -700)
    elif how == "bar":
        log.evaluate("log => { log.scrollTop -= 700; }")
    else:
        log.focus()
        page.keyboard.press("PageUp")
    expect(page.locator(".jump")).to_be_visible()
    expect(page.locator(".logend")).to_contain_text("not following")
    page.wait_for_function("() => document.querySelector('.log').getAnimations().length === 0")
    page.evaluate("new Promise((done) => setTimeout(done, 400))")  # smooth scrolling of the key
    before = page.evaluate(_TOP)
    for _ in range(3):
        many.count += 777
        expect(page.locator(".logend")).to_contain_text(f"{many.count:,} lines")
        assert page.evaluate(_TOP) == before
    page.locator(".jump").click()
    expect(page.locator(f".line[data-n='{many.count}']")).to_be_in_viewport()
    many.count += 5
    expect(page.locator(f".line[data-n='{many.count}']")).to_be_in_viewport()


def test_wrapping_and_widths_keep_the_line_at_the_top(page, many):
    live(page, f"{page.many}?line=400000")
    expect(page.locator(".line.here")).to_be_in_viewport()
    page.locator(".log").hover()
    page.mouse.wheel(0, 60)
    page.evaluate("new Promise((done) => setTimeout(done, 400))")
    line = page.evaluate(_TOP)[0]
    page.get_by_label("Wrap long lines").click()
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.evaluate(_TOP)[0] == line
    page.get_by_label("Show when each line was written").click()
    page.set_viewport_size({"width": 700, "height": 800})
    page.evaluate("new Promise(requestAnimationFrame)")
    page.get_by_label("Wrap long lines").click()
    page.evaluate("new Promise(requestAnimationFrame)")
    assert abs(page.evaluate(_TOP)[0] - line) <= 1


def test_who_is_at_the_end_stays_there_whatever_the_width(page, many):
    live(page, page.many)
    last = page.locator(".line[data-n='1000000']")
    expect(last).to_be_in_viewport()
    for width in (700, 1300, 400):
        page.set_viewport_size({"width": width, "height": 800})
        expect(last).to_be_in_viewport()


def test_why_a_job_waits_and_how_it_ended(page, site):
    held = site.submit("true", urgency=0)
    live(page, f"{site.url}/jobs/{held}")
    expect(page.locator(".note.wait")).to_contain_text(re.compile("held|urgency", re.IGNORECASE))
    expect(page.locator(".blank")).to_contain_text("has not started")
    page.get_by_role("button", name="Release").click()
    expect(page.locator(".badge")).to_have_text("Completed")
    expect(page.locator(".note.wait")).to_be_hidden()
    crashed = site.submit("kill -SEGV $$")
    live(page, f"{site.url}/jobs/{crashed}")
    expect(page.locator(".note.bad")).to_contain_text("139: segmentation fault")
    expect(page.locator("aside")).to_contain_text("UTC")


def test_the_reasons_of_a_job_that_waits_lead_to_those_in_its_way(page, site):
    """Their ids are as they are, and the time of its start is the reader's."""
    cores = site.call("/rosin/v1/overview?span=60&points=2")["resources"]["all"]["cores"]
    first = site.submit("sleep 300", name="in-its-way", nnodes=1, ntasks=1, exclusive=True, duration=900)
    waits = site.submit("true", ntasks=cores)
    live(page, f"{site.url}/jobs/{waits}")
    link = page.locator(".note.wait a", has_text=first)
    expect(link).to_have_attribute("href", f"/jobs/{first}")
    link.click()
    expect(page.locator("h1")).to_have_text("in-its-way")
    for jobid in (waits, first):
        site.call(f"/rosin/v1/jobs/{quote(jobid)}/cancel", {})


def test_the_timeline_has_input_and_output_when_it_is_asked_to(page, site):
    jobid = site.submit("read word; echo got $word")
    site.call(f"/rosin/v1/jobs/{quote(jobid)}/input", {"data": "magic\n", "end": True})
    live(page, f"{site.url}/jobs/{jobid}?tab=timeline")
    expect(page.locator(".badge")).to_have_text("Completed")
    expect(page.locator("ol.timeline")).to_contain_text("Tasks started")
    expect(page.locator("ol.timeline .talk")).to_have_count(0)
    page.get_by_label("Input and output").check()
    expect(page.locator("ol.timeline .talk", has_text="was given")).to_contain_text("magic")
    expect(page.locator("ol.timeline .talk", has_text="Task 0 wrote")).to_contain_text("got magic")
    page.reload()
    expect(page.locator("ol.timeline .talk", has_text="Task 0 wrote")).to_be_visible()


def test_a_terminal(page, site):
    jobid = site.submit("stty size; read name; echo hello $name; read end", pty=True)
    live(page, f"{site.url}/jobs/{jobid}")
    expect(page.locator(".badge")).to_have_text("Running")
    page.get_by_role("tab", name="Terminal").click()
    terminal = page.locator(".terminal")
    expect(terminal).to_contain_text(re.compile(r"\d+ \d+"))
    terminal.focus()
    page.keyboard.type("world")
    page.keyboard.press("Enter")
    expect(terminal).to_contain_text("hello world")
    page.keyboard.press("Enter")
    expect(page.locator(".badge")).to_have_text("Completed")


def test_files_of_a_job(page, site, tmp_path):
    """Looked at, downloaded, uploaded."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "result.txt").write_text("42\n")
    jobid = site.submit("true", cwd=str(tmp_path))
    live(page, f"{site.url}/jobs/{jobid}?tab=files")
    page.get_by_role("button", name="sub", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="result.txt").click()
    assert download.value.path().read_text() == "42\n"
    page.reload()
    expect(page.get_by_role("link", name="result.txt")).to_be_visible()
    data = bytes(range(256)) * 5000  # more than one request carries
    page.get_by_label("Files to upload").set_input_files(
        {"name": "in put.bin", "mimeType": "", "buffer": data}
    )
    expect(page.get_by_role("link", name="in put.bin")).to_be_visible()
    assert (tmp_path / "sub" / "in put.bin").read_bytes() == data
