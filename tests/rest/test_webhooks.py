# SPDX-License-Identifier: LGPL-3.0-or-later
"""Webhooks: what arrives and its signature, attempts and their end, and where nothing is ever sent."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from rosin.rest.webhooks import signature
from rosin.rest.webhooks.dispatcher import MOST_OF_USER
from rosin.rest.webhooks.hook import _QUEUE, DELAYS, PATIENCE, Webhook, check_events, message
from rosin.rest.webhooks.post import post
from rosin.rest.webhooks.target import allowed, parse_url, resolve

OWNER = ("ann", "correct horse battery")
HOOKS = "/rosin/v1/webhooks"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


class Receiver:
    """An HTTP server that keeps what it is sent, and answers what it is told to."""

    def __init__(self) -> None:
        self.got: asyncio.Queue[tuple[dict[str, str], bytes, str]] = asyncio.Queue()
        self.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        writer.write(self.answer)
        await writer.drain()
        writer.close()
        await self.got.put((headers, body, first))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    one = Receiver()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield one
    server.close()
    await server.wait_closed()


@pytest.fixture
async def served(make) -> AsyncIterator[Any]:
    client = await make(user=OWNER[0], token=OWNER[1], webhook_networks=LOOPBACK)
    client.auth = OWNER
    yield client
    await client.app.state.webhooks.close()


def right(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """As the specification's libraries verify."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    made = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return headers["webhook-signature"] == f"v1,{made}"


# -- what arrives ------------------------------------------------------------------------------------


async def test_events_arrive_signed(served, receiver):
    # Follow before the webhook does, so that it begins at a place that is known.
    await served.app.state.instances.current().jobs()
    made = (
        await served.post(HOOKS, json={"url": f"{receiver.url}/a?b=c", "events": ["submit", "clean"]})
    ).json()
    await served.post(f"{HOOKS}/{made['id']}/ping")
    headers, body, first = await receiver.got.get()
    assert first == "POST /a?b=c HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert right(headers, body, made["secret"])
    assert not right(headers, body + b" ", made["secret"])
    assert json.loads(body)["type"] == "ping"
    jobid = await served.submit("true")
    for name in ("submit", "clean"):
        headers, body, _ = await receiver.got.get()
        told = json.loads(body)
        assert right(headers, body, made["secret"])
        assert (told["type"], told["data"]["name"]) == (f"job.{name}", name)
        assert told["data"]["job"]["id_str"] == jobid
    found = served.app.state.webhooks.found[made["id"]]
    await until(lambda: found.delivered == 3)
    shown = (await served.get(f"{HOOKS}/{made['id']}")).json()
    assert (shown["state"], shown["delivered"]) == ("active", 3)
    assert "secret" not in shown
    assert made["secret"] not in (await served.get(HOOKS)).text
    assert (await served.delete(f"{HOOKS}/{made['id']}")).status_code == 204
    assert (await served.get(f"{HOOKS}/{made['id']}")).status_code == 404
    assert served.app.state.webhooks._tasks == {}


# -- attempts ----------------------------------------------------------------------------------------


def hook(**more: Any) -> Webhook:
    return Webhook("ann", parse_url("https://example.org/"), b"k" * 32, frozenset("*"), **more)


async def until(reached: Callable[[], bool]) -> None:
    while not reached():
        await asyncio.sleep(0)


async def test_attempts_are_few_and_further_apart():
    slept: list[float] = []
    idents: list[str] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def refused(_target: Any, headers: dict[str, str], _body: bytes) -> int:
        idents.append(headers["webhook-id"])
        if len(idents) % 2:
            raise OSError("connection refused")
        return 500

    one = hook()
    for number in range(PATIENCE + 2):
        one.add(message("ping", float(number), {}))
    task = asyncio.ensure_future(one.run(refused, sleep))
    await until(lambda: bool(one.stopped))
    attempts = len(DELAYS) + 1
    assert len(idents) == PATIENCE * attempts
    assert len(set(idents[:attempts])) == 1  # a receiver can tell that it had it
    for seconds, delay in zip(slept[: len(DELAYS)], DELAYS, strict=True):
        assert 0.8 * delay <= seconds <= 1.2 * delay
    assert [dead.attempts for dead in one.dead] == [attempts] * PATIENCE
    assert (len(one.queue), one.dead[0].error) == (2, "it answered 500")
    assert one.retry() == PATIENCE
    assert [delivery.time for delivery in one.queue] == [0.0, 1.0, 2.0, 3.0, 4.0]
    task.cancel()


async def test_a_good_answer_ends_it_and_gone_stops_it():
    answers = iter([302, 204, 410])

    async def answer(*_: Any) -> int:
        return next(answers)

    async def sleep(_seconds: float) -> None: ...

    one = hook()
    for _ in range(3):
        one.add(message("ping", 0.0, {}))
    task = asyncio.ensure_future(one.run(answer, sleep))
    await until(lambda: bool(one.stopped))
    assert (one.delivered, len(one.dead), len(one.queue)) == (1, 1, 1)
    assert "410" in one.stopped
    task.cancel()


def test_what_waits_is_bounded():
    one = hook()
    for number in range(_QUEUE + 5):
        one.add(message("ping", float(number), {}))
    assert (len(one.queue), one.lost, one.queue[0].time) == (_QUEUE, 5, 5.0)


async def test_a_failing_one_is_shown_and_tried_again(served, receiver):
    async def sleep(_seconds: float) -> None: ...

    served.app.state.webhooks.sleep = sleep
    receiver.answer = b"HTTP/1.1 503 No\r\n\r\n"
    made = (await served.post(HOOKS, json={"url": receiver.url, "events": ["x"]})).json()
    where = f"{HOOKS}/{made['id']}"
    await served.post(f"{where}/ping")
    for _ in range(len(DELAYS) + 1):
        await receiver.got.get()
    found = served.app.state.webhooks.found[made["id"]]
    await until(lambda: bool(found.dead))
    shown = (await served.get(where)).json()
    assert (shown["state"], shown["reason"]) == ("failing", "it answered 503")
    assert shown["dead"][0]["attempts"] == len(DELAYS) + 1
    receiver.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    assert (await served.post(f"{where}/retry")).json() == {"messages": 1}
    await receiver.got.get()
    await until(lambda: found.delivered == 1)
    assert (await served.get(where)).json()["state"] == "active"


# -- where nothing is sent ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "2001:db8::1",
    ],
)
def test_addresses_that_are_not_of_the_internet(address):
    assert not allowed(ipaddress.ip_address(address), ())


def test_addresses_that_are():
    for text in ("1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"):
        assert allowed(ipaddress.ip_address(text), ())
    assert allowed(ipaddress.ip_address("10.1.2.3"), (ipaddress.ip_network("10.0.0.0/8"),))
    assert not allowed(ipaddress.ip_address("10.1.2.3"), LOOPBACK)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "localhost.", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]", "0"],
)
async def test_spellings_of_this_machine(make, host):
    client = await make(user=OWNER[0], token=OWNER[1])
    answer = await client.post(HOOKS, json={"url": f"http://{host}:5000/"}, auth=OWNER)
    assert answer.status_code == 422
    assert client.app.state.webhooks.found == {}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://example.org/",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://a:b@example.org/",
        "https://user@example.org/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://example.org:x/",
        "https://example.org/\r\nX: y",
        "https://example.org/ x",
        "https://example.org\\@evil",
        "https://[::1",
        "https://ex\N{LATIN SMALL LETTER A WITH ACUTE}mple.org/",
        "https://example.org/" + "x" * 3000,
    ],
)
def test_urls_that_are_none(url):
    with pytest.raises(ValueError, match="url: "):
        parse_url(url)


async def test_a_name_is_looked_up_at_each_delivery(monkeypatch):
    """A name that has changed since it was looked at leads nowhere."""
    target = parse_url("http://rebind.example/")
    answers = iter(["1.1.1.1", "169.254.169.254"])

    async def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", (next(answers), 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    assert await resolve(target, ()) == ["1.1.1.1"]
    with pytest.raises(OSError, match="no address of the internet"):
        await resolve(target, ())


async def test_redirects_are_not_followed_and_rubbish_is_none(receiver):
    target = parse_url(f"{receiver.url}/")
    receiver.answer = b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
    assert await post(target, ["127.0.0.1"], {}, b"x") == 302
    for rubbish in (
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
        b"HTTP/1.1 100 C\r\n\r\n",
    ):
        receiver.answer = rubbish
        with pytest.raises(OSError):
            await post(target, ["127.0.0.1"], {}, b"x")
    with pytest.raises(OSError):
        await post(parse_url("https://127.0.0.1:1/"), ["127.0.0.1"], {}, b"x")


async def test_silence_ends(monkeypatch):
    monkeypatch.setattr("rosin.rest.webhooks.post.PATIENCE", 0.01)
    done = asyncio.Event()

    async def silent(_reader: Any, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(OSError, match="no answer within"):
        await post(parse_url(f"http://127.0.0.1:{port}/"), ["127.0.0.1"], {}, b"x")
    done.set()
    server.close()


# -- registration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"url": 3},
        {"url": "http://127.0.0.1/", "events": []},
        {"url": "http://127.0.0.1/", "events": ["A B"]},
        {"url": "http://127.0.0.1/", "secret": "short"},
        {"url": "http://127.0.0.1/", "secret": "whsec_!"},
        {"url": "http://127.0.0.1/", "more": 1},
        {"url": "http://nowhere.invalid/"},
    ],
)
async def test_webhooks_that_cannot_be(served, body):
    assert (await served.post(HOOKS, json=body)).status_code == 422
    assert (await served.post(HOOKS, content=b"[" * 5000)).status_code == 400
    for method, what in (("GET", ""), ("DELETE", ""), ("POST", "/ping"), ("POST", "/retry")):
        assert (await served.request(method, f"{HOOKS}/none{what}")).status_code == 404


async def test_a_user_has_few(served):
    body = {"url": "http://127.0.0.1:1/", "events": ["nothing"]}
    for _ in range(MOST_OF_USER):
        assert (await served.post(HOOKS, json=body)).status_code == 201
    assert (await served.post(HOOKS, json=body)).status_code == 429


async def test_only_who_may_control(served):
    for scopes, code in ((["read"], 403), (["control"], 201)):
        made = (await served.post("/rosin/v1/tokens", json={"name": "t", "scopes": scopes})).json()
        served.auth = None
        headers = {"Authorization": f"Bearer {made['token']}"}
        answer = await served.post(HOOKS, json={"url": "http://127.0.0.1:1/"}, headers=headers)
        assert answer.status_code == code
        served.auth = OWNER


def test_secrets_and_names():
    assert signature.key(signature.new_secret()) != signature.key(signature.new_secret())
    assert signature.key("x" * 16) == b"x" * 16
    made = signature.headers(
        base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert check_events(["submit", "dependency-add", "*"]) == {"submit", "dependency-add", "*"}
