# SPDX-License-Identifier: LGPL-3.0-or-later
"""A plugin of pytest: counts which clauses and vectors of the RFCs the tests prove.

``@pytest.mark.rfc(20, "rank-idset", ...)`` names the clauses that a test proves; of a parametrized test, all
cases must pass. A clause about a service is proved by tests that go through the wire (:mod:`tests.wire`), and
not by what others say of a function that it may call. ``@pytest.mark.rfc_vectors(20)``: each case that passes
is one vector. Marks on RFCs or clauses that docs/rfc/NN.toml does not have fail the collection.

``--rfc-table=FILE`` writes the page at the end of the run, ``--rfc-table-check`` fails a run in which all
passed when the committed page is another; both fail it when clauses about services are marked by tests that
go through no wire, and by no other. So that the page is the same on every machine, tests that may be
skipped (a browser, another flux, a capability) must not carry these marks: a run with either option fails
when a marked test was skipped. ``pytest -m 'rfc or rfc_vectors'`` runs just the tests that the page needs.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from . import rfc_page, wire

COMMITTED = rfc_page.ROOT / "docs" / "reference" / "rfcs.md"


def add_options(parser: pytest.Parser) -> None:
    """The options of the table, for pytest_addoption."""
    group = parser.getgroup("rfc", "the table of RFCs")
    group.addoption("--rfc-table", metavar="FILE", help="write the page of RFCs at the end of the run")
    group.addoption(
        "--rfc-table-check", action="store_true", help="fail when the committed page is not current"
    )


class RfcTable:
    """Collects the marks of the tests and what became of them."""

    def __init__(self, config: pytest.Config) -> None:
        self._output: str | None = config.getoption("--rfc-table")
        self._check: bool = config.getoption("--rfc-table-check")
        #: Of each test, the clauses and the RFCs of which it is a vector.
        self._marks: dict[str, tuple[list[tuple[int, str]], list[int]]] = {}
        self._rfcs: dict[int, rfc_page.Rfc] = {}
        self._passed: set[str] = set()
        self._unproved: set[str] = set()
        self._skipped: set[str] = set()
        #: Tests that have gone through the wire.
        self._wired: set[str] = set()
        self._complaints: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        wrong: dict[str, None] = {}
        for item in items:
            clauses: list[tuple[int, str]] = []
            for mark in item.iter_markers("rfc"):
                number, *ids = mark.args or (None,)
                wrong.update((f"{item.location[0]}: {text}", None) for text in self._wrong(number, ids))
                clauses += [(number, clause) for clause in ids]
            vectors = [(mark.args or (None,))[0] for mark in item.iter_markers("rfc_vectors")]
            for number in vectors:
                wrong.update((f"{item.location[0]}: {text}", None) for text in self._wrong(number, []))
            if clauses or vectors:
                self._marks[item.nodeid] = (clauses, vectors)
        if wrong:
            raise pytest.UsageError(*wrong)

    def _wrong(self, number: object, clauses: list[object]) -> list[str]:
        """What is wrong with a mark."""
        if number is None:
            return ["mark rfc: names no RFC"]
        if type(number) is not int or number not in rfc_page.NUMBERS:
            return [f"mark rfc: there is no RFC {number!r}"]
        if number not in self._rfcs:
            try:
                self._rfcs[number] = rfc_page.load(number)
            except ValueError as exc:
                return [str(exc)]
        known = self._rfcs[number].clauses
        return [
            f"mark rfc: docs/rfc/{number:02d}.toml has no clause {clause!r}"
            for clause in clauses
            if clause not in known
        ]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if not self._marks.get(item.nodeid, ([], []))[0]:
            return (yield)
        with wire.watched() as crossing:
            result = yield
        if crossing.seen:
            self._wired.add(item.nodeid)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.nodeid not in self._marks:
            return
        if report.skipped:
            self._skipped.add(report.nodeid)
        elif report.failed:
            self._unproved.add(report.nodeid)
        elif report.when == "call":
            self._passed.add(report.nodeid)

    def _covered(self) -> rfc_page.Covered:
        covered = rfc_page.Covered()
        broken: set[tuple[int, str]] = set()
        for test, (clauses, vectors) in self._marks.items():
            if test in self._passed - self._unproved:
                for number, clause in clauses:
                    if test in self._wired or clause not in self._rfcs[number].services:
                        covered.clauses[number].add(clause)
                for number in vectors:
                    covered.vectors[number] += 1
            else:
                broken.update(clauses)
        for number, clause in broken:
            covered.clauses[number].discard(clause)
        return covered

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if not (self._output or self._check) or session.config.option.collectonly:
            return
        rfcs, covered = self._load(), self._covered()
        for test in sorted(self._skipped):
            self._complaints.append(f"{test}: skipped, so it must not carry a mark of RFCs")
        for number, rfc in rfcs.items():
            marked = covered.vectors[number]
            if marked > rfc.vectors:
                text = f"docs/rfc/{number:02d}.toml: vectors = {rfc.vectors}, but {marked} are marked"
                self._complaints.append(text)
        self._complaints += self._without_wire()
        text = rfc_page.page(rfcs, covered)
        if self._output:
            Path(self._output).write_text(text, encoding="utf-8")
        elif exitstatus == pytest.ExitCode.OK and text != _read(COMMITTED):
            name = COMMITTED.relative_to(rfc_page.ROOT)
            self._complaints.append(f"{name} is not what the tests prove: run `make docs` and commit it")
        if self._complaints and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _without_wire(self) -> list[str]:
        """Of clauses about services, those whose marks are all on tests that go through no wire."""
        tests: dict[tuple[int, str], list[str]] = {}
        for test, (clauses, _) in self._marks.items():
            for number, clause in clauses:
                if clause in self._rfcs[number].services:
                    tests.setdefault((number, clause), []).append(test)
        return [
            f"docs/rfc/{number:02d}.toml: {clause} is about a service, and {marked[0]} talks to none"
            for (number, clause), marked in sorted(tests.items())
            if not self._wired & set(marked)
        ]

    def _load(self) -> dict[int, rfc_page.Rfc]:
        rfcs = {}
        for number in rfc_page.NUMBERS:
            try:
                rfcs[number] = rfc_page.load(number)
            except ValueError as exc:
                self._complaints.append(str(exc))
        return rfcs

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._complaints:
            terminalreporter.section("table of RFCs")
            for text in self._complaints:
                terminalreporter.line(text, red=True)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
