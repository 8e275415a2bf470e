# SPDX-License-Identifier: LGPL-3.0-or-later
"""The process of a broker module: ``python -m flux.core.module FILE``, which FLUX_MODULE_URI joins."""

from __future__ import annotations

import errno
import importlib.util
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from flux.brokermod import resolve_entry_point
from flux.core.handle import Flux
from rosin.constants import FLUX_RPC_NORESPONSE
from rosin.handle.uri import FD

if TYPE_CHECKING:
    from types import ModuleType

    from rosin.rfc.message import Message

_RUNNING, _FINALIZING, _EXITED = 1, 2, 3


class ModuleState:
    """What the broker knows of a module: its name, whether it runs, and its debug bits."""

    def __init__(self, h: Flux, name: str) -> None:
        self.name = name
        self._handle = h
        self._running = False
        self._bits = 0
        h.on_request(f"{name}.shutdown", lambda _msg: h.reactor_stop())
        h.on_request(f"{name}.debug", self._debug)
        h.on_request(f"{name}.ping", self._ping, allow_guest=True)

    def tell(self, status: int, **more: Any) -> None:
        """Tell the broker of a change."""
        self._handle.rpc("module.status", {"status": status, **more}, flags=FLUX_RPC_NORESPONSE)

    def set_running(self) -> None:
        """Tell that the module runs, once."""
        if not self._running:
            self._running = True
            self.tell(_RUNNING)

    def debug_test(self, flag: int, clear: bool) -> bool:
        """Whether a bit is set; with *clear* it is not any more."""
        found = bool(self._bits & flag)
        if clear:
            self._bits &= ~flag
        return found

    def _respond(self, msg: Message, payload: dict[str, Any]) -> None:
        self._handle.respond(self._handle.shown(msg), payload)

    def _debug(self, msg: Message) -> None:
        flags, op = msg.args.get("flags", 0), msg.args.get("op", "")
        if op == "setbit":
            self._bits |= flags
        elif op == "clrbit":
            self._bits &= ~flags
        elif op in ("set", "clr"):
            self._bits = flags if op == "set" else 0
        self._respond(msg, {"flags": self._bits})

    def _ping(self, msg: Message) -> None:
        self._respond(msg, dict(msg.args))


def _load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("flux_module", path)
    if spec is None or spec.loader is None:
        raise OSError(errno.EINVAL, f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def main(argv: list[str]) -> int:
    """Run the module of a file; its exit code."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m flux.core.module FILE\n")
        return 2
    try:
        h = Flux(os.environ.pop("FLUX_MODULE_URI", None) or FD)
    except OSError as exc:
        sys.stderr.write(f"{argv[0]}: {exc.strerror}\n")
        return 1
    with h:
        welcome = h.recv(topic_glob="welcome").payload
        state = h.module = ModuleState(h, welcome["name"])
        try:
            resolve_entry_point(_load(argv[0]))(h, *welcome.get("args", ()))
        except Exception as exc:
            h.log(3, traceback.format_exc(), welcome["name"])
            text = " ".join(str(exc).split())
            state.tell(_EXITED, errnum=getattr(exc, "errno", None) or errno.EINVAL, errstr=text)
            return 1
        state.tell(_FINALIZING)
        state.tell(_EXITED, errnum=0)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
