# SPDX-License-Identifier: LGPL-3.0-or-later
"""Webhooks in a browser: made, tried, failing, tried again, deleted."""

from __future__ import annotations

import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.ui.conftest import Site, live, open_page

pytestmark = [pytest.mark.ui, pytest.mark.timeout(300)]


class Receiver(ThreadingHTTPServer):
    """Keeps what it is sent, and answers ``status``."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: queue.Queue[str] = queue.Queue()
        self.status = 204
        self.url = f"http://127.0.0.1:{self.server_port}/{'long-path/' * 20}hook"


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        self.server.got.put(body.decode())

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def receiver():
    """Where deliveries go."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever, daemon=True)
    thread.start()
    yield receiver
    receiver.shutdown()
    receiver.server_close()
    thread.join()


@pytest.fixture
def hooked():
    """An instance whose server may talk to this machine."""
    site = Site(serve=("--allow-webhook", "127.0.0.0/8"))
    yield site
    site.stop()


def test_webhooks(browser, hooked, receiver):
    with open_page(browser, hooked) as page:
        live(page, f"{hooked.url}/webhooks")
        expect(page.locator(".blank")).to_contain_text("No webhooks")
        page.get_by_role("button", name="New webhook").click()
        page.get_by_label("URL").fill("ftp://example.org")
        page.get_by_role("button", name="Make it").click()
        expect(page.locator("dialog [role=alert]")).to_contain_text("https://")
        expect(page.get_by_label("URL")).to_have_attribute("aria-invalid", "true")
        page.get_by_label("URL").fill(receiver.url)
        page.get_by_label("All events").uncheck()
        page.get_by_label("Over clean").check()
        page.get_by_role("button", name="Make it").click()
        secret = page.locator(".secret").inner_text()
        assert secret.startswith("whsec_")
        card = page.locator(f"section[aria-label='{receiver.url}']")
        expect(card).to_contain_text("exception")
        expect(card.locator("header")).to_contain_text("Active")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280

        card.get_by_role("button", name="Send a test").click()
        assert '"type":"ping"' in receiver.got.get(timeout=60)
        expect(card).to_contain_text("1 delivered")
        hooked.submit("true")
        assert '"type":"job.finish"' in receiver.got.get(timeout=60)
        assert '"type":"job.clean"' in receiver.got.get(timeout=60)

        receiver.status = 410
        card.get_by_role("button", name="Send a test").click()
        expect(card.locator("header")).to_contain_text("Stopped")
        expect(card.locator(".note")).to_contain_text("410")
        card.get_by_text("1 message could not be delivered").click()
        expect(card.locator("tbody")).to_contain_text("ping")
        receiver.status = 204
        card.get_by_role("button", name="Try again").click()
        expect(card.locator("header")).to_contain_text("Active")
        expect(card).to_contain_text("4 delivered")

        page.reload()
        assert secret not in page.content()
        card.get_by_role("button", name="Delete").click()
        page.locator("dialog").get_by_role("button", name="Delete").click()
        expect(page.locator(".blank")).to_contain_text("No webhooks")
