# SPDX-License-Identifier: LGPL-3.0-or-later
"""The asyncio handle on a real socket."""

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

from rosin.handle import AsyncFlux
from rosin.testing.process import RealInstance


@pytest.mark.system
async def test_it_talks_to_an_instance(real_instance: RealInstance) -> None:
    async with await AsyncFlux.connect(real_instance.uri) as h:
        assert await h.attr("rank") == "0"
        answers = await asyncio.gather(*(_ping(h, number) for number in range(100)))
        assert answers == list(range(100))
        with pytest.raises(OSError, match=r"No service matching"):
            await h.rpc("no.such")
    with pytest.raises(ConnectionResetError):
        h.rpc("attr.get", {"name": "rank"})


async def _ping(h: AsyncFlux, number: int) -> int:
    return int((await h.rpc("broker.ping", {"seq": number}))["seq"])


async def _serve(path: Path, answer: bytes) -> asyncio.AbstractServer:
    async def client(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    return await asyncio.start_unix_server(client, path)


@pytest.mark.parametrize(
    ("answer", "exception"),
    [(b"\x01", PermissionError), (b"", ConnectionResetError)],
    ids=["refused", "closed"],
)
async def test_a_broker_that_does_not_want_us(
    tmp_path: Path, answer: bytes, exception: type[OSError]
) -> None:
    async with await _serve(tmp_path / "s", answer):
        with pytest.raises(exception, match=r"broker at|Unable to connect"):
            await AsyncFlux.connect(f"local://{tmp_path}/s")


async def test_a_socket_that_never_answers(tmp_path: Path) -> None:
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    def client(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait(writer)

    async with await asyncio.start_unix_server(client, tmp_path / "s"):
        with pytest.raises(TimeoutError, match="does not answer"):
            await AsyncFlux.connect(f"local://{tmp_path}/s", timeout=0.05)
        (await accepted.get()).close()


@pytest.mark.parametrize("accepts", [False, True])
async def test_a_connection_that_is_not_wanted_any_more(tmp_path: Path, accepts: bool) -> None:
    """Who is cancelled while it waits for the broker's first byte, or just as it comes, leaves nothing."""

    class Late(AsyncFlux):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            connecting.cancel()

    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    def client(*streams: Any) -> None:
        accepted.put_nowait(streams)

    async with await asyncio.start_unix_server(client, tmp_path / "s"):
        connecting = asyncio.create_task(Late.connect(f"local://{tmp_path}/s", timeout=1e6))
        reader, writer = await accepted.get()
        if accepts:
            writer.write(b"\0")
        else:
            connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        assert await reader.read() == b""
        writer.close()


async def test_a_connection_that_is_given_up_while_it_is_made(tmp_path: Path) -> None:
    """At whatever moment: nothing is left that somebody should have looked at."""
    untold: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: untold.append(context))
    async with await asyncio.start_unix_server(lambda _reader, writer: writer.close(), tmp_path / "s"):
        for turns in range(8):
            connecting = asyncio.create_task(AsyncFlux.connect(f"local://{tmp_path}/s"))
            for _ in range(turns):
                await asyncio.sleep(0)
            connecting.cancel()
            await asyncio.wait([connecting])
            if not connecting.cancelled():
                assert isinstance(connecting.exception(), ConnectionResetError)
    # What a loop makes when it is cancelled while it connects.
    handle = AsyncFlux(loop, "local:///nowhere")
    handle.connection_lost(None)
    del handle, connecting
    gc.collect()
    assert untold == []


async def test_no_socket(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"was not found"):
        await AsyncFlux.connect(f"local://{tmp_path}/none")
    with pytest.raises(OSError, match="not a connector"):
        await AsyncFlux.connect("smoke://host/path")
