# SPDX-License-Identifier: LGPL-3.0-or-later
"""Templates with something wrong: it is said once, and they stay as they are."""

from __future__ import annotations

from typing import Any

import pytest
from tests.shell.fakes import FakeShell

from rosin.shell import mustache


@pytest.mark.parametrize(
    ("template", "faults"),
    [
        ("{{foo}}", ["there is no tag {{foo}}: expected one such as {{id}} or {{task.rank}}"]),
        ("{{node.foo}}-{{task.x}}", ["there is no tag {{node.foo}}: ", "there is no tag {{task.x}}: "]),
        ("{{id.foo}}", ["Invalid jobid encoding 'id.foo' specified: expected one of dec, hex, "]),
        ("{{jobid.}}", ["Invalid jobid encoding 'jobid.' specified"]),
        ("ab{{id", ["mustache template error at pos=4: '{{id' is not closed"]),
        ("{{id}}{{id.dec}}{{taskid}}{{node.resources.cores}}", []),
        ("{{.ID}} {{ name }} {{}} {{#if x}} {{{id}}} {{a b}}", []),  # of other programs
        ("no tag }} at { all", []),
    ],
)
def test_faults(template: str, faults: list[str]) -> None:
    found = mustache.faults(template)
    assert len(found) == len(faults)
    assert all(text.startswith(begin) for text, begin in zip(found, faults, strict=True))


def test_every_tag_has_a_value() -> None:
    """And none has one that is not in the list."""
    info = FakeShell(size=1).info
    info.tmpdir = "/tmp/x"
    for tag in mustache.TAGS:
        assert info.render(f"{{{{{tag}}}}}", (0, 0)) != f"{{{{{tag}}}}}", tag
    for tag in ("id.x", "jobid.", "task.x", "task", "node", "node.x", "node.resources.x", "resources", "idx"):
        assert info.render(f"{{{{{tag}}}}}", (0, 0)) == f"{{{{{tag}}}}}", tag


def test_it_is_said_once_and_the_job_runs(run: Any, broker: Any) -> None:
    code = run(["echo", "{{nosuch}}"], ntasks=2, options={"env-expand": {"A": "{{id"}})
    assert code == 0
    assert broker.output() == b"{{nosuch}}\n" * 2
    assert sorted(broker.messages()) == [
        "mustache template error at pos=2: '{{id' is not closed",
        "there is no tag {{nosuch}}: expected one such as {{id}} or {{task.rank}}",
    ]
