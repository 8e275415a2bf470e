# SPDX-License-Identifier: LGPL-3.0-or-later
"""A browser, and an instance with its server, for tests of the page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

# No sandbox: the tests run as root in containers. No background networking: nothing but the page is loaded.
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: Milliseconds to wait for what has to come, on a machine that may be busy.
_PATIENCE = 30_000
expect.set_options(timeout=_PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium. Playwright keeps a loop running, which asyncio tests must not find."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("needs Chromium: install the package 'chromium'")
    # Chromium makes a socket in TMPDIR, whose path must not be long.
    with tempfile.TemporaryDirectory(prefix="rosin-ui-", dir="/tmp") as directory:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TMPDIR", directory)
            started = sync_playwright().start()
        browser = started.chromium.launch(executable_path=path, args=_ARGUMENTS, env=_short(directory))
        yield browser
        browser.close()
        started.stop()


def _short(directory: str) -> dict[str, str | float | bool]:
    return {**os.environ, "TMPDIR": directory}


class Site:
    """``rosin start rosin serve``: ``url`` ends without a slash. *serve*: options of the server."""

    def __init__(self, *options: str, serve: Sequence[str] = ()) -> None:
        rosin = [sys.executable, "-m", "rosin"]
        command = [*rosin, "start", *options, *rosin, "serve", "--port", "0", *serve]
        self.state = tempfile.TemporaryDirectory(prefix="rosin-ui-state-")
        env = {**os.environ, "XDG_STATE_HOME": self.state.name}
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
        assert self.process.stderr is not None
        self.url = self.process.stderr.readline().split()[-1].rstrip("/")

    def call(self, path: str, body: Any = None) -> Any:
        """What the API answers."""
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked) as answer:
            return json.load(answer)

    def submit(self, command: str, **members: Any) -> str:
        """Submit a job, in a shell; returns its id."""
        body = {"command": command, "shell": True, **members}
        return str(self.call("/rosin/v1/jobs", body)["id"])

    def stop(self) -> None:
        self.process.terminate()  # nothing happens if a test has ended it
        self.process.communicate(timeout=30)
        self.state.cleanup()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """An instance with its page."""
    site = Site()
    yield site
    site.stop()


@contextmanager
def open_page(browser: Browser, site: Site, width: int = 1280, **options: Any) -> Iterator[Page]:
    """A page that fails the test on errors of its scripts and on requests to other hosts."""
    context = browser.new_context(viewport={"width": width, "height": 800}, **options)
    page = context.new_page()
    faults: list[str] = []
    watch(page, site, faults)
    yield page
    context.close()
    assert not faults


def watch(page: Page, site: Site, faults: list[str]) -> None:
    """Note errors of scripts, what the policy forbids, and requests to other hosts."""
    own = (site.url, "data:", "blob:")
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if "Security Policy" in said.text else None)
    page.on("request", lambda asked: None if asked.url.startswith(own) else faults.append(asked.url))
    page.set_default_timeout(_PATIENCE)


def live(page: Page, url: str) -> None:
    """Go to a page and wait until it is connected."""
    page.goto(url)
    expect(page.locator("#link")).to_have_attribute("data-state", "live")


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A page of the instance that the tests of a file share."""
    with open_page(browser, site) as page:
        yield page


@pytest.fixture
def own_site() -> Iterator[Site]:
    """An instance that the test may stop."""
    site = Site()
    yield site
    site.stop()


@pytest.fixture
def own_page(browser: Browser, own_site: Site) -> Iterator[Page]:
    """A page of the test's own instance."""
    with open_page(browser, own_site) as page:
        yield page
