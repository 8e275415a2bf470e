# SPDX-License-Identifier: LGPL-3.0-or-later
"""Every page and state in a lively instance, light and dark, three widths: what docs/ shows.

`ROSIN_SCREENS=docs/images` writes there those that the documentation has.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.ui.conftest import Site, live, open_page

#: Many pages after each other, on a machine that may be busy.
pytestmark = [pytest.mark.ui, pytest.mark.timeout(600)]

_CONFIG = """
[resource]
noverify = true
[[resource.config]]
hosts = "node[1-4]"
cores = "0-15"
gpus = "0-3"
[queues.batch]
[queues.debug]
[policy.jobspec.defaults.system]
queue = "batch"
duration = "1h"
[policy.limits]
duration = "8h"
"""
_TRAIN = r"""printf '\033[1mepoch 1 of 10\033[0m\n'
for i in $(seq 1 240); do
printf '%4d/240  \033[36mloss\033[0m 0.%03d  \033[32macc\033[0m 0.%03d\n' $i $((900-i)) $((600+i)); done
printf '\033[33mwarning\033[0m: learning rate is high, see https://example.org/rates\n' >&2
printf 'checkpoint 100%% \033[32mok\033[0m\n'; sleep 600"""

#: What docs/ has: name, path with {job} and {waits}, width, height, theme.
SHOWN = [
    ("page-jobs", "/jobs", 1440, 900, "light"),
    ("page-job", "/jobs/{job}", 1440, 900, "dark"),
    (
        "page-submit",
        "/jobs/submit?command=python+train.py+--lr+0.1&nnodes=2&ntasks=8&gpus_per_task=1",
        1440,
        900,
        "light",
    ),
    ("page-resources", "/resources", 1440, 900, "dark"),
    ("page-phone", "/jobs", 390, 800, "light"),
    ("page-overview", "/", 1440, 900, "light"),
]


class LivelySite(Site):
    """Four nodes, and jobs of every kind: ``job`` runs, ``waits`` waits."""

    job = waits = ""


@pytest.fixture(scope="module")
def lively(tmp_path_factory):
    """An instance with four nodes and jobs of every kind."""
    path = tmp_path_factory.mktemp("lively") / "rosin.toml"
    path.write_text(_CONFIG)
    site = LivelySite("-s", "4", f"--config-path={path}")
    for name in ("batch", "debug"):
        site.call(f"/rosin/v1/queues/{name}/start", {})
    for n in range(9):
        site.submit("true", name=f"preprocess-{n + 1}", ntasks=2)
    site.submit("exit 3", name="check-inputs")
    site.submit("kill -SEGV $$", name="solver")
    site.job = site.submit(_TRAIN, name="train-resnet", nnodes=2, ntasks=8, cores_per_task=2, gpus_per_task=1)
    site.submit("sleep 600", name="md-water", ntasks=12, queue="debug")
    site.submit("sleep 600", name="render", nnodes=1, ntasks=4, cores_per_task=3)
    site.waits = site.submit("sleep 600", name="mesh-refine", nnodes=4, ntasks=8, exclusive=True)
    site.submit("sleep 600", name="sweep", nnodes=3, ntasks=12, exclusive=True)
    site.submit("true", name="nightly-report", urgency=0)
    counts: dict[str, int] = {}
    while counts.get("run", 0) < 3 or counts.get("inactive", 0) < 11:
        counts = site.call("/rosin/v1/jobs?limit=0")["counts"]
    yield site
    site.stop()


def ready(page: Page, site: LivelySite, path: str) -> None:
    live(page, site.url + path.format(job=site.job, waits=site.waits))
    expect(page.locator("#main [aria-busy]")).to_have_count(0)
    expect(page.get_by_text("could not be loaded")).to_have_count(0)
    if "{job}" in path and "tab=" not in path:
        expect(page.locator(".line").first).to_be_visible()


PATHS = [
    "/",
    "/jobs",
    "/jobs?state=failed",
    "/jobs?search=nothing-like-it",
    "/jobs/{job}",
    "/jobs/{job}?find=loss&wrap=0&times=1",
    "/jobs/{job}?tab=timeline",
    "/jobs/{job}?tab=spec",
    "/jobs/{waits}",
    "/jobs/submit",
    "/jobs/submit?command=a&nnodes=99",
    "/resources",
    "/resources?state=down",
    "/queues",
    "/events",
    "/tokens",
    "/webhooks",
    "/about",
    "/docs",
    "/jobs/99",
]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1024, 1920])
def test_walk(browser, lively, tmp_path, theme, width):
    screens = Path(os.environ.get("ROSIN_WALK", tmp_path))
    with open_page(browser, lively, width, color_scheme=theme, reduced_motion="reduce") as page:
        for number, path in enumerate(PATHS):
            ready(page, lively, path)
            expect(page.locator("h1, .blank h2").first).to_be_visible()
            page.screenshot(path=screens / f"{theme}-{width}-{number:02}.png")


def test_what_docs_show(browser, lively, tmp_path):
    screens = Path(os.environ.get("ROSIN_SCREENS", tmp_path))
    for name, path, width, height, theme in SHOWN:
        with open_page(browser, lively, width, color_scheme=theme, reduced_motion="reduce") as page:
            page.set_viewport_size({"width": width, "height": height})
            ready(page, lively, path)
            if path.startswith("/jobs/submit"):
                expect(page.locator(".note.good")).to_be_visible()
            page.screenshot(path=screens / f"{name}.png")
        assert (screens / f"{name}.png").stat().st_size > 10_000


def test_a_lost_connection(browser, own_site, tmp_path):
    """Its own instance ends: others may come after this test."""
    screens = Path(os.environ.get("ROSIN_WALK", tmp_path))
    with open_page(browser, own_site, 1440) as page:
        live(page, f"{own_site.url}/jobs")
        own_site.process.send_signal(signal.SIGTERM)
        expect(page.locator("#banner")).to_be_visible()
        page.screenshot(path=screens / "gone.png")
