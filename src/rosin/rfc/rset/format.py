# SPDX-License-Identifier: LGPL-3.0-or-later
"""Reading the JSON of R, version 1 (RFC 20), with every check; :mod:`rosin.rfc.rset` holds the result.

:func:`parse` takes what flux-core takes; :func:`validate` also insists on what the RFC requires beyond it.
"""

from __future__ import annotations

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset, decode_ranges, mask_of, mask_of_ranges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Ranks of one set, and cores or GPUs of one rank; the bits that the masks of all cores and GPUs take.
MAX_RANKS = 1 << 20
MAX_CHILDREN = 1 << 15
MAX_CHILD_BITS = 1 << 28
#: Times must be below this, which is beyond all calendars and leaves room to add to them.
MAX_TIME = 1e300
#: Bits that the masks of all properties of a set take; 10^6 ranks may have a thousand properties.
MAX_PROPERTY_BITS = 1 << 30

#: Characters that a property name must not have.
ILLEGAL_IN_PROPERTY = "!&'\"^`|()"


class Fields:
    """What R holds: ``nodes`` is rank to (core mask, GPU mask), ``properties`` name to mask of ranks."""

    __slots__ = ("expiration", "hosts", "nodes", "nslots", "properties", "scheduling", "starttime")

    def __init__(self) -> None:
        self.nodes: dict[int, tuple[int, int]] = {}
        self.hosts: dict[int, str] = {}
        self.properties: dict[str, int] = {}
        self.starttime = 0.0
        self.expiration = 0.0
        self.nslots = 0
        self.scheduling: Any = None


def check_property(name: str) -> None:
    """Raise FormatError unless ``name`` may be a property; ``+`` and ``@`` have their place in RFC 20."""
    if not name:
        raise FormatError("property name is empty")
    for character in name:
        if character in ILLEGAL_IN_PROPERTY:
            raise FormatError(f"invalid character '{character}' in property \"{name}\"")


def is_time(value: Any) -> bool:
    """Whether R may hold a value as ``starttime`` or ``expiration``: what is stored must pass this."""
    return not isinstance(value, bool) and isinstance(value, (int, float)) and 0 <= value < MAX_TIME


def _get(parent: Any, place: str, key: str, kind: type[Any], default: Any = None) -> Any:
    value = parent.get(key, default)
    if value is default and default is not None:
        return value
    if not isinstance(value, kind):
        what = "an object" if kind is dict else "an array" if kind is list else "a string"
        state = "is missing" if key not in parent else f"is not {what}"
        raise FormatError(f"R: {place}{key} {state}")
    return value


def foreign_ranks(ranks: Idset) -> str:
    """Return the text of the error about ranks that a set does not have, in flux-core's words."""
    return f"rank{'s' if len(ranks) > 1 else ''} {ranks} not found in target resource list"


def parse(source: Any) -> Fields:
    """Read R from JSON text or its object; FormatError names the place."""
    if isinstance(source, (str, bytes)):
        try:
            source = _json.loads(source)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"R: not JSON: {error}") from None
    if not isinstance(source, dict):
        raise FormatError("R: not an object")
    new = Fields()
    version = source.get("version")
    if version != 1 or not isinstance(version, int) or isinstance(version, bool):
        raise FormatError("R: version is missing" if version is None else "R: version is not 1")
    execution = _get(source, "", "execution", dict)
    _decode_ranks(new, _get(execution, "execution.", "R_lite", list))
    if execution.get("nodelist") is not None:
        _decode_hosts(new, _get(execution, "execution.", "nodelist", list))
    _decode_times(new, execution)
    nslots = execution.get("nslots")
    if nslots is not None:
        if isinstance(nslots, bool) or not isinstance(nslots, int) or nslots < 1:
            raise FormatError("R: execution.nslots is not a positive integer")
        new.nslots = nslots
    _decode_properties(new, _get(execution, "execution.", "properties", dict, {}))
    new.scheduling = source.get("scheduling")
    return new


def validate(source: Any) -> None:
    """Check R by the letter of the RFC. Raises FormatError that names the place.

    Beyond what :func:`parse` checks: there is a host for each rank, each rank has a core, no set is empty,
    and ``scheduling`` is an object whose ``writer``, if any, is a URI or a scheme alone.
    """
    if isinstance(source, (str, bytes)):
        try:
            source = _json.loads(source)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"R: not JSON: {error}") from None
    parse(source)
    execution = source["execution"]
    _get(execution, "execution.", "nodelist", list)
    for at, entry in enumerate(execution["R_lite"]):
        place = f"execution.R_lite[{at}]."
        for parent, where, key in (
            (entry, place, "rank"),
            (entry["children"], f"{place}children.", "core"),
            (entry["children"], f"{place}children.", "gpu"),
        ):
            if (key != "gpu" or key in parent) and _get(parent, where, key, str) in ("", "[]"):
                raise FormatError(f"R: {where}{key} is empty")
    scheduling = source.get("scheduling", {})
    if not isinstance(scheduling, dict):
        raise FormatError("R: scheduling is not an object")
    writer = scheduling.get("writer", "fluxion")
    if not isinstance(writer, str) or not _has_scheme(writer):
        raise FormatError("R: scheduling.writer is not a URI")


def _has_scheme(text: str) -> bool:
    """Tell whether a text begins with a scheme (RFC 3986): ``sched://x``, or alone, as RFC 49's TreePool."""
    scheme = text.partition(":")[0]
    plain = scheme.replace("+", "").replace("-", "").replace(".", "")
    return scheme[:1].isalpha() and scheme.isascii() and plain.isalnum()


def _decode_properties(new: Fields, properties: dict[str, Any]) -> None:
    mine = mask_of(new.nodes.keys()) if properties else 0
    bits = 0
    for name, text in properties.items():
        if not isinstance(text, str):
            raise FormatError(f"R: execution.properties.{name} is not a string")
        try:
            check_property(name)
            pairs = decode_ranges(text)
        except FormatError as error:
            raise FormatError(f"R: execution.properties: {error}") from None
        if not pairs:
            continue
        mask = mask_of_ranges(pairs)
        if mask & ~mine:
            raise FormatError(f"R: execution.properties: {foreign_ranks(Idset.from_mask(mask & ~mine))}")
        bits += mask.bit_length()
        if bits > MAX_PROPERTY_BITS:
            raise FormatError(f"R: execution.properties.{name}: too many properties for ranks so high")
        new.properties[name] = mask


def _decode_ranks(new: Fields, entries: list[Any]) -> None:
    known: dict[str, int] = {"": 0}
    nodes: dict[int, tuple[int, int]] = {}
    seen = bits = 0  # ranks, as often as they come, and bits of different masks
    for at, entry in enumerate(entries):
        place = f"execution.R_lite[{at}]."
        if not isinstance(entry, dict):
            raise FormatError(f"R: {place[:-1]} is not an object")
        children = _get(entry, place, "children", dict)
        rank = _get(entry, place, "rank", str)
        masks = []
        for name in ("core", "gpu"):
            text = _get(children, f"{place}children.", name, str, "")
            if text not in known:
                known[text] = _mask(text, f"{place}children.{name}")
                bits += known[text].bit_length()
                if bits > MAX_CHILD_BITS:
                    raise FormatError(f"R: {place}children: too many different sets of large ids")
            masks.append(known[text])
        node = (masks[0], masks[1])
        try:
            ranges = decode_ranges(rank)
        except FormatError as error:
            raise FormatError(f"R: {place}rank: {error}") from None
        seen += sum(high - low + 1 for low, high in ranges)
        if seen > MAX_RANKS:
            raise FormatError(f"R: {place}rank: more than {MAX_RANKS} ranks")
        for low, high in ranges:
            numbers = range(low, high + 1)
            if nodes.keys().isdisjoint(numbers):
                nodes.update(dict.fromkeys(numbers, node))
            else:
                _merge(nodes, numbers, node, place)
    new.nodes = nodes


def _merge(nodes: dict[int, tuple[int, int]], ranks: range, node: tuple[int, int], place: str) -> None:
    """Add resources to ranks that other entries may have named too, with other resources."""
    for rank in ranks:
        have = nodes.get(rank, (0, 0))
        if have[0] & node[0] or have[1] & node[1]:
            raise FormatError(f"R: {place}rank: rank {rank} has a resource twice")
        nodes[rank] = (have[0] | node[0], have[1] | node[1])


def _mask(text: str, place: str) -> int:
    try:
        pairs = decode_ranges(text)
    except FormatError as error:
        raise FormatError(f"R: {place}: {error}") from None
    if pairs and pairs[-1][1] >= MAX_CHILDREN:
        raise FormatError(f"R: {place}: id above the limit of {MAX_CHILDREN - 1}")
    return mask_of_ranges(pairs)


def _decode_hosts(new: Fields, entries: list[Any]) -> None:
    hosts = Hostlist()
    for at, text in enumerate(entries):
        if not isinstance(text, str):
            raise FormatError(f"R: execution.nodelist[{at}] is not a string")
        try:
            if at:
                hosts.append(text)
            else:
                hosts = Hostlist(text)
        except FormatError as error:
            raise FormatError(f"R: execution.nodelist[{at}]: {error}") from None
    if len(hosts) != len(new.nodes):
        raise FormatError(f"R: execution.nodelist has {len(hosts)} hosts for {len(new.nodes)} ranks")
    new.hosts = dict(zip(sorted(new.nodes), hosts, strict=True))


def _decode_times(new: Fields, execution: dict[str, Any]) -> None:
    for key in ("starttime", "expiration"):
        value = execution.get(key, 0.0)
        if not is_time(value):
            raise FormatError(f"R: execution.{key} is not a time in seconds")
        setattr(new, key, float(value))
    if new.starttime and new.expiration and new.expiration <= new.starttime:
        raise FormatError("R: execution.expiration does not come after starttime")
