# SPDX-License-Identifier: LGPL-3.0-or-later
"""rosin account in a real instance."""

import json
import os

import pytest

from rosin.handle import Flux
from rosin.rfc import fluid
from rosin.testing.process import RealInstance

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def instance():
    with RealInstance() as instance:
        yield instance


@pytest.fixture
def account(command, instance, monkeypatch, tmp_path):
    """Run ``rosin account ARGS...`` with a new database of one user in bank A, who is who runs this."""
    monkeypatch.setenv("FLUX_URI", instance.uri)
    monkeypatch.setenv("TZ", "UTC")
    load = ("jobtap", "load", "accounting", f"database={tmp_path / 'db'}", "period=0")
    assert command(*load) == (0, "", "")

    def run(*args):
        return command("account", *args)

    assert run("add-bank", "root") == (0, "", "")
    assert run("add-bank", "A", "--parent-bank=root", "--shares=3") == (0, "", "")
    assert run("add-user", "me", f"--userid={os.getuid()}", "-B", "A") == (0, "", "")
    yield run
    assert command("jobtap", "remove", "accounting") == (0, "", "")


def test_tables(account):
    assert account("add-queue", "batch", "--priority=-5", "--max-nodes-per-assoc=3").code == 0
    assert account("list-queues").out == (
        "queue | priority | max_running_jobs | max_nodes\n"
        "------+----------+------------------+----------\n"
        "batch | -5       | unlimited        | 3\n"
    )
    assert account("edit-queue", "batch", "--max-nodes-per-assoc=unlimited").code == 0
    assert json.loads(account("view-queue", "batch").out) == [
        {"queue": "batch", "priority": -5, "max_running_jobs": None, "max_nodes": None}
    ]
    assert account("delete-queue", "batch") == (0, "", "")
    assert account("list-queues").out == "there is no queue\n"
    assert account("list-queues", "-j").out == "[]\n"
    assert account("edit-bank", "A", "--priority=1.5", "--shares=4") == (0, "", "")
    (bank,) = json.loads(account("view-bank", "A").out)
    assert (bank["parent"], bank["shares"], bank["priority"]) == ("root", 4, 1.5)
    assert account("edit-factor", "bank", "10") == (0, "", "")
    factors = account("list-factors").out.splitlines()
    assert [line for line in factors if line.startswith(("bank", "fairshare"))] == [
        "fairshare | 100000",
        "bank      | 10",
    ]
    assert account("reset-factor", "bank") == (0, "", "")
    assert "bank      | 0\n" in account("list-factors").out


def test_users(account):
    assert account("add-user", "9001", "--bank=A", "--max-active-jobs=3", "--queues=a,b") == (0, "", "")
    assert account("add-bank", "B", "--parent-bank", "root").code == 0
    assert account("add-user", "9001", "--bank=B").code == 0
    assert account("edit-user", "9001", "-B", "B", "--default-bank").code == 0
    assert account("edit-user", "9001", "--max-active-jobs=-1").code == 0
    rows = json.loads(account("list-users", "-j").out)
    assert [(row["username"], row["bank"], row["default"], row["max_active_jobs"]) for row in rows] == [
        ("me", "A", True, None),
        ("9001", "A", False, 3),
        ("9001", "B", True, None),
    ]
    assert account("delete-user", "9001", "-B", "A", "--force") == (0, "", "")
    assert account("delete-user", "9001") == (0, "", "")
    (row,) = json.loads(account("view-user", "9001").out)
    assert (row["bank"], row["active"]) == ("B", False)


def test_what_jobs_use(account, command, instance):
    assert account("add-user", "9001", "--bank=A").code == 0
    assert command("run", "sleep", "0.01") == (0, "", "")
    with Flux(instance.uri) as h:
        (job,) = h.rpc("job-manager.accounting.jobs", {}).get()["jobs"]
    assert (job["bank"], job["nodes"], job["cores"]) == ("A", 1, 1)
    assert job["usage"] == pytest.approx(job["end"] - job["start"])
    lines = account("jobs").out.splitlines()
    assert lines[2].split(" | ")[0].strip() == fluid.encode(job["id"], "f58")
    assert account("jobs", "me", "--since=-1h", "-c1").out.splitlines()[2:] == lines[2:]
    assert len(account("jobs", "9001").out.splitlines()) == 2
    assert account("view-usage-report").out.splitlines()[2] == "A    | me   | 1    | 0.00"
    tree = account("show-usage").out.splitlines()
    assert [line.split(" | ")[:2] for line in tree[2:]] == [
        ["root", "        "],
        [" A  ", "        "],
        ["  A ", "me      "],
        ["  A ", "9001    "],
    ]
    assert [line.rpartition(" ")[2] for line in tree[4:]] == ["0.5", "1"]
    assert account("show-usage", "A").out.splitlines()[2].startswith("A ")
    assert account("clear-usage", "A").out == "usage of 1 users cleared\n"
    assert account("scrub-old-jobs").out == "0 jobs forgotten\n"
    assert account("scrub-old-jobs", "0").out == "1 jobs forgotten\n"


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["add-bank", "B"], 1, "rosin-account: add-bank: File exists: bank_table already has a root bank\n"),
        (["add-bank", "a b", "--parent-bank=root"], 1, "bank: expected a name without blanks"),
        (["add-bank", "B", "--shares=x"], 2, "argument --shares: invalid int value: 'x': it takes"),
        (["add-user", "u", "--bank=A"], 1, "this machine does not know the user u: give --userid"),
        (["add-user", "u"], 2, "the following arguments are required: -B/--bank"),
        (["add-user", "9", "--bank=Z"], 1, "add-user: No such file or directory: Bank Z does not exist"),
        (["edit-user", "me"], 1, "edit-user: Invalid argument: no fields provided for update"),
        (
            ["edit-user", "me", "--max-nodes=some"],
            2,
            "invalid limit 'some': it takes a whole number or 'unli",
        ),
        (["view-user", "9001"], 1, "user 9001 has no default bank: give --bank"),
        (["view-user", "me", "-B", "root"], 1, "user me not found in user_table"),
        (["view-bank", "Z"], 1, "bank Z not found in bank_table"),
        (["show-usage", "Z"], 1, "bank Z not found in bank_table"),
        (["delete-bank", "A"], 1, "delete-bank: Device or resource busy: bank A has 0 banks and 1 users"),
        (["edit-factor", "x", "1"], 1, "there is no factor x (known: fairshare, queue,"),
        (["edit-factor", "core", "nan"], 2, "invalid number 'nan': it takes a number, as in 1.5"),
        (["edit-factor", "core", "-1"], 1, "weight: expected a number of 0 or more, got -1"),
        (["jobs", "-c0"], 1, "limit"),
        (["jobs", "--since=zz"], 1, "zz: expected a time such as -1h"),
    ],
)
def test_what_is_wrong(account, args, code, text):
    done = account(*args)
    assert (done.code, done.out) == (code, "")
    assert text in done.err
    assert "Traceback" not in done.err


def test_without_the_plugin(command, instance, monkeypatch):
    monkeypatch.setenv("FLUX_URI", instance.uri)
    done = command("account", "list-users")
    assert done.code == 1
    assert "there are no accounts here: rosin jobtap load accounting database=/PATH" in done.err


@pytest.mark.parametrize(
    ("method", "payload"),
    [
        ("list", {}),
        ("list", {"table": "x"}),
        ("list", {"table": ["bank"]}),
        ("add", {"table": "bank"}),
        ("add", {"table": "bank", "values": {"bank": {}}}),
        ("edit", {"table": "bank", "key": [], "values": {"shares": 1}}),
        ("edit", {"table": "bank", "key": [[]], "values": {"shares": 1}}),
        ("edit", {"table": "bank", "key": ["A"], "values": {"x" * 10000: 1}}),
        ("delete", {"table": "user", "key": ["A"]}),
        ("delete", {"table": "user", "key": [True, None]}),
        ("jobs", {"limit": 10**9}),
        ("jobs", {"userid": "me"}),
        ("report", {"start": 0.0}),
        ("clear", {}),
        ("scrub", {"before": "x"}),
    ],
)
def test_requests_that_make_no_sense(account, instance, method, payload):
    with Flux(instance.uri) as h:
        with pytest.raises(OSError) as caught:
            h.rpc(f"job-manager.accounting.{method}", payload).get()
        assert len(str(caught.value)) < 300
        assert len(h.rpc("job-manager.accounting.list", {"table": "bank"}).get()["rows"]) == 2
