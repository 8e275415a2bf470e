# SPDX-License-Identifier: LGPL-3.0-or-later
"""Former names of modules that have moved into packages."""

import importlib
import sys

import pytest

from rosin.rfc._moved import place

#: Each module that was beside another one of its family, and its public names of today.
FORMER = [
    "archive_rules",
    "constraint_query",
    "fluid_emoji",
    "fluid_error",
    "fluid_words",
    "graph_walk",
    "hostlist_encode",
    "hostlist_index",
    "hostlist_runs",
    "hostlist_sets",
    "hostlist_text",
    "idset_bits",
    "idset_mutable",
    "idset_text",
    "idset_wide",
    "jobspec_attributes",
    "jobspec_build",
    "jobspec_graph",
    "jobspec_lower",
    "jobspec_place",
    "jobspec_rules",
    "jobspec_totals",
    "pmi_client",
    "pmi_server",
    "pmi_spawn",
    "queue_policy",
    "resource_replay",
    "rset_encode",
    "rset_format",
    "state_table",
    "treepool_place",
]


@pytest.mark.parametrize("name", FORMER)
def test_a_former_name_is_the_module_of_today(name, monkeypatch):
    monkeypatch.delitem(sys.modules, f"rosin.rfc.{name}", raising=False)
    with pytest.warns(DeprecationWarning, match=f"rosin.rfc.{name} is rosin.rfc.{place(name)} now"):
        former = importlib.import_module(f"rosin.rfc.{name}")
    try:
        assert former is importlib.import_module(f"rosin.rfc.{place(name)}")
        assert former.__spec__.name == former.__name__ == f"rosin.rfc.{place(name)}"
    finally:
        del sys.modules[f"rosin.rfc.{name}"]


@pytest.mark.parametrize("name", ["nosuch", "nosuch_part", "hostlist_nosuch", "fsd_x", "_"])
def test_what_never_was_is_not_found(name):
    with pytest.raises(ModuleNotFoundError, match=f"No module named 'rosin.rfc.{name}'"):
        importlib.import_module(f"rosin.rfc.{name}")
