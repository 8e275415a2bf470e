# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which dump rc1 reads and which one rc3 writes, by the attributes."""

import os

import pytest

from rosin.broker import dumps
from rosin.broker.dumps import Archive


def test_nothing_is_read_or_written_by_default():
    assert dumps.source({}) is None
    assert dumps.target({"content.dump": ""}, 0) is None
    assert not dumps.in_place({})


def test_archives_by_name():
    assert dumps.source({"content.restore": "a.tgz"}) == Archive("a.tgz")
    assert dumps.target({"content.dump": "b.tar"}, 0) == Archive("b.tar")


def test_auto_is_below_a_state_directory_that_lasts(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    attrs = {"statedir": str(tmp_path), "content.restore": "auto", "content.dump": "auto"}
    assert dumps.source(attrs) is None
    target = dumps.target(attrs, 86400 * 365.25)
    assert target is not None
    assert target.path.startswith(f"{tmp_path}/dump/19710101_06")
    assert target.path.endswith(".tgz")
    assert target.link == f"{tmp_path}/dump/RESTORE"
    os.mkdir(tmp_path / "dump")
    os.symlink("x.tgz", target.link)
    assert dumps.source(attrs) == Archive(os.path.realpath(tmp_path / "dump" / "x.tgz"), target.link)
    assert dumps.target({**attrs, "statedir-cleanup": "1"}, 0).link == "./dump/RESTORE"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"content.restore": "auto"}, False),
        ({"content.dump": "x.tgz"}, False),
        ({"statedir-cleanup": "1"}, False),
        ({"content.backing-module": "content-files"}, False),
    ],
)
def test_garbage_is_collected_when_nobody_reads_a_dump(changes, expected):
    usual = {"content.dump": "auto", "statedir": "/s", "content.backing-module": "content-sqlite"}
    assert dumps.in_place({**usual, **changes}) is expected


def test_a_dump_that_is_not_there_is_told_with_its_link(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"put one there, or remove /x/RESTORE$"):
        dumps.check(Archive(str(tmp_path / "gone.tgz"), "/x/RESTORE"))
