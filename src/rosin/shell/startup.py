# SPDX-License-Identifier: LGPL-3.0-or-later
"""Fetching what a shell needs to know, in one volley of requests.

The execution system may hand over, as ``--init JSON``, what it has anyway: ``jobspec`` (without the
environment), ``R``, ``rank``, ``attrs`` (broker attributes by name; ``ask`` names those that a broker must be
asked for all the same), ``source``, the rank to ask for what the KVS has of the job, and ``keep``, for how
many seconds the shell is to look for another broker when its own is gone. Whatever is missing
is asked for, so a shell that gets only a job id works on any broker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin import _json
from rosin.constants import FLUX_NODEID_ANY, FLUX_RPC_STREAMING
from rosin.errors import FormatError
from rosin.job.lookup import job_info_lookup
from rosin.rfc import sign
from rosin.rfc.payload import field
from rosin.shell.errors import ShellError

if TYPE_CHECKING:
    from rosin.handle.rpc import RPC
    from rosin.shell.connection import ShellHandle

#: The one that names plugins for all jobs.
SITE = "conf.shell_initrc"
#: Broker attributes that the shell uses; only the first must exist.
ATTRIBUTES = ("rank", "security.owner", "jobid-path", "rundir", "instance-level", "tbon.interface-hint", SITE)


class Startup:
    """The requests under way. :meth:`send` first, then the getters, which wait."""

    def __init__(self, handle: ShellHandle, jobid: int, init: dict[str, Any]) -> None:
        """``init`` is the decoded hand-over, empty if there is none."""
        self._h = handle
        self._jobid = jobid
        self._init = init
        self._known: dict[str, str] = {
            str(name): str(value) for name, value in field(init, "attrs", dict, {}).items()
        }
        if "rank" in init:
            self._known["rank"] = str(init["rank"])
        self._attrs: dict[str, RPC] = {}
        #: Whom to ask what the KVS has of the job.
        self.source: int = field(init, "source", int, FLUX_NODEID_ANY)
        #: Seconds for which the shell outlives its broker.
        self.keep: float = field(init, "keep", (int, float), 0.0)
        self._lookup: RPC | None = None
        self.watch: RPC | None = None

    def send(self) -> None:
        """Ask for everything that is not known."""
        unknown = field(self._init, "ask", list, []) if "attrs" in self._init else ATTRIBUTES
        for name in unknown:
            if name not in self._known:
                self._attrs[name] = self._h.rpc("attr.get", {"name": name})
        if "R" not in self._init:
            self.watch_R()
        self._lookup = job_info_lookup(self._h, self._jobid, ["J"], nodeid=self.source)

    def watch_R(self) -> RPC:
        """Start to follow R: responses come now and after each update."""
        if self.watch is None:
            request = {"id": self._jobid, "key": "R", "flags": 0}
            self.watch = self._h.rpc("job-info.update-watch", request, flags=FLUX_RPC_STREAMING)
        return self.watch

    def attr(self, name: str, default: str | None = None) -> str | None:
        """A broker attribute."""
        if name in self._attrs:
            try:
                self._known[name] = str(self._attrs.pop(name).get()["value"])
            except ConnectionError:
                raise
            except OSError:
                pass  # a broker need not have it: the caller has a default
        return self._known.get(name, default)

    def rank(self) -> int:
        """Rank of this shell's broker. Raises ShellError."""
        text = self.attr("rank")
        if text is None or not text.isdigit():
            raise ShellError("error fetching broker rank")
        return int(text)

    def early_jobspec(self) -> dict[str, Any] | None:
        """The jobspec that was handed over, which lacks the environment.

        None if there was none, or if something else is missing that is needed to make use of it at once."""
        if "R" not in self._init or "attrs" not in self._init or "rank" not in self._known:
            return None
        spec: dict[str, Any] | None = field(self._init, "jobspec", dict, None)
        return spec

    def R(self) -> dict[str, Any]:
        """The first R. Raises ShellError."""
        if "R" in self._init:
            return field(self._init, "R", dict)
        rpc = self.watch_R()
        try:
            R: dict[str, Any] = field(rpc.get(), "R", dict)
        except (OSError, FormatError) as error:
            raise ShellError(f"error fetching R: {_reason(error)}") from None
        rpc.reset()
        return R

    def jobspec(self) -> dict[str, Any]:
        """The complete jobspec, out of the signed request J. Raises ShellError."""
        assert self._lookup is not None
        try:
            payload, _, _ = sign.unwrap(field(self._lookup.get(), "J", str))
            spec = _json.loads(payload)
        except OSError as error:
            raise ShellError(f"job-info: {_reason(error)}") from None
        except (FormatError, _json.JSONDecodeError) as error:
            raise ShellError(f"failed to unwrap J: {error}") from None
        if not isinstance(spec, dict):
            raise ShellError("failed to unwrap J: jobspec is not an object")
        return spec


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
