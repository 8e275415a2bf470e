# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 44: the events of ``resource.eventlog`` and the responses of ``resource.journal``.

The entries are those of RFC 18. :mod:`~rosin.rfc.resource_events.replay` says what recorded drains lead to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.rfc import eventlog
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.payload import describe
from rosin.rfc.rset.format import MAX_RANKS
from rosin.rfc.states import check_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from rosin.rfc.states import ContextTable

    _T = TypeVar("_T")

#: Keys of the log and of the inventory in the KVS.
KEY, R_KEY = "resource.eventlog", "resource.R"

_str = (str,)
_nodes: dict[str, tuple[type, ...]] = {"idset": _str, "nodelist": _str}

#: Event name -> (required, optional) context keys with the JSON types of their values.
EVENTS: ContextTable = {
    "restart": ({"ranks": _str, "online": _str, "nodelist": _str}, {}),
    "resource-define": ({"method": _str}, {}),
    # The text says integer; flux-core writes a float.
    "resource-update": ({"expiration": (int, float)}, {}),
    "drain": ({**_nodes, "overwrite": (int,)}, {"reason": _str}),
    "undrain": (_nodes, {"reason": _str, "overwrite": (int,)}),
    "online": ({"idset": _str}, {}),
    "offline": ({"idset": _str}, {}),
    "torpid": ({"idset": _str}, {}),
    "lively": ({"idset": _str}, {}),
    "truncate": ({}, {}),
}

#: How the resources came to be known.
METHODS = ("configuration", "dynamic-discovery", "reload", "job-info", "kvs")

#: ``overwrite``: what a drain of drained nodes changes.
UPDATE_NOTHING, UPDATE_REASON, UPDATE_ALL = 0, 1, 2

_IDSETS = ("ranks", "online", "idset")


def validate(obj: Any) -> dict[str, Any]:
    """Check one event object, name, context and all, and return it. Raises FormatError that names the place.

    Events that the RFC does not have are accepted with any context, and so are more keys in a context.
    """
    event = eventlog.validate_entry(obj)
    name = event["name"]
    context = event.get("context")
    place = f"resource-events: {name}"
    if name not in EVENTS:
        return event
    if name == "truncate" and context is not None:
        raise FormatError(f"{place}: expected no context")
    try:
        check_context(name, context, EVENTS)
        if context is not None:
            _check_values(name, context)
    except FormatError as error:
        raise FormatError(f"{place}: {str(error).removeprefix(f'event {name}: ')}") from None
    return event


def _check_values(name: str, context: dict[str, Any]) -> None:
    for key in _IDSETS:
        if key in EVENTS[name][0]:
            _checked(key, _ranks, context[key])
    if "nodelist" in EVENTS[name][0]:
        hosts: Hostlist = _checked("nodelist", Hostlist, context["nodelist"])
        ranks = Idset(context["idset" if "idset" in context else "ranks"])
        if name == "restart" and len(hosts) != len(ranks):
            raise FormatError(f"nodelist: {len(hosts)} hosts for {len(ranks)} ranks")
    if name == "restart" and not Idset(context["online"]) <= Idset(context["ranks"]):
        raise FormatError("online: expected some of ranks")
    if name == "resource-define" and context["method"] not in METHODS:
        text = ", ".join(METHODS)
        raise FormatError(f"method: expected one of {text}, got {describe(context['method'])}")
    if context.get("overwrite", 0) not in (UPDATE_NOTHING, UPDATE_REASON, UPDATE_ALL):
        raise FormatError(f"overwrite: expected 0, 1 or 2, got {describe(context['overwrite'])}")


def _ranks(text: str) -> Idset:
    return Idset.decode(text, limit=MAX_RANKS)


def _checked(key: str, decode: Callable[[str], _T], text: str) -> _T:
    try:
        return decode(text)
    except FormatError as error:
        raise FormatError(f"{key}: {error}") from None


# -- making events ------------------------------------------------------------------------------------------


def restart(ranks: Idset, online: Idset, nodelist: Hostlist, timestamp: float) -> dict[str, Any]:
    """Make the entry of a (re)start; ``nodelist`` has a host for each rank."""
    context = {"ranks": ranks.encode(), "online": online.encode(), "nodelist": nodelist.encode()}
    return validate(eventlog.entry("restart", context, timestamp))


def define(method: str, timestamp: float) -> dict[str, Any]:
    """Make the entry that tells that ``resource.R`` is there; FormatError: no such method."""
    return validate(eventlog.entry("resource-define", {"method": method}, timestamp))


def update(expiration: float, timestamp: float) -> dict[str, Any]:
    """Make the entry that tells a new expiration, seconds since the epoch."""
    return validate(eventlog.entry("resource-update", {"expiration": expiration}, timestamp))


def drain(
    ranks: Idset,
    nodelist: Hostlist,
    overwrite: int,
    reason: str | None,
    timestamp: float,
    *,
    name: str = "drain",
) -> dict[str, Any]:
    """Make the entry that takes ranks out of use, or with ``name="undrain"`` puts them back."""
    context: dict[str, Any] = {"idset": ranks.encode(), "nodelist": nodelist.encode()}
    words = {} if reason is None else {"reason": reason}
    # The order is flux-core's, whose event log shows it.
    context |= {**words, "overwrite": overwrite} if name == "drain" else {"overwrite": overwrite, **words}
    return validate(eventlog.entry(name, context, timestamp))


def ranks_event(name: str, ranks: Idset, timestamp: float) -> dict[str, Any]:
    """Make an entry of ``online``, ``offline``, ``torpid`` or ``lively``."""
    return validate(eventlog.entry(name, {"idset": ranks.encode()}, timestamp))


# -- the journal --------------------------------------------------------------------------------------------


def journal_response(events: list[dict[str, Any]], R: dict[str, Any] | None = None) -> dict[str, Any]:
    """Make a response of ``resource.journal``; of no events, the sentinel between history and news.

    Raises FormatError when there is a ``resource-define`` and no ``R``. ``R`` is left out without one.
    """
    response: dict[str, Any] = {"events": events}
    if any(event["name"] == "resource-define" for event in events):
        if R is None:
            raise FormatError("resource.journal: R is missing: resource-define comes with it")
        response["R"] = R
    return response
