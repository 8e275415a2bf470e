# SPDX-License-Identifier: LGPL-3.0-or-later
"""One rule, one place: what ``rosin.rfc`` has is what the program does, or is named here as a library's."""

import textwrap
from pathlib import Path

import pytest
from tests import reach

ROOT = Path(__file__).parents[1]
PACKAGE = "rosin.rfc"

#: Names, or modules with all that they have, that nothing in ``src`` and ``dropin`` calls, and why they stay.
LIBRARY = {
    "rosin.rfc.Former": "what Python's import system calls",
    "rosin.rfc._moved": "what Python's import system calls",
    "rosin.rfc.archive.archive.decode_text": "for programs that read archives",
    "rosin.rfc.archive.archive.encode_dict": "for programs that write what rosin.archive makes",
    "rosin.rfc.archive.archive.json_file": "for programs that make archives of objects",
    "rosin.rfc.exec_eventlog": "for readers of whole logs; the tests of job-exec hold what it writes to it",
    "rosin.rfc.fluxion": "resource graphs: for schedulers that place by them",
    "rosin.rfc.graph": "resource graphs: for schedulers that place by them",
    "rosin.rfc.idset.idset.Idset": "a set's methods are whole, whichever the program needs",
    "rosin.rfc.idset.mutable.IDset": "flux.idset's own names",
    "rosin.rfc.idset.wide.WideIdset": "a set's methods are whole, whichever the program needs",
    "rosin.rfc.jgf": "resource graphs: for schedulers that place by them",
    "rosin.rfc.jobspec.jobspec.Jobspec": "what a jobspec comes to, for programs without an instance",
    "rosin.rfc.munge.encode_reply": "munged's side, which the tests play",
    "rosin.rfc.munge.parse_request": "munged's side, which the tests play",
    "rosin.rfc.pmi.client": "the process's side of PMI; a broker asks for a part of it",
    "rosin.rfc.pmi.wire": "the process's side of PMI",
    "rosin.rfc.pool": "resource graphs: for schedulers that place by them",
    "rosin.rfc.queues.is_started": "for readers of status objects; commands show its two parts",
    "rosin.rfc.rset.rset.ResourceSet": "the algebra of R is whole, whichever part the program needs",
    "rosin.rfc.rset.format.validate": "R by the letter; services read what flux-core writes, too",
    "rosin.rfc.scheduling.of_allocation": "for schedulers that write `scheduling`; those here do not",
    "rosin.rfc.states.replay": "for readers of whole logs",
    "rosin.rfc.treepool.place": "for schedulers that place by what is near what",
}


def sources() -> tuple[dict[str, reach.Source], list[reach.Source]]:
    """The modules of the package, and those of the program."""
    src, dropin = reach.read(ROOT / "src"), reach.read(ROOT / "dropin" / "src")
    inside = {module: src.pop(module) for module in list(src) if (module + ".").startswith(PACKAGE + ".")}
    return inside, [*src.values(), *dropin.values()]


def test_what_nothing_reaches_is_a_library() -> None:
    inside, outside = sources()
    alone = reach.unreached(inside, outside) + reach.unmentioned(inside, [*inside.values(), *outside])
    unnamed = [name for name in alone if not any((name + ".").startswith(row + ".") for row in LIBRARY)]
    assert unnamed == [], "call it, delete it, or name it in LIBRARY with the reason"
    idle = [row for row in LIBRARY if not any((name + ".").startswith(row + ".") for name in alone)]
    assert idle == [], "is called by now: take its row away"


FILES = {
    "pack/__init__.py": "from pack.values import Value",
    "pack/values.py": """
        from __future__ import annotations
        import pack.helps
        from pack import limits as bounds
        TYPE_CHECKING = False
        if TYPE_CHECKING:
            SPECIAL = 1
        class Value:
            most = bounds.MOST
            def text(self): return pack.helps.shown(self)
        def dead(): return also_dead()
        def also_dead(): ...
        def _private(): ...
        """,
    "pack/helps.py": "def shown(value): ...\ndef hidden(value): ...",
    "pack/limits.py": "MOST: int = 1\nLEAST = FEWEST = 0",
    "pack/other.py": "def one(): ...\ndef two(): ...\ndef three(): ...\nasync def four(): ...",
    "prog/main.py": "from pack import Value\nfrom pack import other\nother.one()\nother.sub.three()",
    "prog/lazy.py": "def run():\n    from pack.other import two as second\n    return LEAST",
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    return tmp_path


def test_names_are_followed_through_imports_and_bodies(tree: Path) -> None:
    everything = reach.read(tree)
    inside = {module: source for module, source in everything.items() if module.partition(".")[0] == "pack"}
    outside = [source for module, source in everything.items() if module not in inside]
    assert reach.unreached(inside, outside) == [
        "pack.helps.hidden",
        "pack.limits.FEWEST",
        "pack.limits.LEAST",
        "pack.other.four",
        "pack.other.three",
        "pack.values.SPECIAL",
        "pack.values.also_dead",
        "pack.values.dead",
    ]


def test_methods_are_known_by_their_names(tree: Path) -> None:
    everything = reach.read(tree)
    inside = {"pack.values": everything["pack.values"]}
    assert reach.unmentioned(inside, everything.values()) == ["pack.values.Value.text"]
    (tree / "prog" / "main.py").write_text("import pack\npack.Value().text()")
    assert reach.unmentioned(inside, reach.read(tree).values()) == []
