# SPDX-License-Identifier: LGPL-3.0-or-later
"""The compact form of a job's process table."""

import pytest

from rosin.errors import FormatError
from rosin.job import proctable


@pytest.mark.parametrize(
    ("numbers", "runs"),
    [
        ([], []),
        ([0], [0]),
        ([0, 1, 2, 3], [[0, 3]]),
        ([7, 7, 7], [[7, -2]]),
        ([5, 6, 16, 16, 16, 20], [[5, 1], [10, -2], 4]),
        ([9, 3], [9, -6]),
        ([0, 1, 10, 11, 20, 21], [[0, 1], [9, 1, 1]]),
        ([1, 1, 2, 2, 3, 3, 4, 4], [[1, -1, 3]]),
        ([-1, -1], [[-1, -1]]),
    ],
)
def test_runs_of_numbers(numbers, runs):
    assert proctable.encode_numbers(numbers) == runs
    assert proctable.decode_numbers(runs) == numbers


@pytest.mark.parametrize(
    ("strings", "groups"),
    [
        ([], []),
        (["vm"], ["vm"]),
        (["vm", "vm"], [["vm", [[-1, -1]]]]),
        (["n0", "n1", "login"], [["n", [[0, 1]]], "login"]),
        (["n9", "n10"], [["n", [[9, 1]]]]),
        (["n009", "n010"], ["n009", "n010"]),
        (["n00"], ["n00"]),
        (["n", "n1"], [["n", [-1, 2]]]),
        (["a99999999999", "a99999999999"], [["a99999999999", [[-1, -1]]]]),
        (["a99999999999"], [["a99999999999", [-1]]]),
        (["", "5", ""], [["", [-1, 6, -6]]]),
    ],
)
def test_groups_of_strings(strings, groups):
    assert proctable.encode_strings(strings) == groups
    assert proctable.decode_strings(groups) == strings


def test_a_table_as_flux_core_writes_it():
    table = {
        "hosts": [["vm", [[-1, -1]]]],
        "executables": [["sleep", [[-1, -1]]]],
        "ids": [[0, 1]],
        "pids": [[8796, 1]],
        "ranks": [[0, -1]],
    }
    rows = [(0, "vm", "sleep", 8796, 0), (1, "vm", "sleep", 8797, 0)]
    assert proctable.encode(rows) == table
    assert proctable.decode(table) == rows
    del table["ranks"]
    assert [row[4] for row in proctable.decode(table)] == [-1, -1]
    assert proctable.decode(proctable.encode([])) == []


@pytest.mark.parametrize(
    "run", [[1], [1, 2, 3, 4], [1, "2"], [1, 2, -1], "1", None, 1.5, True, [0, 1 << 40], {}]
)
def test_what_is_no_run(run):
    with pytest.raises(FormatError, match=r"^proctable: "):
        proctable.decode_numbers([run])


@pytest.mark.parametrize("group", [1, None, ["a"], [1, [2]], ["a", "b"], ["a", [[0, 1 << 40]]]])
def test_what_is_no_group(group):
    with pytest.raises(FormatError, match=r"^proctable: "):
        proctable.decode_strings([group])


def test_lists_of_different_length():
    with pytest.raises(FormatError, match="differ in length"):
        proctable.decode({"ids": [0], "pids": [], "hosts": [], "executables": [], "ranks": []})


def test_a_few_bytes_do_not_become_a_great_list():
    with pytest.raises(FormatError, match="more than"):
        proctable.decode_numbers([[0, 0, 1 << 30]])
    with pytest.raises(FormatError, match="more than"):
        proctable.decode_strings(["b", ["a", [[0, proctable.MAX_ENTRIES - 1]]]])
