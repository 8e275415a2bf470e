# SPDX-License-Identifier: LGPL-3.0-or-later
"""``config``: the instance's configuration object, read from TOML, and its reload."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, Any

from rosin.broker import attrtable
from rosin.broker.builtin import Builtin
from rosin.broker.configcheck import check, warnings
from rosin.broker.module import DEFERRED, request_handler
from rosin.broker.settings import differing
from rosin.broker.waiters import Waiter
from rosin.configfile import load
from rosin.constants import FLUX_NODEID_UPSTREAM, FLUX_RPC_STREAMING
from rosin.errors import FormatError

if TYPE_CHECKING:
    from rosin.handle.rpc import RPC
    from rosin.rfc.message import Message


#: Tables that the broker itself reads when it starts, beside those of attributes.
AT_START = ("bootstrap", "exec.keep-timeout", "fake-resources", "modules")


class ConfigService(Builtin):
    """config.get, config.load, config.reload."""

    name = "config"

    async def start(self) -> None:
        self._watchers = self.waiters()
        self._ignored: set[str] = set()
        self._lock = asyncio.Lock()
        self._warn(check(self.broker.config))

    def _warn(self, ignored: dict[str, str]) -> None:
        """Name the keys that have no effect, each once."""
        new = {key: why for key, why in ignored.items() if key not in self._ignored}
        self._ignored.update(new)
        for line in warnings(new):
            self.log.warning(line)

    def _answer(self, ignored: dict[str, str], later: list[str]) -> dict[str, list[str]] | None:
        """Tell who changes the configuration what of it has no effect, or none yet."""
        lines = [*warnings(ignored), *later]
        names = attrtable.later(self.broker.config, self.broker.attrs.values())
        for name in (*names, *differing(self.started_with, self.broker.config, AT_START)):
            lines.append(f"{name} has no effect before the next start of the broker")
            self.log.warning(lines[-1])
        return {"warnings": lines} if lines else None

    @request_handler("get", allow_guest=True)
    def get(self, msg: Message) -> Any:
        if not msg.streaming:
            return self.broker.config
        self._watchers.add(Waiter(msg))
        self.respond(msg, self.broker.config)
        return DEFERRED

    def _check_rank(self) -> None:
        if self.broker.rank:
            raise OSError(errno.EINVAL, "configuration can only be changed on rank 0")

    @request_handler("load")
    async def load(self, msg: Message) -> dict[str, list[str]] | None:
        self._check_rank()
        return self._answer(*await self.apply(msg.args))

    @request_handler("reload")
    async def reload(self, _msg: Message) -> dict[str, list[str]] | None:
        """Read the files again; an instance that was started without any has an empty configuration."""
        self._check_rank()
        path = self.broker.config_path
        try:
            config = {} if path is None else load(path)
        except FormatError as exc:
            raise OSError(errno.EINVAL, str(exc)) from None
        return self._answer(*await self.apply(config))

    async def apply(self, config: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
        """Offer a configuration to every module; it holds if none refuses it, otherwise nothing changes.

        Returns what :func:`check` does, and what modules say of changes that they take when they are loaded
        again. Raises OSError EINVAL.
        """
        try:
            ignored = check(config)
        except FormatError as exc:
            raise OSError(errno.EINVAL, str(exc)) from None
        async with self._lock:  # one at a time: modules must not end up with different configurations
            later = await self._offer(config)
            self.broker.config = config
        self._warn(ignored)
        self._watchers.respond(config)
        return ignored, later

    async def follow(self) -> None:
        """Take the configuration of the broker above, now and whenever it changes. Raises OSError."""
        stream = self.h.rpc("config.get", None, FLUX_NODEID_UPSTREAM, FLUX_RPC_STREAMING)
        await self.apply(await stream)
        stream.reset()
        self.create_task(self._follow(stream))

    async def _follow(self, stream: RPC) -> None:
        try:
            async for config in stream:
                try:
                    await self.apply(config)
                except OSError as exc:  # the next one may be better
                    self.log.error(f"a configuration of the broker above is refused here: {exc.strerror}")
        except OSError as exc:
            if not self.broker.state.reached("goodbye"):
                self.log.error(f"the configuration of the broker above is followed no more: {exc.strerror}")

    async def _offer(self, config: dict[str, Any]) -> list[str]:
        """Give *config* to all modules, or take it back from those that have it. Raises OSError EINVAL."""
        accepted: list[str] = []
        later: list[str] = []
        for name in list(self.broker.modules):
            if name == self.name or name not in self.broker.modules:
                continue
            try:
                answer = await self.h.rpc(f"{name}.config-reload", config)
            except OSError as exc:
                await self._take_back(accepted)
                raise OSError(errno.EINVAL, f"error updating {name}: {exc.strerror}") from None
            accepted.append(name)
            if isinstance(answer, dict):
                later += answer.get("warnings", ())
        return later

    async def _take_back(self, names: list[str]) -> None:
        for name in names:
            try:
                await self.h.rpc(f"{name}.config-reload", self.broker.config)
            except OSError as exc:
                self.log.error(f"the configuration of before is not restored in {name}: {exc.strerror}")

    async def stop(self) -> None:
        self._watchers.end()
