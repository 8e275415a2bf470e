# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin admin: commands at the end of an instance, and its system scripts."""

import subprocess
import sys

import pytest

from rosin.cli.systemscripts import Scripts, describe, runs_scripts


def start(script):
    command = [sys.executable, "-m", "rosin", "start", "sh", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_commands_run_after_the_initial_program(tmp_path):
    log = tmp_path / "log"
    script = (
        f"rosin admin cleanup-push 'echo first >>{log}; rosin getattr rank >>{log}';"
        f"printf 'echo a >>{log}\\necho b >>{log}; exit 4\\n' | rosin admin cleanup-push;"
        f"echo program >>{log}"
    )
    done = start(script)
    assert log.read_text() == "program\na\nb\nfirst\n0\n"
    assert done.returncode == 4
    assert "cleanup.1: echo b" in done.stderr
    assert "Exited (rc=4)" in done.stderr


@pytest.mark.parametrize(("words", "stdin"), [(("",), ""), ((), "true\n\n"), ((" ", " "), "")])
def test_an_empty_command_is_refused(rosin, words, stdin):
    done = rosin("admin", "cleanup-push", *words, stdin=stdin)
    assert (done.code, done.out) == (1, "")
    assert "cannot push an empty command line" in done.err


@pytest.fixture
def places(tmp_path):
    for name, mode in (
        ("lib/prolog.d/20-b", 0o755),
        ("lib/prolog.d/10-a", 0o644),
        ("etc/system/epilog", 0o755),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode)
    return {"libexecdir": str(tmp_path / "lib"), "confdir": str(tmp_path / "etc")}


def test_what_is_not_configured(places):
    assert describe("prolog", {}, Scripts("prolog", places)) == ["▸ prolog: not configured", ""]
    lib = places["libexecdir"]
    assert describe("prolog", {}, Scripts("prolog", places), verbose=True) == [
        "▸ prolog: not configured",
        f"  system: {lib}/prolog.d",
        "    ✗ not executable 10-a",
        "    ✓ 20-b",
        "",
    ]


def test_scripts_and_commands(places):
    etc, lib = places["confdir"], places["libexecdir"]
    assert describe("epilog", {"per-rank": True}, Scripts("epilog", places)) == [
        "▸ epilog: enabled (per-rank=true)",
        f"  system: {lib}/epilog.d",
        "    (no scripts)",
        "  site:",
        f"    ✓ {etc}/system/epilog (legacy, skips site scripts)",
        "",
    ]
    table = {"command": ["/bin/clean", "a b"], "release-after": "30s"}
    assert describe("housekeeping", table, Scripts("housekeeping", places)) == [
        "▸ housekeeping: enabled (release after 30s)",
        "  command: /bin/clean a b",
        "",
    ]
    for key in ("per-rank", "per_rank"):
        line = describe("prolog", {"command": ["x"], key: True}, Scripts("prolog", places))[0]
        assert line == "▸ prolog: enabled (per-rank=true)"
    assert describe("prolog", table, Scripts("prolog", places), active=False) == [
        "▸ prolog: configured but inactive",
        "  (perilog plugin not loaded)",
    ]


def test_the_site_may_look_elsewhere(places, monkeypatch):
    monkeypatch.setenv("FLUX_SYSTEM_SCRIPTS_CONFDIR", "/else")
    assert Scripts("prolog", places).site == "/else/system/prolog.d"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (None, True),
        (["/usr/libexec/flux/flux-imp", "run", "prolog"], True),
        (["flux-imp", "run", ""], True),
        (["flux-imp", "run", "epilog"], False),
        (["flux-imp", "run"], False),
        (["flux-imp", "exec", "prolog"], False),
        (["/bin/prolog", "run", "prolog"], False),
        (["/usr/bin/rosin", "run-prolog"], True),
        (["flux", "run-prolog"], True),
        (["flux", "run-epilog"], False),
        (["sh", "run-prolog"], False),
    ],
)
def test_whose_command_runs_scripts(command, expected):
    assert runs_scripts("prolog", {"command": command}) is expected


def test_an_instance_that_has_none(rosin):
    done = rosin("admin", "system-scripts")
    assert (done.code, done.err) == (0, "")
    assert done.out == "".join(
        f"▸ {name}: not configured\n\n" for name in ("prolog", "epilog", "housekeeping")
    )
    assert "\033[2mnot configured\033[0m" in rosin("admin", "system-scripts", "--color=always").out
