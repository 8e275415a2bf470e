# SPDX-License-Identifier: LGPL-3.0-or-later
"""Banks, users, queues and factors, what they have used, and the file that keeps it."""

import errno
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.accounting.ledger import Ledger, Usage
from rosin.accounting.rows import Association, Bank, Factor, QueueAccount
from rosin.accounting.store import AccountingStore, JobRecord
from rosin.errors import FormatError


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "accounts.sqlite")


@pytest.fixture
def store(path):
    opened = AccountingStore(path)
    yield opened
    opened.close()


@pytest.fixture
def ledger(store):
    """A bank above two others, and two users in the first."""
    ledger = Ledger(store)
    ledger.add("bank", {"bank": "root"})
    for bank in ("A", "B"):
        ledger.add("bank", {"bank": bank, "parent": "root"})
    for userid, name in ((1, "ann"), (2, "bob")):
        ledger.add("user", {"userid": userid, "username": name, "bank": "A"})
    return ledger


def again(store, path):
    """The ledger as the file has it."""
    store.commit()
    return Ledger(AccountingStore(path))


# -- rows -------------------------------------------------------------------------------------------


def test_what_was_written_is_there_again(ledger, store, path):
    ledger.edit("user", [1, "A"], {"max_nodes": 5, "queues": "batch,debug", "shares": 3})
    ledger.add("queue", {"queue": "batch", "priority": 10, "max_running_jobs": 4})
    ledger.edit("factor", ["fairshare"], {"weight": 5})
    for one in (ledger, again(store, path)):
        assert one.association(1, "A") == Association(
            1, "A", "ann", default=True, shares=3, max_nodes=5, queues="batch,debug"
        )
        assert one.queue("batch") == QueueAccount("batch", 10, 4)
        assert (one.weight("fairshare"), one.weight("urgency")) == (5, 1000.0)
        assert [bank.bank for bank in one.all(Bank)] == ["root", "A", "B"]


def test_the_first_bank_of_a_user_is_the_default_until_another_is(ledger, store, path):
    ledger.add("user", {"userid": 1, "username": "ann", "bank": "B"})
    assert ledger.association(1, None).bank == "A"
    ledger.edit("user", [1, "B"], {"default": True})
    for one in (ledger, again(store, path)):
        assert one.association(1, None).bank == "B"
        assert not one.association(1, "A").default
    ledger.delete("user", [1, "B"], force=True)
    assert ledger.association(1, None) is None
    ledger.add("user", {"userid": 1, "username": "ann", "bank": "B"})
    assert ledger.association(1, None).bank == "B"


def test_what_is_deleted_is_inactive_and_can_come_back(ledger, store, path):
    ledger.delete("user", [1, "A"])
    assert again(store, path).association(1, "A").active is False
    ledger.add("user", {"userid": 1, "username": "ann", "bank": "A", "default": True})
    assert ledger.association(1, None).active
    ledger.delete("user", [1, "A"], force=True)
    assert again(store, path).association(1, "A") is None
    ledger.add("queue", {"queue": "q"})
    ledger.delete("queue", ["q"])
    assert again(store, path).queue("q") is None
    ledger.edit("factor", ["node"], {"weight": 2})
    ledger.delete("factor", ["node"])
    assert ledger.weight("node") == 1.0


REFUSED = [
    ("add", ("bank", {"bank": "C"}), errno.EEXIST, "bank_table already has a root bank"),
    ("add", ("bank", {"bank": "A", "parent": "root"}), errno.EEXIST, "bank A already active in bank_table"),
    ("add", ("bank", {"bank": "C", "parent": "X"}), errno.ENOENT, "parent bank X not found in bank_table"),
    ("add", ("bank", {"bank": "C", "parent": "A"}), errno.EINVAL, "bank A has users"),
    ("add", ("user", {"userid": 3, "username": "x", "bank": "X"}), errno.ENOENT, "Bank X does not exist"),
    ("add", ("user", {"userid": 3, "username": "x", "bank": "root"}), errno.EINVAL, "same parent bank as"),
    ("add", ("user", {"userid": 1, "username": "x", "bank": "A"}), errno.EEXIST, "user 1,A already active"),
    (
        "add",
        ("factor", {"factor": "x", "weight": 1}),
        errno.EINVAL,
        "there is no factor x (known: fairshare,",
    ),
    ("edit", ("bank", ["X"], {"shares": 1}), errno.ENOENT, "bank X not found in bank_table"),
    ("edit", ("bank", ["root"], {"parent": "A"}), errno.EINVAL, "bank A has users"),
    ("edit", ("bank", ["root"], {"parent": "B"}), errno.EINVAL, "bank root cannot be below itself"),
    ("edit", ("user", [1, "B"], {"shares": 1}), errno.ENOENT, "user 1/B not found in user_table"),
    ("edit", ("user", [1, "A"], {}), errno.EINVAL, "no fields provided for update"),
    ("delete", ("bank", ["A"]), errno.EBUSY, "bank A has 0 banks and 2 users"),
    ("delete", ("bank", ["root"]), errno.EBUSY, "bank root has 2 banks and 0 users"),
    ("delete", ("queue", ["q"]), errno.ENOENT, "queue q not found"),
    ("clear", ("X",), errno.ENOENT, "bank X not found"),
]


@pytest.mark.parametrize(("method", "args", "errnum", "text"), REFUSED)
def test_what_is_refused_changes_nothing(ledger, store, path, method, args, errnum, text):
    before = [ledger.all(cls) for cls in (Bank, Association, QueueAccount, Factor)]
    with pytest.raises(OSError) as caught:
        getattr(ledger, method)(*args)
    assert caught.value.errno == errnum
    assert text in str(caught.value)
    for one in (ledger, again(store, path)):
        assert [one.all(cls) for cls in (Bank, Association, QueueAccount, Factor)] == before


WRONG = [
    ("bank", {"bank": "a b"}, "bank: expected a name"),
    ("bank", {"bank": "x" * 65}, "bank: expected a name"),
    ("bank", {"bank": ""}, "bank: expected a name"),
    ("bank", {}, "bank: missing"),
    ("bank", {"bank": "C", "parent": "root", "shares": -1}, "shares: expected a number from 0"),
    ("bank", {"bank": "C", "parent": "root", "shares": True}, "shares: expected a number from 0"),
    ("bank", {"bank": "C", "priority": float("nan")}, "priority: expected a number, got"),
    ("bank", {"bank": "C", "share": 1}, "there is no such field of a bank; did you mean shares?"),
    ("user", {"userid": 3, "bank": "B"}, "username: missing"),
    ("user", {"userid": 2**32 - 1, "bank": "B", "username": "x"}, "userid: expected a number from 0"),
    ("user", {"userid": 3, "bank": "B", "username": "x", "queues": "a,,b"}, "queues: expected a name"),
    ("user", {"userid": 3, "bank": "B", "username": "x", "max_nodes": -1}, "max-nodes: expected a number"),
    ("user", {"userid": 3, "bank": "B", "username": "x", "default": 1}, "default: expected true or false"),
    ("queue", {"queue": "q", "priority": 2**31}, "priority: expected a number from -2147483647"),
    ("x", {}, "there is no table 'x' (known: bank, user, queue, factor)"),
]


@pytest.mark.parametrize(("table", "values", "text"), WRONG)
def test_wrong_values_are_named(ledger, table, values, text):
    with pytest.raises(FormatError) as caught:
        ledger.add(table, values)
    assert text in str(caught.value)


def test_what_identifies_a_row_stays(ledger):
    with pytest.raises(FormatError, match="bank: it identifies the user"):
        ledger.edit("user", [1, "A"], {"bank": "B"})


# -- usage ------------------------------------------------------------------------------------------


def test_usage_halves_with_time():
    usage = Usage()
    usage.add(8.0, 1000.0, 10.0)
    assert [usage.at(1000.0 + age, 10.0) for age in (0, 10, 30)] == [8.0, 4.0, 1.0]
    usage.add(1.0, 1010.0, 10.0)
    assert usage.at(1020.0, 10.0) == 2.5
    assert usage.at(500.0, 10.0) == 5.0  # the clock was set back
    assert usage.at(9e99, 10.0) < 1e-300
    assert usage.at(9e99, 0.0) == 5.0


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e3)), max_size=8), st.floats(0, 1e6))
def test_usage_is_the_sum_of_what_is_left_of_each(uses, wait):
    usage, now, left = Usage(), 1e9, []
    for amount, pause in uses:
        now += pause
        usage.add(amount, now, 3600.0)
        left.append((amount, now))
    now += wait
    expected = sum(amount * 2 ** -((now - when) / 3600.0) for amount, when in left)
    assert usage.at(now, 3600.0) == pytest.approx(expected)


def test_fair_shares_follow_usage(ledger, store, path):
    ledger.calculate(0.0)
    assert ledger.fair_share == {(1, "A"): 1.0, (2, "A"): 1.0}
    ledger.charge((1, "A"), 100.0, 1000.0)
    for one in (ledger, again(store, path)):
        one.calculate(2000.0)
        assert one.fair_share == {(1, "A"): 0.5, (2, "A"): 1.0}
    assert ledger.clear("A") == 1
    ledger.delete("user", [2, "A"])
    ledger.calculate(2000.0)
    assert ledger.fair_share == {(1, "A"): 1.0}


def test_a_bank_that_is_inactive_takes_its_users_along(ledger):
    for userid in (1, 2):
        ledger.delete("user", [userid, "A"])
    ledger.delete("bank", ["A"])
    ledger.calculate(0.0)
    assert ledger.fair_share == {}


# -- the file ---------------------------------------------------------------------------------------


def job(id, end, userid=1):
    return JobRecord(id, userid, "A", "batch", 2, 8, 0, end - 10.0, end, 20.0)


def test_jobs_that_were(store):
    assert store.newest() == 0.0
    assert [store.add_job(job(id, end)) for id, end in ((2**64 - 1, 100.0), (2, 200.0), (2, 300.0))] == [
        True,
        True,
        False,
    ]
    store.add_job(job(3, 150.0, userid=2))
    assert store.newest() == 200.0
    assert [found.id for found in store.jobs()] == [2, 3, 2**64 - 1]
    assert store.jobs(1, since=100.0) == [job(2, 200.0)]
    assert [found.id for found in store.jobs(limit=1)] == [2]
    assert store.report(0.0, 200.0) == [("A", 1, 1, 20.0), ("A", 2, 1, 20.0)]
    assert store.scrub(160.0) == 2
    assert [found.id for found in store.jobs()] == [2]


def test_files_that_are_none_of_ours(tmp_path):
    text = tmp_path / "text"
    text.write_text("no database, but long enough to be looked at as one")
    with pytest.raises(OSError, match="file is not a database"):
        AccountingStore(str(text))
    with pytest.raises(OSError, match="unable to open"):
        AccountingStore(str(tmp_path / "no" / "where"))
    other = tmp_path / "other"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE x (y)")
    with pytest.raises(OSError, match="a database, but not one of accounts"):
        AccountingStore(str(other))
    db.execute("PRAGMA user_version=99")
    with pytest.raises(OSError, match="version 99 is from a newer release"):
        AccountingStore(str(other))
    db.close()


def test_what_was_not_committed_is_not_there(path):
    store = AccountingStore(path)
    Ledger(store).add("bank", {"bank": "root"})
    assert Ledger(AccountingStore(path)).all(Bank) == []
    store.commit()
    store.commit()
    assert Ledger(AccountingStore(path)).all(Bank) == [Bank("root")]


def test_a_disk_that_fails_is_an_error(store, monkeypatch):
    class Full:
        def execute(self, *args):
            raise sqlite3.OperationalError("database or disk is full")

        def close(self):
            pass

    monkeypatch.setattr(store, "_db", Full())
    with pytest.raises(OSError, match="accounting database: database or disk is full"):
        store.add_job(job(1, 1.0))
    store._open = False
