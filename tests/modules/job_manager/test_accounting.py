# SPDX-License-Identifier: LGPL-3.0-or-later
"""The plugin accounting: who may run what, who is next, and what it costs."""

import pytest

from rosin import _json
from rosin.modules.job_manager import control, restart, update
from rosin.modules.job_manager.plugins import load

from .bench import OWNER, R, make_jobspec

ANN, BOB = 2001, 2002


@pytest.fixture
def accounts(bench, tmp_path):
    """The plugin, with users ann and bob in bank A and ann in B; ``accounts(table, key, values)`` edits."""
    load.load(bench.manager.jobtap, "accounting", {"database": str(tmp_path / "db"), "period": 60})
    plugin = bench.manager.jobtap.plugins[-1]
    for row in ({"bank": "root"}, {"bank": "A", "parent": "root"}, {"bank": "B", "parent": "root"}):
        plugin.ledger.add("bank", row)
    for userid, name, bank in ((ANN, "ann", "A"), (BOB, "bob", "A"), (ANN, "ann", "B")):
        plugin.ledger.add("user", {"userid": userid, "username": name, "bank": bank})
    plugin.ledger.add("queue", {"queue": "batch"})
    plugin.refresh()
    bench.online()

    def edit(table, key, **values):
        plugin.ledger.edit(table, key, values)
        plugin.refresh()

    edit.plugin = plugin  # type: ignore[attr-defined]
    return edit


def at(time):
    """R of a job that starts then."""
    held = _json.loads(_json.dumps(R))
    held["execution"]["starttime"] = time
    return held


def submit(bench, userid=ANN, **system):
    return bench.submit(make_jobspec(60.0, **system), userid=userid)


def held(bench, id):
    return sorted(bench.job(id).dependencies or ())


def end(bench, id):
    """A job that was allocated is over."""
    bench.exec(id, "start")
    bench.exec(id, "finish", status=0)
    bench.exec(id, "release", ranks="all", final=True)
    bench.settle()


def start(bench, id):
    bench.settle()
    bench.alloc(id)
    bench.settle()


# -- who may ----------------------------------------------------------------------------------------


def test_jobs_of_users_have_their_default_bank(bench, accounts):
    id = submit(bench)
    assert bench.job(id).jobspec["attributes"]["system"]["bank"] == "A"
    assert bench.names(id)[:3] == ["submit", "jobspec-update", "validate"]
    id = submit(bench, bank="B")
    assert "jobspec-update" not in bench.names(id)


@pytest.mark.parametrize(
    ("userid", "system", "text"),
    [
        (3000, {}, "cannot find user/bank or user/default bank entry for uid: 3000"),
        (BOB, {"bank": "B"}, "cannot find user/bank or user/default bank entry for uid: 2002"),
        (OWNER, {"bank": "C"}, "cannot find user/bank or user/default bank entry for uid: 1000"),
        (OWNER, {"bank": 3}, "attributes.system.bank: expected a string"),
    ],
)
def test_others_have_none(bench, accounts, userid, system, text):
    with pytest.raises(OSError, match=text):
        submit(bench, userid, **system)
    assert bench.manager.active == {}


def test_the_owner_needs_no_account(bench, accounts):
    id = submit(bench, OWNER)
    assert bench.job(id).priority == 50_000
    bench.run(id)
    assert accounts.plugin.store.jobs() == []


def test_a_closed_account(bench, accounts):
    accounts.plugin.ledger.delete("user", [BOB, "A"])
    with pytest.raises(OSError, match="user/bank entry has been disabled: bob/A"):
        submit(bench, BOB)


def test_what_an_account_does_not_allow(bench, accounts):
    accounts("user", [ANN, "A"], queues="debug,test", max_nodes=2, max_cores=3, max_active_jobs=1)
    accounts("queue", ["batch"], max_nodes=1)
    from rosin.modules.job_manager.plugins.limits import resource_counts

    nodes = make_jobspec(1.0)
    nodes["resources"] = [{"type": "node", "count": 3, "with": nodes["resources"]}]
    assert resource_counts(nodes)["nnodes"] == 3
    with pytest.raises(
        OSError, match=r"job size \(3 node\(s\), 3 core\(s\)\) is greater than max resources l"
    ):
        bench.submit(nodes, userid=ANN)
    nodes["resources"][0]["count"] = 2
    nodes["attributes"]["system"]["queue"] = "batch"
    bench.manager.queues._queues["batch"] = bench.manager.queues._queues["debug"] = next(
        iter(bench.manager.queues._queues.values())
    )
    with pytest.raises(OSError, match='queue "batch" not valid for user; valid queues for user: debug,test'):
        bench.submit(nodes, userid=ANN)
    accounts("user", [ANN, "A"], queues="")
    with pytest.raises(OSError, match=r"max resources limit configured for queue \(1 node\(s\)\)"):
        bench.submit(nodes, userid=ANN)
    submit(bench)
    with pytest.raises(OSError, match="user has max active jobs"):
        submit(bench)
    submit(bench, bank="B")


# -- how much at a time -----------------------------------------------------------------------------


def test_jobs_beyond_the_limit_wait_in_their_order(bench, accounts):
    accounts("user", [ANN, "A"], max_running_jobs=1)
    first, second, third = (submit(bench) for _ in range(3))
    other = submit(bench, BOB)
    assert [held(bench, id) for id in (first, second, third, other)] == [
        [],
        ["max-running-jobs-user-limit"],
        ["max-running-jobs-user-limit"],
        [],
    ]
    control.urgency(bench.manager, bench.request(payload={"id": third, "urgency": 20}))
    start(bench, first)
    assert held(bench, third)  # a job that runs has its place until it is over
    end(bench, first)
    assert (held(bench, second), held(bench, third)) == (["max-running-jobs-user-limit"], [])
    bench.manager.except_(bench.job(third), "cancel", 0)
    bench.alloc(third, type=3)
    assert held(bench, second) == []
    query = bench.manager.jobtap.query("accounting")["jobs"]
    assert query == {
        f"{ANN}/A": {"active": 1, "running": 1, "nodes": 1},
        f"{BOB}/A": {"active": 1, "running": 1, "nodes": 1},
    }


def test_a_limit_that_is_raised_lets_jobs_go(bench, accounts):
    accounts("user", [ANN, "A"], max_cores=1)
    ids = [submit(bench) for _ in range(4)]
    assert [held(bench, id) for id in ids] == [[]] + [["max-resources-user-limit"]] * 3
    accounts("user", [ANN, "A"], max_cores=3)
    assert [bool(held(bench, id)) for id in ids] == [False, False, False, True]
    accounts.plugin.ledger.delete("user", [ANN, "A"], force=True)
    accounts.plugin.refresh()
    assert held(bench, ids[3]) == []


def test_a_queue_that_is_full_does_not_hold_up_others(bench, accounts):
    queues = bench.manager.queues._queues
    queues["batch"] = queues["debug"] = next(iter(queues.values()))
    accounts("queue", ["batch"], max_running_jobs=1)
    first, second = (submit(bench, queue="batch") for _ in range(2))
    third = submit(bench, queue="debug")
    assert [held(bench, id) for id in (first, second, third)] == [[], ["max-run-jobs-queue"], []]
    accounts("queue", ["batch"], max_running_jobs=None, max_nodes=1)
    assert held(bench, second) == ["max-run-jobs-queue"]
    accounts("queue", ["batch"], max_nodes=2)
    assert held(bench, second) == []


def test_what_waits_for_something_else_takes_nobodys_place(bench, accounts):
    accounts("user", [ANN, "A"], max_running_jobs=1)
    first = submit(bench, OWNER)
    begin = str(bench.port.time + 100)
    waits = submit(bench, dependencies=[{"scheme": "begin-time", "value": begin}])
    assert held(bench, waits)[1:] == ["max-running-jobs-user-limit"]
    second = submit(bench)
    assert held(bench, second) == []
    third = submit(bench)
    bench.port.advance(60.0)
    bench.port.advance(60.0)
    assert held(bench, waits) == ["max-running-jobs-user-limit"]
    start(bench, second)
    end(bench, second)
    assert (held(bench, waits), held(bench, third)) == ([], ["max-running-jobs-user-limit"])
    assert first in bench.manager.active


def test_after_a_restart_the_same_jobs_are_held(bench, accounts, tmp_path):
    accounts("user", [ANN, "A"], max_running_jobs=1)
    first, second = submit(bench), submit(bench)
    stored = [(id, bench.job(id).jobspec, bench.job(id).lines) for id in (first, second)]
    accounts.plugin.store.close()
    bench.__init__()
    load.load(bench.manager.jobtap, "accounting", {"database": str(tmp_path / "db")})
    for id, spec, lines in stored:
        plain = {**spec, "attributes": {"system": {"duration": 60.0}}}
        restart.load(bench.manager, restart.replay(id, b"".join(line + b"\n" for line in lines), plain, None))
    restart.resume(bench.manager)
    bench.online()
    assert (held(bench, first), held(bench, second)) == ([], ["max-running-jobs-user-limit"])
    start(bench, first)
    end(bench, first)
    assert held(bench, second) == []


def test_without_the_plugin_nobody_is_held(bench, accounts):
    accounts("user", [ANN, "A"], max_running_jobs=0)
    id = submit(bench)
    assert held(bench, id) == ["max-running-jobs-user-limit"]
    load.remove(bench.manager.jobtap, "accounting")
    assert held(bench, id) == []


# -- who is next ------------------------------------------------------------------------------------


def test_priorities(bench, accounts):
    accounts("bank", ["A"], priority=2.0)
    accounts("factor", ["bank"], weight=7.0)
    assert bench.job(submit(bench)).priority == 100_014
    assert bench.job(bench.submit(make_jobspec(1.0), userid=ANN, urgency=20)).priority == 104_014
    assert bench.job(bench.submit(make_jobspec(1.0), userid=ANN, urgency=0)).priority == 0
    assert bench.job(bench.submit(make_jobspec(1.0), userid=OWNER, urgency=31)).priority == 2**32 - 1
    accounts("factor", ["fairshare"], weight=0.0)
    least = bench.job(bench.submit(make_jobspec(1.0), userid=ANN, urgency=1))
    assert least.priority == 1  # 0 would be held
    accounts("factor", ["urgency"], weight=1e12)
    assert bench.job(bench.submit(make_jobspec(1.0), userid=ANN, urgency=30)).priority == 2**32 - 2


def test_who_has_used_something_comes_later(bench, accounts):
    id = submit(bench)
    bench.settle()
    bench.alloc(id, R=at(bench.port.time))
    bench.settle()
    bench.port.time += 100.0
    end(bench, id)
    (job,) = accounts.plugin.store.jobs()
    assert (job.userid, job.bank, job.nodes, job.cores, job.usage) == (ANN, "A", 1, 2, 100.0)
    assert job.end - job.start == 100.0
    ann, bob = submit(bench), submit(bench, BOB)
    assert bench.job(ann).priority == bench.job(bob).priority
    bench.port.advance(60.0)
    assert (bench.job(ann).priority, bench.job(bob).priority) == (33_333, 66_667)  # B, of whom nobody has


def test_a_job_is_charged_once(bench, accounts):
    id = submit(bench)
    start(bench, id)
    job = bench.job(id)
    end(bench, id)
    bench.manager.jobtap.tell("job.inactive-add", job)
    assert len(accounts.plugin.store.jobs()) == 1


def test_jobs_that_were_over_before_there_were_accounts_cost_nothing(bench, accounts):
    id = submit(bench)
    start(bench, id)
    job = bench.job(id)
    end(bench, id)
    other = _json.loads(_json.dumps(job.jobspec))
    old = restart.replay(id + 1, b"".join(line + b"\n" for line in job.lines), other, R)
    assert old is not None
    old.t_clean = bench.port.time - 1e6
    bench.manager.jobtap.tell("job.inactive-add", old)
    assert len(accounts.plugin.store.jobs()) == 1
    old.t_clean = bench.port.time
    bench.manager.jobtap.tell("job.inactive-add", old)
    assert len(accounts.plugin.store.jobs()) == 2


# -- updates ----------------------------------------------------------------------------------------


def change(bench, id, **system):
    updates = {f"attributes.system.{name}": value for name, value in system.items()}
    update.update(bench.manager, bench.request(payload={"id": id, "updates": updates}))


def test_a_job_changes_its_bank(bench, accounts):
    accounts("user", [ANN, "A"], max_running_jobs=1)
    first, second = submit(bench), submit(bench)
    change(bench, second, bank="B")
    assert bench.manager.jobtap.query("accounting")["jobs"][f"{ANN}/B"]["active"] == 1
    assert held(bench, second) == []
    third = submit(bench)
    assert held(bench, third)
    change(bench, first, bank="B")
    assert held(bench, third) == []


def test_a_job_that_waits_changes_to_a_bank_with_a_limit(bench, accounts):
    """What it waits for besides does not stand for the limit, which is not in its log yet."""
    accounts("user", [ANN, "B"], max_running_jobs=1)
    begin = str(bench.port.time + 100)
    waits = submit(bench, dependencies=[{"scheme": "begin-time", "value": begin}])
    change(bench, waits, bank="B")
    assert held(bench, waits)[1:] == ["max-running-jobs-user-limit"]
    bench.port.advance(60.0)
    bench.port.advance(60.0)
    bench.settle()
    assert held(bench, waits) == []


def test_banks_to_which_it_cannot(bench, accounts):
    accounts("user", [ANN, "B"], max_running_jobs=1, max_active_jobs=2)
    id, other = submit(bench), submit(bench, bank="B")
    for bank, text in (
        ("C", f"cannot find user/bank entry for uid/bank: {ANN}/C"),
        (3, "bank: expected a string"),
        ("B", r"updating to bank B is not allowed while it is at its limit \(max-running-jobs-user-limit\)"),
    ):
        with pytest.raises(OSError, match=text):
            change(bench, id, bank=bank)
    submit(bench, bank="B")
    with pytest.raises(OSError, match="new bank is already at max-active-jobs limit"):
        change(bench, id, bank="B")
    start(bench, other)
    with pytest.raises(OSError, match="update of bank for running job not supported"):
        change(bench, other, bank="A")


# -- settings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conf", "text"),
    [
        ({}, "database: expected the path of a file, as in database=/var/lib"),
        ({"database": "here"}, "database: expected the path of a file"),
        ({"database": "/no/such/folder/x"}, "/no/such/folder/x: unable to open database file"),
        ({"database": "/x", "period": "1m"}, "period: expected seconds from 0 to 86400, got '1m'"),
        ({"database": "/x", "path": "/y"}, r"path: unknown setting \(known: database, period\)"),
    ],
)
def test_wrong_settings(bench, conf, text):
    with pytest.raises(OSError, match=text):
        load.load(bench.manager.jobtap, "accounting", conf)
    assert not bench.port.served.keys() & {"job-manager.accounting.add"}
