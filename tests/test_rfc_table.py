# SPDX-License-Identifier: LGPL-3.0-or-later
"""The descriptions in docs/rfc, and the page that is made of them."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib

import pytest

from . import rfc_page
from .rfc_page import KINDS, NUMBERS, ROOT, Covered, Rfc

FIELDS = {"title", "kind", "kept_by", "note", "vectors", "clauses", "services", "differs", "provided"}
IDENTIFIER = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")

#: The titles of the collection; 8 was taken out, and there never was a 17.
TITLES = {
    1: "C4.1 - Collective Code Construction Contract",
    2: "Flux Licensing and Collaboration Guidelines",
    3: "Flux Message Protocol",
    4: "Flux Resource Model",
    5: "Flux Broker Modules",
    6: "Flux Remote Procedure Call Protocol",
    7: "Flux Coding Style Guide",
    8: "Flux Task and Program Execution Services",
    9: "Distributed Communication and Synchronization Best Practices",
    10: "Content Storage Service",
    11: "Key Value Store Tree Object Format v1",
    12: "Flux Role-based Access Control",
    13: "Simple Process Manager Interface v1",
    14: "Canonical Job Specification",
    15: "Independent Minister of Privilege for Flux: The Security IMP",
    16: "KVS Job Schema",
    17: "(none)",
    18: "KVS Event Log Format",
    19: "Flux Locally Unique ID (FLUID)",
    20: "Resource Set Specification Version 1",
    21: "Job States and Events Version 1",
    22: "Idset String Representation",
    23: "Flux Standard Duration",
    24: "Flux Job Standard I/O Version 1",
    25: "Job Specification Version 1",
    26: "Job Dependency Specification",
    27: "Flux Resource Allocation Protocol Version 1",
    28: "Flux Resource Acquisition Protocol Version 1",
    29: "Hostlist Format",
    30: "Job Urgency",
    31: "Job Constraints Specification",
    32: "Flux Job Execution Protocol Version 1",
    33: "Flux Job Queues",
    34: "Flux Task Map",
    35: "Constraint Query Syntax",
    36: "Submission Directives",
    37: "File Archive Format",
    38: "Flux Security Key Value Encoding",
    39: "Flux Security Signature",
    40: "Fluxion Resource Set Extension",
    41: "Job Information Service",
    42: "Subprocess Server Protocol",
    43: "Job List Service",
    44: "Resource Events",
    45: "Resource Range String Representation",
    46: "Command Line Job Specification Resources Shape",
    47: "Flux Framework Contributor Code of Conduct",
    48: "Flux Framework Project Governance",
    49: "TreePool Resource Set Extension",
    50: "Job Execution Eventlog",
}


@pytest.mark.parametrize("number", NUMBERS)
def test_description_is_well_formed(number):
    fields = tomllib.loads(rfc_page.path(number).read_text(encoding="utf-8"))
    assert set(fields) <= FIELDS
    rfc = rfc_page.load(number)
    assert rfc.title == TITLES[number]
    assert rfc.kind in KINDS
    assert rfc.vectors >= 0
    assert [key for key in rfc.clauses if not IDENTIFIER.fullmatch(key)] == []
    assert [text for text in rfc.clauses.values() if not text.strip().endswith(".")] == []
    for entry in rfc.differs:
        assert set(entry) - {"clause"} == {"text", "rosin"}
        assert entry.get("clause") in {None, *rfc.clauses}
    for entry in rfc.provided:
        assert set(entry) == {"asked", "by"}


@pytest.mark.parametrize("number", NUMBERS)
def test_description_names_what_exists(number):
    for name in rfc_page.load(number).kept_by:
        if name.startswith("rosin"):
            assert importlib.util.find_spec(name) is not None, name
        else:
            assert (ROOT / name).exists(), name


def test_page_counts_and_explains():
    rfc = Rfc(
        20,
        {
            "title": "T",
            "kind": "format",
            "kept_by": ["rosin.rfc.rset"],
            "vectors": 3,
            "clauses": {"a": "One.", "b": "Two.", "c": "Three."},
            "differs": [{"clause": "c", "text": "This.", "rosin": "That."}],
        },
    )
    covered = Covered()
    covered.vectors[20] = 2
    covered.clauses[20] |= {"a"}
    text = rfc_page.page({20: rfc}, covered)
    assert "| [20](#rfc-20) | T | format | `rosin.rfc.rset` | 2/3 | 1/3 |\n" in text
    assert "No test proves 2 of 3 clauses:\n\n- `b`: Two.\n- `c`: Three. (see below)\n" in text
    assert "- `c`: This. **Rosin**: That.\n" in text
    assert text.count("\n| ") == 1 + 50
    covered.clauses[20] |= {"b", "c"}
    assert "Tests prove all 3 clauses.\n" in rfc_page.page({20: rfc}, covered)


def run(folder, *options):
    """Run pytest on a test file in ``folder``, with the plugin and descriptions of that folder."""
    program = """
import sys
import pytest
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import tests.rfc_page as page, tests.rfc_table as table
page.ROOT = Path(sys.argv[2])
page.FOLDER = page.ROOT / "docs" / "rfc"
table.COMMITTED = page.ROOT / "docs" / "reference" / "rfcs.md"
class Plugin:
    pytest_addoption = staticmethod(table.add_options)
    @staticmethod
    def pytest_configure(config):
        config.addinivalue_line("markers", "rfc")
        config.addinivalue_line("markers", "rfc_vectors")
        config.pluginmanager.register(table.RfcTable(config))
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--rootdir", sys.argv[2], *sys.argv[2:]], [Plugin]))
"""
    command = [sys.executable, "-c", program, str(ROOT), str(folder), *options]
    env = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


TESTS = """
import pytest

@pytest.mark.rfc(9, "a")
def test_a():
    pass

@pytest.mark.rfc(9, "b")
@pytest.mark.rfc_vectors(9)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_b(number):
    assert number != WRONG
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "docs" / "rfc").mkdir(parents=True)
    (tmp_path / "docs" / "reference").mkdir()
    (tmp_path / "docs" / "rfc" / "09.toml").write_text(
        'title = "T"\nkind = "convention"\nkept_by = []\nvectors = 3\n[clauses]\na = "One."\nb = "Two."\n'
    )
    for number in NUMBERS:
        if number != 9:
            path = tmp_path / "docs" / "rfc" / f"{number:02d}.toml"
            path.write_text('title = "T"\nkind = "unused"\nkept_by = []\n')
    return tmp_path


def row(folder):
    text = (folder / "docs" / "reference" / "rfcs.md").read_text()
    return next(line for line in text.splitlines() if line.startswith("| [9]"))


def test_a_run_writes_the_page_and_later_runs_check_it(project):
    (project / "test_x.py").write_text(TESTS.replace("WRONG", "0"))
    code, output = run(project, "--rfc-table-check")
    assert code == 1
    assert "docs/reference/rfcs.md is not what the tests prove: run `make docs` and commit it" in output
    page = str(project / "docs" / "reference" / "rfcs.md")
    assert run(project, f"--rfc-table={page}")[0] == 0
    assert row(project).endswith("| 3/3 | 2/2 |")
    assert run(project, "--rfc-table-check")[0] == 0


SERVICE_TESTS = """
import pytest
from rosin.testing import Instance

@pytest.mark.rfc(9, "a", "c")
def test_a():
    pass

@pytest.mark.rfc(9, "b")
def test_b():
    import asyncio

    async def talk():
        async with Instance() as instance:
            await (await instance.connect()).attr("rank")

    asyncio.run(talk())
"""


def test_clauses_about_services_want_a_service(project):
    with (project / "docs" / "rfc" / "09.toml").open("a") as file:
        file.write('[services]\nc = "Three."\n')
    (project / "test_x.py").write_text(SERVICE_TESTS)
    page = str(project / "docs" / "reference" / "rfcs.md")
    told = "docs/rfc/09.toml: c is about a service, and test_x.py::test_a talks to none"
    code, output = run(project, f"--rfc-table={page}")
    assert (code, told in output) == (1, True)
    assert row(project).endswith("| 0/3 | 2/3 |")
    code, output = run(project, "--rfc-table-check")
    assert (code, told in output) == (1, True)
    (project / "test_x.py").write_text(SERVICE_TESTS.replace('(9, "b")', '(9, "b", "c")'))
    assert run(project, f"--rfc-table={page}")[0] == 0
    assert row(project).endswith("| 0/3 | 3/3 |")


def test_a_clause_is_of_one_kind(project):
    with (project / "docs" / "rfc" / "09.toml").open("a") as file:
        file.write('[services]\nb = "Two."\n')
    (project / "test_x.py").write_text(TESTS.replace("WRONG", "0"))
    code, output = run(project)
    assert code != 0
    assert "docs/rfc/09.toml: 'b' is in clauses and in services" in output


def test_only_what_passes_counts(project):
    (project / "test_x.py").write_text(TESTS.replace("WRONG", "2"))
    page = str(project / "docs" / "reference" / "rfcs.md")
    assert run(project, f"--rfc-table={page}")[0] == 1
    assert row(project).endswith("| 2/3 | 1/2 |")


@pytest.mark.parametrize(
    ("tests", "option", "text"),
    [
        ('@pytest.mark.rfc(9, "z")', "", "docs/rfc/09.toml has no clause 'z'"),
        ('@pytest.mark.rfc(51, "z")', "", "there is no RFC 51"),
        ("@pytest.mark.rfc_vectors(8)", "", "docs/rfc/08.toml is missing"),
        ("@pytest.mark.rfc_vectors('9')", "", "there is no RFC '9'"),
        ("@pytest.mark.rfc_vectors", "", "names no RFC"),
        ('@pytest.mark.skip\n@pytest.mark.rfc(9, "a")', "--rfc-table-check", "skipped, so it must not carry"),
        (
            '@pytest.mark.parametrize("_", range(4))\n@pytest.mark.rfc_vectors(9)',
            "--rfc-table-check",
            "docs/rfc/09.toml: vectors = 3, but 4 are marked",
        ),
    ],
)
def test_wrong_marks_are_told(project, tests, option, text):
    (project / "docs" / "rfc" / "08.toml").unlink()
    arguments = "_" if "parametrize" in tests else ""
    (project / "test_x.py").write_text(f"import pytest\n\n{tests}\ndef test_x({arguments}):\n    pass\n")
    code, output = run(project, *filter(None, [option]))
    assert code != 0
    assert text in output


def test_a_broken_description_is_told(project):
    (project / "docs" / "rfc" / "09.toml").write_text("title = 5 x")
    (project / "test_x.py").write_text(TESTS.replace("WRONG", "0"))
    code, output = run(project)
    assert code != 0
    assert "docs/rfc/09.toml: Expected newline or end of document" in output
