# SPDX-License-Identifier: LGPL-3.0-or-later
"""Every source file has tests, and whoever changes it finds them."""

import pytest

from .sources import EXCEPTIONS, ROOT, SOURCES, covering, sources


def test_every_source_file_has_tests():
    files = sources()
    assert len(files) > 300
    assert [name for name in files if not covering(name)] == []
    assert [name for name in files if not all(path.exists() for path in covering(name))] == []


def test_the_table_names_what_exists():
    assert [name for name in EXCEPTIONS if not (SOURCES / name).exists()] == []


@pytest.mark.parametrize(
    ("source", "tests"),
    [
        ("rfc/idset.py", ["rfc/test_idset.py"]),
        ("rfc/idset/text.py", ["rfc/test_idset.py"]),
        ("rfc/hostlist/hostlist.py", ["rfc/test_hostlist.py", "rfc/test_hostlist_size.py"]),
        ("rfc/hostlist/__init__.py", ["rfc/test_hostlist.py", "rfc/test_hostlist_size.py"]),
        ("rfc/hostlist/text.py", ["rfc/test_hostlist.py", "rfc/test_hostlist_size.py"]),
        ("rfc/hostlist/runs.py", ["rfc/test_hostlist_runs.py"]),
        (
            "broker/connector.py",
            [f"broker/test_connector{part}.py" for part in ("", "_ends", "_listen")],
        ),
        ("_json.py", ["test_json.py"]),
        ("modules/barrier/barriers.py", ["modules/barrier/test_barrier.py", "modules/barrier/test_ranks.py"]),
    ],
)
def test_the_convention(source, tests):
    assert [str(path.relative_to(ROOT / "tests")) for path in covering(source)] == tests


def test_the_table_holds_for_a_copy_of_the_tree(tmp_path):
    for name in EXCEPTIONS["broker/peer.py"]:
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / name).touch()
    expected = [tmp_path / "tests" / name for name in EXCEPTIONS["broker/peer.py"]]
    assert covering("broker/peer.py", tmp_path) == expected
    expected[0].unlink()
    assert covering("broker/peer.py", tmp_path) != expected
