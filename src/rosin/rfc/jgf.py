# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 40: a resource graph in JSON Graph Format, ``{"graph": {"nodes": [...], "edges": [...]}}``.

Two flavours are written and both are read:

- ``rfc``: as the RFC says, every key of a pool and of an edge.
- ``fluxion``: as Fluxion writes it today, without what its reader takes for granted: basename (the type),
  name (basename and id), id (the digits at the end of a node's name, else the vertex), size 1, no unit,
  subsystem ``containment``, relationship ``contains``; but with ``paths``, which that reader asks for.

An id of -1 is none. Of an edge also the older form ``{"name": {"containment": "contains"}}`` is read. What
the RFC leaves to others (``rank``, ``exclusive``, ``paths``, ...) is kept in :attr:`Pool.data`.
"""

from __future__ import annotations

from rosin import _json
from rosin.errors import FormatError
from rosin.rfc.graph import CONTAINMENT, CONTAINS, Graph
from rosin.rfc.payload import describe, json_type
from rosin.rfc.pool import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What the RFC asks of each vertex.
REQUIRED = ("type", "uuid", "basename", "name", "id", "properties", "size", "unit")

_MAX_INT = (1 << 63) - 1
# The types of keys that are no part of RFC 4 but that Fluxion reads.
_KNOWN_DATA: dict[str, type] = {
    "uniq_id": int,
    "rank": int,
    "status": int,
    "exclusive": bool,
    "paths": dict,
    "ephemeral": dict,
    "agfilter": dict,
}
_TYPES: dict[str, type] = {
    **dict.fromkeys(("type", "basename", "name", "unit", "uuid", "state"), str),
    **dict.fromkeys(("id", "size"), int),
    "tags": dict,
    **_KNOWN_DATA,
}
_NULLABLE = frozenset(("basename", "name", "unit", "uuid", "state", "id", "tags"))


def decode(source: str | bytes | dict[str, Any], *, strict: bool = False) -> Graph:
    """Read a graph from JSON text or its object. Raises FormatError that names the place.

    ``strict`` asks for every key of the RFC, in vertices and in edges; otherwise Fluxion's defaults stand in.
    A ``containment`` that is not a composite (two parents, or inside of itself) is refused.
    """
    if isinstance(source, (str, bytes)):
        try:
            source = _json.loads(source)
        except (ValueError, RecursionError) as error:
            raise FormatError(f"jgf: not JSON: {error}") from None
    body = _get(source, "", "graph", dict)
    graph = Graph()
    for at, node in enumerate(_get(body, "graph.", "nodes", list)):
        _add_node(graph, node, at, strict)
    for at, edge in enumerate(_get(body, "graph.", "edges", list)):
        _add_edge(graph, edge, at, strict)
    try:
        graph.check_composite()
    except FormatError as error:
        raise FormatError(f"jgf: {str(error).removeprefix('graph: ')}") from None
    return graph


_WANTED = {str: "a string", int: "an integer", bool: "true or false", dict: "an object", list: "an array"}
_MISSING: Any = object()


def _get(obj: Any, place: str, key: str, kind: type, default: Any = _MISSING) -> Any:
    if type(obj) is not dict:
        raise FormatError(f"jgf: {place.rstrip('.') or 'the text'}: expected an object, got {describe(obj)}")
    value = obj.get(key, default)
    if type(value) is kind or (value is default and default is not _MISSING):
        return value
    if value is _MISSING:
        raise FormatError(f"jgf: {place}{key} is missing")
    raise FormatError(f"jgf: {place}{key}: expected {_WANTED[kind]}, got {describe(value)}")


def _add_node(graph: Graph, node: Any, at: int, strict: bool) -> None:
    if type(node) is not dict:
        raise FormatError(f"jgf: graph.nodes[{at}]: expected an object, got {describe(node)}")
    try:
        vertex = _get(node, "", "id", str)
        metadata = _get(node, "", "metadata", dict)
        if strict:
            for key in REQUIRED:
                if key not in metadata:
                    raise FormatError(f"jgf: metadata.{key} is missing")
        graph.add(_pool(metadata, vertex), vertex)
    except FormatError as error:
        scope, _, text = str(error).partition(": ")
        raise FormatError(f"jgf: graph.nodes[{at}]{'.' if scope == 'jgf' else ': '}{text}") from None


def _pool(metadata: dict[str, Any], vertex: str) -> Pool:
    got: dict[str, Any] = {}
    data: dict[str, Any] = {}
    for key, value in metadata.items():
        kind = _TYPES.get(key)
        if kind is None:
            if key != "properties":
                data[key] = value
        elif type(value) is kind:
            (data if key in _KNOWN_DATA else got)[key] = value
        elif value is not None or key not in _NULLABLE:
            raise FormatError(f"jgf: metadata.{key}: expected {_WANTED[kind]}, got {describe(value)}")
    if "type" not in got:
        raise FormatError("jgf: metadata.type is missing")
    if not 1 <= got.get("size", 1) <= _MAX_INT:
        raise FormatError(f"jgf: metadata.size: expected an integer from 1 up, got {describe(got['size'])}")
    if "paths" in data:
        _strings(data["paths"], "metadata.paths")
    properties = metadata.get("properties")
    return Pool(
        got["type"],
        _id(metadata, got, data, vertex),
        basename=got.get("basename"),
        name=got.get("name"),
        size=got.get("size", 1),
        unit=got.get("unit", ""),
        uuid=got.get("uuid", ""),
        properties=_properties(properties, "metadata.properties") if properties is not None else (),
        state=got.get("state"),
        tags=_strings(got["tags"], "metadata.tags", or_null=True) if "tags" in got else None,
        data=data,
    )


def _id(metadata: dict[str, Any], got: dict[str, Any], data: dict[str, Any], vertex: str) -> int | None:
    """The number of a resource: the given one, or what Fluxion's reader concludes."""
    if "id" in metadata:
        number: int = got.get("id", -1)
        if not -1 <= number <= _MAX_INT:
            raise FormatError(f"jgf: metadata.id: expected an integer from -1 up, got {describe(number)}")
        return None if number < 0 else number
    if got["type"] == "node" and "name" in got:
        digits = got["name"][len(got["name"].rstrip("0123456789")) :]
        if digits and len(digits) < 19:
            return int(digits)
    if "uniq_id" in data:
        return int(data["uniq_id"])
    return int(vertex) if vertex.isascii() and vertex.isdigit() and len(vertex) < 19 else None


def _properties(value: Any, place: str) -> dict[str, str]:
    """Names with values; an array of names, or null for none, will do."""
    if value is None:
        return {}
    if type(value) is list:
        for at, name in enumerate(value):
            if type(name) is not str:
                raise FormatError(f"jgf: {place}[{at}]: expected a string, got {describe(name)}")
        return dict.fromkeys(value, "")
    return _strings(value, place)


def _strings(value: Any, place: str, or_null: bool = False) -> dict[str, Any]:
    if type(value) is not dict:
        raise FormatError(f"jgf: {place}: expected an object, got {json_type(value)}")
    for key, item in value.items():
        if type(item) is not str and not (or_null and item is None):
            raise FormatError(f"jgf: {place}.{key}: expected a string, got {describe(item)}")
    return value


def _add_edge(graph: Graph, edge: Any, at: int, strict: bool) -> None:
    if type(edge) is dict and len(edge) == 2 and not strict:  # all that Fluxion writes of containment
        source, target = edge.get("source"), edge.get("target")
        if type(source) is str and type(target) is str and source in graph and target in graph:
            graph.connect(source, target)
            return
    place = f"graph.edges[{at}]"
    source = _get(edge, f"{place}.", "source", str)
    target = _get(edge, f"{place}.", "target", str)
    both = _get(edge, f"{place}.", "directed", bool, True) is False
    metadata = _get(edge, f"{place}.", "metadata", dict, _MISSING if strict else {})
    inside = f"{place}.metadata."
    if strict:
        for key in ("subsystem", "relationship"):
            _get(metadata, inside, key, str)
    kinds: list[tuple[str, str]] = []
    if "subsystem" not in metadata and "name" in metadata:
        kinds.extend(_strings(metadata["name"], f"{inside}name").items())
    else:
        subsystem = _get(metadata, inside, "subsystem", str, CONTAINMENT)
        relation = _get(edge, f"{place}.", "relation", str, CONTAINS)
        kinds.append((subsystem, _get(metadata, inside, "relationship", str, relation)))
    for subsystem, relationship in kinds:
        try:
            graph.connect(source, target, subsystem, relationship, both=both)
        except FormatError as error:
            raise FormatError(f"jgf: {place}: {str(error).removeprefix('graph: ')}") from None


def encode(graph: Graph, flavour: str = "rfc") -> dict[str, Any]:
    """Return ``{"graph": {"nodes", "edges"}}`` in the flavour ``rfc`` or ``fluxion``.

    Raises FormatError when a path cannot be told (fluxion), or a name (a pattern that leads nowhere).
    """
    if flavour not in ("rfc", "fluxion"):
        raise ValueError(f"jgf: flavour {flavour!r} is not rfc or fluxion")
    short = flavour == "fluxion"
    node = _fluxion_node if short else _node
    nodes = [{"id": vertex, "metadata": node(graph, vertex, pool)} for vertex, pool in graph.items()]
    edges: list[dict[str, Any]] = []
    for edge in graph.edges():
        item: dict[str, Any] = {"source": edge.source, "target": edge.target}
        if edge.both:
            item["directed"] = False
        metadata = {"subsystem": edge.subsystem, "relationship": edge.relationship}
        if short and edge.relationship == CONTAINS:
            del metadata["relationship"]
            if edge.subsystem == CONTAINMENT:
                metadata = {}
        if metadata:
            item["metadata"] = metadata
        edges.append(item)
    return {"graph": {"nodes": nodes, "edges": edges}}


def _node(graph: Graph, vertex: str, pool: Pool) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "type": pool.type,
        "uuid": pool.uuid,
        "basename": pool.basename,
        "name": pool.name,
        "id": -1 if pool.id is None else pool.id,
        "properties": dict(pool.properties),
        "size": pool.size,
        "unit": pool.unit,
    }
    return _extended(metadata, pool)


def _fluxion_node(graph: Graph, vertex: str, pool: Pool) -> dict[str, Any]:
    metadata: dict[str, Any] = {"type": pool.type, "id": -1 if pool.id is None else pool.id}
    name = pool.name
    if pool.basename != pool.type:
        metadata["basename"] = pool.basename
    if name != f"{pool.basename}{metadata['id']}":
        metadata["name"] = name
    if pool.size != 1:
        metadata["size"] = pool.size
    optional = {"unit": pool.unit, "uuid": pool.uuid, "properties": dict(pool.properties)}
    metadata.update((key, value) for key, value in optional.items() if value)
    if "paths" not in pool.data:
        metadata["paths"] = {CONTAINMENT: graph.path(vertex)}
    return _extended(metadata, pool)


def _extended(metadata: dict[str, Any], pool: Pool) -> dict[str, Any]:
    if pool.state is not None:
        metadata["state"] = pool.state
    if pool.tags:
        metadata["tags"] = dict(pool.tags)
    metadata.update((key, value) for key, value in pool.data.items() if key not in metadata)
    return metadata
