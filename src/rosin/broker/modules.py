# SPDX-License-Identifier: LGPL-3.0-or-later
"""The modules of one broker (RFC 5): loading, replacing and removing them."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rosin.broker import arguments
from rosin.broker.dependents import Dependents, EndedModule
from rosin.broker.loader import MODULES, find, written_for_flux
from rosin.broker.module import BrokerModule, NotNeeded
from rosin.broker.module_peer import ModulePeer
from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeVar

    from rosin.broker.switch import Switch

    M = TypeVar("M", bound=BrokerModule)


def _find(path: str, name: str | None, process: bool, loader: str | None) -> type[BrokerModule]:
    """The class of a module, or of one in a process of its own. Raises OSError."""
    if process or loader is not None or path.endswith(".so") or written_for_flux(path):
        from rosin.broker.modhost.hosted import hosted  # few brokers need it

        return hosted(path, loader, name)
    return find(path)


def _place(cls: type[BrokerModule], path: str) -> str | None:
    """Where it is from, if its class does not say so."""
    return path if cls.apart or path not in MODULES else None


class Modules(Mapping[str, BrokerModule]):
    """The modules by name, in the order in which they were loaded."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._dependents = Dependents()
        self.peers: dict[str, ModulePeer[Any]] = {}

    def __getitem__(self, name: str) -> BrokerModule:
        module: BrokerModule = self.peers[name].module
        return module

    def __iter__(self) -> Iterator[str]:
        return iter(self.peers)

    def __len__(self) -> int:
        return len(self.peers)

    async def load(
        self,
        path: str,
        args: list[str] | None = None,
        name: str | None = None,
        *,
        process: bool = False,
        loader: str | None = None,
    ) -> BrokerModule:
        """Load a module by name, Python file or ``package.module:Class`` and wait until it is RUNNING.

        *process*: in a process of its own, as also with a *loader*, the program that runs it. Raises OSError:
        ENOENT not found, EEXIST name taken, or what the module's start raised.
        """
        cls = _find(path, name, process, loader)
        return await self.load_class(cls, args, name, _place(cls, path))

    async def load_class(
        self, cls: type[M], args: list[str] | None = None, name: str | None = None, path: str | None = None
    ) -> M:
        """Load a module class; ``path`` is where it is from, if :func:`find` needs that to find it again."""
        name = name or cls.name
        if name in self.peers:
            raise OSError(errno.EEXIST, f"module {name} is already loaded")
        peer: ModulePeer[Any] = ModulePeer(
            self._switch, cls.at(self._switch.rank), name, args or [], path or cls.__module__
        )
        self._switch.router.add_service(name, peer)
        self._switch.add_peer(peer)
        self.peers[name] = peer
        try:
            for service in cls.services:
                self._switch.router.add_service(service, peer)
            await peer.start()
        except BaseException as exc:
            self._unload(name)
            await peer.retire()
            if not isinstance(exc, NotNeeded):
                raise
            self._switch.log(7, name, str(exc))
        self._dependents.forget(name)
        await self._bring_back()
        module: M = peer.module
        return module

    async def reload(
        self,
        path: str,
        args: list[str] | None = None,
        name: str | None = None,
        *,
        process: bool = False,
        loader: str | None = None,
        cancel: bool = False,
    ) -> BrokerModule:
        """Replace a module by a new one; the old one comes back, as it was loaded, if that does not start.

        One in a process of its own stays in one. *cancel*: the end of the old one is interrupted.
        Raises OSError: ENOENT not loaded, EINVAL the new one has failed; its text says why, and which runs.
        """
        cls = _find(path, name, process, loader)
        name = name or cls.name
        old = self.peers.get(name)
        if old is not None and old.module.apart and not cls.apart:
            cls = _find(path, name, True, old.module.process_loader)
        try:
            arguments.parse(name, cls.arguments or (), (args or []) if cls.arguments is not None else [])
        except OSError as exc:
            raise OSError(exc.errno, f"{exc.strerror}; {name} is left as it is") from None
        followed = tuple(user for user in cls.follows if user in self.peers)
        await self.remove(name, cancel=cancel)
        assert old is not None
        try:
            return await self.load_class(cls, args, name, _place(cls, path))
        except Exception as exc:
            reason = str(exc.strerror if isinstance(exc, OSError) else exc) or type(exc).__name__
            if not isinstance(exc, OSError | FormatError):
                self._log(f"reload {name}: " + "".join(traceback.format_exception(exc)))
        if missing := [user for user in followed if user not in self._running()]:
            self._dependents.wait(EndedModule(name, cls, args or [], _place(cls, path) or path, followed))
            text = f"{reason}; {name} comes back with {' and '.join(missing)}, which it follows"
            raise OSError(errno.EINVAL, text)
        try:
            await self.load_class(type(old.module), old.module.args, name, old.path)
        except Exception as exc:
            text = f"{reason}; {name} is not loaded now: the one before does not start again: {exc}"
        else:
            text = f"{reason}; {name} runs again as before"
        raise OSError(errno.EINVAL, text)

    async def remove(self, name: str, *, cancel: bool = False) -> None:
        """Stop and unload a module, after those that follow it.

        *cancel*: interrupt its end, also one that has begun before. Raises OSError: ENOENT not loaded,
        EINPROGRESS already stopping.
        """
        peer = self.peers.get(name)
        if peer is None or peer.module.builtin:
            raise OSError(errno.ENOENT, f"module {name} is not loaded")
        if not peer.module.stopping:
            self._dependents.forget(name)
            await self._remove(name, peer, cancel=cancel)
        elif cancel:
            peer.interrupt()
            await peer.over.wait()
        else:
            raise OSError(
                errno.EINPROGRESS, f"module {name} is already being removed; --cancel interrupts it"
            )

    async def _remove(
        self, name: str, peer: ModulePeer[Any], *, cancel: bool = False, user: EndedModule | None = None
    ) -> None:
        """Remove a module, also one that is only just coming; *user* waits to come back then."""
        peer.module.stopping = True
        try:
            await self._remove_dependents(name)
            if cancel:
                peer.interrupt()
            await peer.came.wait()
            if user is not None:
                self._dependents.wait(user)
            if self.peers.get(name) is peer:  # else whoever loads it has seen it fail
                await peer.stop()
        finally:
            if self.peers.get(name) is peer:
                self._unload(name)
            peer.over.set()

    def dependents(self, name: str) -> list[str]:
        """The modules that follow the module *name*, the newest first."""
        return [user for user, peer in self.peers.items() if name in peer.module.follows][::-1]

    async def _remove_dependents(self, name: str) -> None:
        """Remove the modules that follow *name*, and what follows them, until it is back."""
        while users := [user for user in self.dependents(name) if not self.peers[user].module.stopping]:
            peer = self.peers[users[0]]
            followed = tuple(followed for followed in peer.module.follows if followed in self.peers)
            self._switch.log(4, "broker", f"module {users[0]} ends with {name}, which it follows")
            user = EndedModule(users[0], type(peer.module), peer.module.args, peer.path, followed)
            await self._remove(user.name, peer, user=user)

    async def _bring_back(self) -> None:
        """Load those that waited for what has just been loaded; a failure is logged."""
        while (user := self._dependents.ready(self._running())) is not None:
            try:
                await self.load_class(user.cls, user.args, user.name, user.path)
            except Exception as exc:
                if user.name in self.peers or self._dependents.waits(user.name):
                    continue  # somebody else sees to it
                if self._running().issuperset(user.followed):
                    self._log(f"module {user.name} does not come back with what it follows: {exc}")
                else:
                    self._dependents.wait(user)  # which is not there any more

    def _running(self) -> set[str]:
        """The modules that can be followed."""
        return {name for name, peer in self.peers.items() if peer.came.is_set() and not peer.module.stopping}

    def _unload(self, name: str) -> None:
        peer = self.peers.pop(name, None)
        if peer is not None:
            self._switch.remove_peer(peer)

    def _log(self, text: str) -> None:
        self._switch.log(3, "broker", text)

    async def close(self) -> None:
        """Stop every module, the newest first."""
        for name in reversed(list(self.peers)):
            peer = self.peers.get(name)
            if peer is not None:
                if not peer.came.is_set():
                    peer.interrupt()
                    await peer.came.wait()
                if self.peers.get(name) is not peer:
                    continue  # it has not come up
                try:
                    await peer.stop()
                finally:
                    self._unload(name)
