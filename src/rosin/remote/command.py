# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 42: the command object of an exec request, decoded and checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from rosin import _size
from rosin.errors import FormatError
from rosin.remote.protocol import CHUNKS_OPTION
from rosin.rfc.payload import field

#: Bytes of input that a process may have waiting before its client runs out of credit.
DEFAULT_BUFSIZE = 4 << 20
MIN_BUFSIZE = 4096
#: Never handed down to a process: they describe the broker's own surroundings.
PRIVATE_ENVIRONMENT = ("FLUX_PROXY_REMOTE", "NOTIFY_SOCKET", "INVOCATION_ID")
#: URI schemes that a child can open by itself, so that no relay is needed for a message channel.
_DIRECT_SCHEMES = ("local://", "ssh://", "fd://")


class Command:
    """What to run. ``env`` empty means the server's environment; ``cwd`` None the server's directory."""

    __slots__ = ("channels", "cmdline", "cwd", "env", "label", "msgchans", "opts")

    def __init__(
        self,
        cmdline: list[str],
        env: dict[str, str],
        cwd: str | None,
        opts: dict[str, str],
        channels: list[str],
        msgchans: list[tuple[str, str]],
        label: str | None,
    ) -> None:
        self.cmdline = cmdline
        self.env = env
        self.cwd = cwd
        self.opts = opts
        self.channels = channels
        self.msgchans = msgchans
        self.label = label

    @classmethod
    def decode(cls, obj: Any) -> Command:
        """Read a command object. Raises FormatError naming the key at fault."""
        cmdline = field(obj, "cmdline", list)
        if not cmdline:
            raise FormatError("command string is empty")
        _strings("cmdline", cmdline)
        env = field(obj, "env", dict)
        _strings("env", env.values())
        opts = field(obj, "opts", dict)
        _strings("opts", opts.values())
        channels = field(obj, "channels", list)
        _strings("channels", channels)
        if len({"stdin", "stdout", "stderr", *channels}) != 3 + len(channels):
            raise FormatError("cmd.channels: names must be unique and not stdin, stdout or stderr")
        label = field(obj, "label", (str, type(None)), None)
        if label == "":
            raise FormatError("cmd.label must not be empty")
        cwd = field(obj, "cwd", (str, type(None)), None)
        _strings("cwd", [cwd or ""])
        return cls(cmdline, env, cwd, opts, channels, _msgchans(obj), label)

    def encode(self) -> dict[str, Any]:
        """The command object again (for the answer to attach)."""
        obj: dict[str, Any] = {
            "cmdline": self.cmdline,
            "env": self.env,
            "opts": self.opts,
            "channels": self.channels,
            "msgchan": [{"name": name, "uri": uri} for name, uri in self.msgchans],
        }
        if self.cwd is not None:
            obj["cwd"] = self.cwd
        if self.label is not None:
            obj["label"] = self.label
        return obj

    def summary(self) -> dict[str, Any]:
        """What tells it from others: no environment, and not what its job is handed over."""
        shown = [word for word in self.cmdline if not word.startswith("--init=")]
        return {"cmdline": shown, "label": self.label}

    def bufsize(self, stream: str) -> int:
        """Size in bytes of an input stream's buffer: the ``STREAM_BUFSIZE`` option. Raises FormatError."""
        text = self.opts.get(f"{stream}_BUFSIZE")
        if text is None:
            return DEFAULT_BUFSIZE
        try:
            return max(MIN_BUFSIZE, _size.parse(text))
        except ValueError:
            raise FormatError(
                f"{stream}_BUFSIZE: not a size: {text!r} (expected such as 64k or 4M)"
            ) from None

    def line_buffered(self, stream: str) -> bool:
        """Whether an output is sent in whole lines: the ``STREAM_LINE_BUFFER`` option (default yes)."""
        return self.opts.get(f"{stream}_LINE_BUFFER", "true") != "false"

    def line_by_line(self, stream: str) -> bool:
        """Whether each line of an output stream is a response of its own.

        That is what flux-core's client relies on for its labels, so it is the default.
        """
        return self.line_buffered(stream) and not self.opts.get(CHUNKS_OPTION)

    def environment(self, server: Mapping[str, str], local_uri: str) -> dict[str, str]:
        """The environment of the process: FLUX_URI always leads to this server's broker."""
        env = {**(self.env or server), "FLUX_URI": local_uri}
        for name in PRIVATE_ENVIRONMENT:
            env.pop(name, None)
        env.update(self.msgchans)
        return env

    def runs(self, env: Mapping[str, str]) -> bool:
        """Whether nothing is wrong with it that a fork of the zygote could not tell of."""
        name, place = self.cmdline[0], self.cwd or "."
        directories = [""] if "/" in name else env.get("PATH", os.defpath).split(":")
        paths = [os.path.join(place, directory, name) for directory in directories]
        return os.path.isdir(place) and any(
            os.path.isfile(path) and os.access(path, os.X_OK) for path in paths
        )

    @property
    def title(self) -> str:
        """What ``list`` shows: the program, and the subcommand of a multi-command front end."""
        return title(self.cmdline)


def title(cmdline: list[str]) -> str:
    """What a process is called by what it was started as."""
    if os.path.basename(cmdline[0]) in ("flux", "rosin") and len(cmdline) > 1:
        return f"{cmdline[0]} {cmdline[1]}"[:63]
    return cmdline[0]


def _strings(key: str, values: Any) -> None:
    for value in values:
        if not isinstance(value, str):
            raise FormatError(f"cmd.{key}: {value!r} is not a string")
        if "\0" in value:
            raise FormatError(f"cmd.{key}: a string holds a NUL byte")


def _msgchans(obj: Any) -> list[tuple[str, str]]:
    """RFC 42 calls the key ``msgchans``; flux-core reads ``msgchan`` and sends either."""
    entries = field(obj, "msgchan", list, None) or field(obj, "msgchans", list, [])
    channels = [(field(entry, "name", str), field(entry, "uri", str)) for entry in entries]
    for name, uri in channels:
        if not uri.startswith(_DIRECT_SCHEMES):
            raise FormatError(f"cmd.msgchan {name}: no way to reach {uri!r} from a child process")
    return channels


def is_job_shell(command: Command) -> bool:
    """Whether it is one by its label or its environment, of whatever program: flux-core's, perhaps."""
    label, namespace = command.label or "", command.env.get("FLUX_KVS_NAMESPACE", "")
    return label.startswith(("shell-", "imp-shell-")) or namespace.startswith("job-")
