# SPDX-License-Identifier: LGPL-3.0-or-later
"""The journal: order, trimming, what a crash or a full disk leaves, damage."""

import errno
import os
import resource
import zlib

import pytest

from rosin.modules.content_files.journal import StoreJournal

RECORDS = [(1, "a", b"[1]"), (2, "b", b"two\nlines\n"), (3, "c", b"")]


@pytest.fixture
def directory(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.fixture
def make(tmp_path, directory):
    made = []

    def make(missing=()):
        whole = lambda digest: digest not in missing  # noqa: E731
        made.append(StoreJournal(directory, "journal", str(tmp_path / "journal"), whole))
        return made[-1]

    yield make
    for journal in made:
        journal.close()


@pytest.fixture
def written(make):
    journal = make()
    for record in RECORDS:
        journal.append(*record)
    return journal


def test_records_come_back_in_order(written, make):
    for journal in (written, make()):
        assert journal.records(0, 10) == RECORDS
        assert journal.records(1, 10) == RECORDS[1:]
        assert journal.records(0, 2) == RECORDS[:2]


def test_a_record_replaces_an_older_one_of_its_number(written):
    written.append(2, "z", b"new")
    assert written.records(0, 10) == [RECORDS[0], (2, "z", b"new"), RECORDS[2]]


def test_trim_and_clear(written, make):
    written.trim(2)
    assert written.records(0, 10) == RECORDS[2:]
    written.append(4, "d", b"4")
    assert [record[0] for record in make().records(0, 10)] == [3, 4]
    written.clear()
    assert written.records(0, 10) == []
    written.append(5, "e", b"5")
    assert make().records(0, 10) == [(5, "e", b"5")]


def test_what_was_cut_off_is_dropped_and_written_over(written, make, tmp_path):
    path = tmp_path / "journal"
    whole = path.read_bytes()
    written.append(4, "d", b"four")
    longer = path.read_bytes()
    for size in range(len(whole), len(longer)):
        path.write_bytes(longer[:size])
        journal = make()
        assert journal.records(0, 10) == RECORDS
        journal.append(5, "e", b"five")
        assert journal.records(0, 10) == [*RECORDS, (5, "e", b"five")]


@pytest.mark.parametrize("at", range(60))
def test_damage_before_the_end_is_told(written, make, tmp_path, at):
    path = tmp_path / "journal"
    data = bytearray(path.read_bytes())
    data[at] ^= 0x7F
    path.write_bytes(data)
    journal = make()
    for action in (lambda: journal.records(0, 10), lambda: journal.append(4, "d", b"")):
        with pytest.raises(OSError, match="is damaged at byte") as info:
            action()
        assert info.value.errno == errno.EIO
        assert str(path) in str(info.value)
    assert path.read_bytes() == bytes(data)
    journal.clear()
    assert journal.records(0, 10) == []


def test_a_record_that_does_not_fit_leaves_nothing(written, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match=f"cannot write {tmp_path / 'journal'}"):
            written.append(4, "d", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert written.records(0, 10) == RECORDS
    written.append(4, "d", b"x")
    assert len(written.records(0, 10)) == 4


def test_the_file_is_private(written, tmp_path):
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o600


def test_the_journal_ends_before_what_has_lost_its_blobs(written, make):
    written.append(4, "d", b"4", [b"\1" * 20, b"\2" * 20])
    written.append(5, "e", b"5", [b"\3" * 20])
    written.append(6, "f", b"6")
    assert [record[0] for record in make().records(3, 10)] == [4, 5, 6]
    torn = make([b"\3" * 20])
    assert [record[0] for record in torn.records(0, 10)] == [1, 2, 3, 4]
    assert torn.cut
    torn.append(5, "x", b"other")
    again = make()
    assert again.records(4, 10) == [(5, "x", b"other")]
    assert not again.cut
    assert make([b"\2" * 20]).records(4, 10) == [(5, "x", b"other")]  # what a checkpoint has is not looked at


def test_a_journal_of_format_1_goes_on(make, tmp_path):
    line = b"1 a 3 %08x" % zlib.crc32(b"[1]")
    (tmp_path / "journal").write_bytes(b"%b %08x\n[1]" % (line, zlib.crc32(line)))
    journal = make()
    assert journal.records(0, 10) == [(1, "a", b"[1]")]
    journal.append(2, "b", b"[2]", [b"\1" * 20])
    journal.trim(0)
    assert make().records(0, 10) == [(1, "a", b"[1]"), (2, "b", b"[2]")]
