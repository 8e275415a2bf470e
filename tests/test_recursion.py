# SPDX-License-Identifier: LGPL-3.0-or-later
"""A function that calls itself needs a bound on its depth: each one in the source is listed with its bound.

What a client, a file or a job decides is walked with a loop. Found are functions that call themselves by name
and methods that call each other on ``self``, through any number of others of the same module.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "rosin"

#: What bounds the depth: functions.
BOUNDS: dict[str, list[str]] = {
    "the configuration: tomllib and requests bound how it nests": [
        "broker.configcheck._check_node",
        "broker.configcheck._check_table",
        "configfile._plain",
        "configfile.merge",
    ],
    "the modules of a broker: each ends, and comes back, once": [
        "broker.modules.Modules._bring_back",
        "broker.modules.Modules._remove",
        "broker.modules.Modules._remove_dependents",
        "broker.modules.Modules.load_class",
    ],
    "a directory holds files: two levels": [
        "configfile.load",
    ],
    "files of rules that name each other; the command tells a RecursionError": [
        "cli.environment.Environment.apply",
    ],
    "a source that stands for another: two levels": [
        "cli.hostlist.Sources.get",
    ],
    "events that were kept back are printed once: two levels": [
        "cli.job.output.OutputWriter.output_event",
    ],
    "option --level": [
        "cli.jobs.Listing.objects",
        "cli.jobs.Listing.text",
    ],
    "a jobspec: requests bound how it nests": [
        "rest.own.again._overlay",
        "rest.own.requested._leaves",
    ],
    "the query was parsed with MAX_DEPTH": [
        "rest.own.where._compile",
    ],
    "the shape was decoded with MAX_DEPTH": [
        "cli.jobspec._shapely",
    ],
    "parts of a path that the user gives; the command tells a RecursionError": [
        "cli.module.find_member",
    ],
    "words before a command that the user gives: each call takes some; a RecursionError is told": [
        "cli.main._dispatch",
    ],
    "a zygote is replaced a few times at most": [
        "process.zygote.Zygote._lost",
        "process.zygote.Zygote._replace",
        "process.zygote.Zygote._send",
        "process.zygote.Zygote._take_over",
        "process.zygote.Zygote._tell_keep",
    ],
    "our own sources, and values that the fuzzer makes itself": [
        "testing.fuzz.Fuzzer._value",
        "testing.fuzz._names",
        "testing.fuzz.fields_of",
    ],
    "the brokers of an instance: the height of their tree": [
        "cli.overlay.HealthTree._child",
        "cli.overlay.HealthTree._children",
    ],
    "subcommands of our own parsers": [
        "cli.parsers._from_parser",
    ],
    "JSON of a request nests at most 128 levels (rosin._json.MAX_DEPTH)": [
        "job.info._copied",
        "job.table.demand._Counts._walk",
        "rfc.treedict.merge",
    ],
    "what a site's files require, one of the other; the command tells a RecursionError": [
        "broker.rcplan.table.TaskTable._has_needs",
        "broker.rcplan.table.TaskTable._resolve",
        "modprobe.dependencies._below",
    ],
    "the caller's own object, which json has to encode": [
        "job.spec_v1.validate_counts",
    ],
    "a constraint that was compiled with MAX_DEPTH": [
        "modules.job_ingest.validator._hosts",
        "rfc.constraint.query._grouped",
        "rfc.constraint.query.render",
    ],
    "starts a task: it does not wait for itself": [
        "modules.kvs.commits.Commits.advance",
    ],
    "a task: advance() returns when it has to load": [
        "modules.kvs.commits.Commits._load_for",
    ],
    "the hardware's topology, from hwloc": [
        "resource.hwloc._gpus",
    ],
    "sockets, and NUMA domains in them": [
        "resource.hwloc_tree.HwlocTree._domain",
    ],
    "MAX_DEPTH, checked on the way down": [
        "modules.job_ingest.version2._walk",
        "resource.allocator.request._Walk.visit",
        "rfc.constraint.constraint._compile",
        "rfc.constraint.query._Parser.all_of",
        "rfc.constraint.query._Parser.any_of",
        "rfc.constraint.query._Parser.one",
        "rfc.jobspec.totals.Totals._count",
        "rfc.shape._Parser.array",
        "rfc.shape._Parser.items",
        "rfc.shape._Parser.value",
        "rfc.shape._Parser.vertex",
        "rfc.shape._Parser.vertices",
        "rfc.shape._item",
        "rfc.shape._list",
        "rfc.shape._value",
        "rfc.shape._vertex",
        "rfc.treepool.topology._Reader.domain",
        "rfc.treepool.place._add_levels",
    ],
    "one part of a larger piece: two levels": [
        "rfc.hostlist.hostlist._names",
        "rfc.idset.bits.mask_of_ends",
        "rfc.idset.bits.mask_of_ranges",
    ],
}


def functions(tree: ast.Module) -> Iterator[tuple[str, str, ast.AST]]:
    """Class ("" for none), name and node of each function of a module."""
    todo: list[tuple[ast.AST, str]] = [(tree, "")]
    while todo:
        node, cls = todo.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                yield cls, child.name, child
            todo.append((child, child.name if isinstance(child, ast.ClassDef) else cls))


def parts(node: ast.AST) -> Iterator[ast.AST]:
    """What a function does itself, without what it leaves to functions that are called later."""
    todo = list(ast.iter_child_nodes(node))
    while todo:
        part = todo.pop()
        yield part
        if not isinstance(part, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef):
            todo += ast.iter_child_nodes(part)


def calls(cls: str, node: ast.AST) -> Iterator[tuple[str, str]]:
    """What a function calls by a plain name, or on self or cls."""
    own = list(parts(node))
    local = {
        alias.asname or alias.name for part in own if isinstance(part, ast.ImportFrom) for alias in part.names
    }
    local |= {part.id for part in own if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    local |= {part.arg for part in own if isinstance(part, ast.arg)}
    for call in own:
        if isinstance(call, ast.Call):
            func = call.func
            if isinstance(func, ast.Name):
                if func.id not in local:
                    yield "", func.id
            elif isinstance(func, ast.Attribute) and ast.unparse(func.value) in ("self", "cls"):
                yield cls, func.attr


def recursive(path: Path) -> Iterator[str]:
    edges: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for cls, name, node in functions(ast.parse(path.read_text())):
        edges.setdefault((cls, name), set()).update(calls(cls, node))
    for start in edges:
        seen: set[tuple[str, str]] = set()
        todo = [start]
        while todo:
            for target in edges.get(todo.pop(), ()):
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        if start in seen:
            module = path.relative_to(SOURCE).with_suffix("").as_posix().replace("/", ".")
            yield ".".join(filter(None, (module, *start)))


def test_each_function_that_calls_itself_is_bounded() -> None:
    found = sorted({name for path in SOURCE.rglob("*.py") for name in recursive(path)})
    assert found == sorted(name for names in BOUNDS.values() for name in names)
