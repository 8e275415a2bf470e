# SPDX-License-Identifier: LGPL-3.0-or-later
"""Task layout and templates from jobspec and R, without any process."""

import pytest

from rosin.errors import FormatError
from rosin.rfc import fluid
from rosin.rfc.idset import Idset
from rosin.shell.affinity import CpuOption, cpus_of, distribute, gpu_environment, parse_map
from rosin.shell.errors import ShellError
from rosin.shell.info import ShellInfo
from rosin.shell.layout import MAX_TASKS, Resources
from rosin.shell.mustache import render
from rosin.shell.options import Options

JOBID = fluid.parse("ƒ2TwG5P3")


def make_R(*nodes, nslots=0, nodelist=None, gpus=""):
    """R with one R_lite entry per (rank, cores)."""
    lite = [
        {"rank": rank, "children": {"core": cores} | ({"gpu": gpus} if gpus else {})} for rank, cores in nodes
    ]
    execution = {"R_lite": lite, "starttime": 0, "expiration": 0}
    if nslots:
        execution["nslots"] = nslots
    if nodelist:
        execution["nodelist"] = nodelist
    return {"version": 1, "execution": execution}


def counts(resources):
    return [node.ntasks for node in resources.nodes]


@pytest.mark.parametrize(
    ("nodes", "ntasks", "cores", "wanted"),
    [
        ([("0-1", "0-3")], 4, 1, [2, 2]),
        ([("0-1", "0-3")], 3, 1, [2, 1]),
        ([("0", "0-1"), ("1", "0-3")], 4, 1, [2, 2]),
        ([("0", "0"), ("1", "0-3")], 4, 1, [1, 3]),
        ([("0", "0"), ("1", "0-3")], 3, 2, [1, 2]),  # the smallest node bounds the cores per task
        ([("0-3", "0")], 8, 1, [2, 2, 2, 2]),  # more tasks than cores: from the start again
        ([("3", "0-1"), ("1", "0-1")], 3, 1, [2, 1]),  # sorted by rank
        ([("0", "0-7")], 2, 0, [2]),  # 0: share the cores equally
    ],
)
def test_distribution(nodes, ntasks, cores, wanted):
    resources = Resources(make_R(*nodes))
    resources.distribute(ntasks, cores)
    assert counts(resources) == wanted


def test_distribution_per_resource():
    resources = Resources(make_R(("0-1", "0-3")))
    resources.distribute_per_resource("core", 2)
    assert counts(resources) == [8, 8]
    resources.distribute_per_resource("node", 3)
    assert counts(resources) == [3, 3]


@pytest.mark.parametrize(
    "R",
    [
        {},
        {"version": 2, "execution": {"R_lite": []}},
        {"version": 1, "execution": {"R_lite": []}},
        {"version": 1, "execution": {"R_lite": [{"rank": "x", "children": {"core": "0"}}]}},
        {"version": 1, "execution": {"R_lite": [{"rank": "0", "children": {}}]}},
    ],
)
def test_a_wrong_R(R):
    with pytest.raises(FormatError):
        Resources(R)


def test_hosts_are_named():
    resources = Resources(make_R(("0-2", "0"), nodelist=["node[7-9]"]))
    assert [node.hostname for node in resources.nodes] == ["node7", "node8", "node9"]


def jobspec(ntasks=4, nodes=0, total=None, command=("prog",), exclusive=False, cwd="/tmp", **options):
    slot = {"type": "slot", "count": ntasks, "label": "t", "with": [{"type": "core", "count": 1}]}
    resources = [slot]
    if nodes:
        slot["count"] = -(-ntasks // nodes)
        resources = [{"type": "node", "count": nodes, "exclusive": exclusive, "with": [slot]}]
    count = {"per_slot": 1} if total is None else {"total": total}
    return {
        "version": 1,
        "resources": resources,
        "tasks": [{"command": list(command), "slot": "t", "count": count}],
        "attributes": {"system": {"duration": 0, "cwd": cwd, "shell": {"options": options}}},
    }


def make_info(rank=0, **kwargs):
    return ShellInfo(JOBID, jobspec(**kwargs), make_R(("0-1", "0-1"), nslots=4, nodelist=["n[1-2]"]), rank)


def test_place_of_a_shell():
    info = make_info(rank=1)
    assert (info.rank, info.size, info.ntasks) == (1, 2, 4)
    assert info.local_tasks == [2, 3]
    assert info.taskmap.wrap() == {"version": 1, "map": [[0, 2, 2, 1]]}
    assert info.host_of(3) == "n2"
    with pytest.raises(ShellError, match="rank 5 is not among"):
        make_info(rank=5)


@pytest.mark.parametrize(
    ("option", "tasks"),
    [
        ({"scheme": "block"}, [0, 1]),
        ({"scheme": "cyclic"}, [0, 2]),
        ({"scheme": "cyclic", "value": "2"}, [0, 1]),
        ({"scheme": "manual", "value": "[[1,1,2,1],[0,1,2,1]]"}, [2, 3]),
    ],
)
def test_task_maps(option, tasks):
    assert make_info(taskmap=option).local_tasks == tasks


@pytest.mark.parametrize(
    "option",
    [
        {"scheme": "block", "value": "1"},
        {"scheme": "cyclic", "value": "0"},
        {"scheme": "manual", "value": "[[0,1,4,1]]"},
        {"scheme": "manual", "value": "nonsense"},
        {"scheme": "hostfile", "value": "/no/such/file"},
    ],
)
def test_wrong_task_maps(option):
    with pytest.raises(ShellError):
        make_info(taskmap=option)


def test_a_host_file_is_sought_in_the_directory_of_the_job(tmp_path):
    (tmp_path / "hosts").write_text("n2\nn1\n")
    option = {"scheme": "hostfile", "value": "hosts"}
    assert make_info(taskmap=option, cwd=str(tmp_path)).local_tasks == [1, 3]
    with pytest.raises(ShellError, match=r"^taskmap=hosts: No such file or directory$"):
        make_info(taskmap=option, cwd="/nonexistent")


def test_a_slot_too_many_is_taken_back():
    info = make_info(rank=1, ntasks=4, nodes=2, total=3)
    assert info.local_tasks == [2]
    assert info.node.cores == Idset("0")
    assert info.adjusted == ["n2: adjusted cores from 0-1 to 0"]
    assert make_info(rank=1, ntasks=4, nodes=2, total=3, exclusive=True).adjusted == []


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{id}}", "ƒ2TwG5P3"),
        ("{{jobid}}", "ƒ2TwG5P3"),
        ("{{id.f58plain}}", "f2TwG5P3"),
        ("{{id.dec}}", str(JOBID)),
        ("{{id.nonsense}}", "{{id.nonsense}}"),
        ("{{ident}}", "{{ident}}"),
        ("{{taskid}} {{task.id}} {{task.rank}} {{task.index}} {{task.localid}}", "3 3 3 1 1"),
        ("{{name}}", "prog"),
        ("{{size}} {{ntasks}} {{nnodes}}", "4 4 2"),
        ("{{node.id}} {{node.name}} {{node.cores}} {{node.ncores}} {{node.taskids}}", "1 n2 0-1 2 2-3"),
        ("{{node.resources.cores}}", "0-1"),
        ("{{node.resources}}", '{"ncores":2,"cores":"0-1","gpus":""}'),
        ("{{unknown}} {{tmpdir}} {{", "{{unknown}} {{tmpdir}} {{"),
    ],
)
def test_templates(template, text):
    info = make_info(rank=1, command=("/usr/bin/prog", "x"))
    assert info.render(template, task=(3, 1)) == text


def test_templates_that_differ_between_shells():
    info = make_info()
    assert not info.is_per_shell("{{id}}.out")
    assert info.is_per_shell("{{node.id}}.out")
    assert info.is_per_shell("{{task.id}}.out")
    assert info.is_per_shell("{{tmpdir}}/out")
    assert info.render("{{id}}-{{node.id}}", shell_rank=info.size) == "ƒ2TwG5P3-{{node.id}}"


def test_mustache_keeps_what_it_does_not_know():
    assert render("a{{x}}b{{y}}c{{", {"x": "1"}.get) == "a1b{{y}}c{{"
    assert render("{{}}", {}.get) == "{{}}"


def test_sharing_cores():
    cores = [frozenset((n,)) for n in range(4)]
    assert distribute(cores, 2) == [{0, 1}, {2, 3}]
    assert distribute(cores, 4) == cores
    assert distribute(cores, 3) == [{0}, {1}, {2, 3}]
    assert distribute(cores[:1], 3) == [{0}] * 3
    assert distribute(cores, 8) == [cores[n // 2] for n in range(8)]


@pytest.mark.parametrize("ncores", range(1, 9))
@pytest.mark.parametrize("ntasks", range(1, 12))
def test_every_task_gets_cores_and_every_core_a_task(ncores, ntasks):
    shares = distribute([frozenset((n,)) for n in range(ncores)], ntasks)
    assert len(shares) == ntasks
    assert all(shares)
    assert frozenset().union(*shares) == set(range(ncores))


def test_cores_are_looked_up():
    table = [frozenset((0, 4)), frozenset((1, 5))]
    assert cpus_of(Idset("1"), table) == {1, 5}  # type: ignore[comparison-overlap]
    assert cpus_of(Idset("0-1"), table) == {0, 1, 4, 5}  # type: ignore[comparison-overlap]
    assert cpus_of(Idset("2"), table) is None


def test_maps_of_cpus():
    assert parse_map("0-1;2,3", 3) == [{0, 1}, {2, 3}, {0, 1}]
    assert parse_map("0x3;0xc", 2) == [{0, 1}, {2, 3}]
    assert parse_map("0x1,0x00000000", 1) == [{32}]
    assert parse_map("3,0-1;1,0", 2) == [{0, 1, 3}, {0, 1}]  # in any order
    for wrong in ("", ";", "x", "0x0", "0xz", "1-0"):
        with pytest.raises(ShellError):
            parse_map(wrong, 1)


def test_cpu_option():
    option = CpuOption("verbose,dry-run,per-task")
    assert (option.mode, option.verbose, option.dry_run) == ("per-task", True, True)
    assert CpuOption("verbose").mode == "on"
    assert CpuOption("off").mode == "off"


def test_gpus():
    assert gpu_environment("on", Idset(""), 2) == ("-1", None)
    assert gpu_environment("on", Idset("0-2"), 2) == ("0,1,2", None)
    assert gpu_environment("per-task", Idset("0-3"), 2) == ("-1", ["0,1", "2,3"])
    assert gpu_environment("map:1;0", Idset("0-1"), 2) == ("-1", ["1", "0"])


def test_options_are_checked():
    options = Options({"a": {"b": 1, "c": "x"}, "flag": 1, "zero": 0})
    assert options.get("a.b") == 1
    assert options.get("a.b.c") is None
    assert options.flag("flag")
    assert not options.flag("zero")
    assert not options.flag("none")
    assert options.string("a.c", "") == "x"
    with pytest.raises(ShellError, match=r"a\.b"):
        options.string("a.b", "")
    with pytest.raises(ShellError):
        options.integer("a.c", 0)
    assert options.size("limit", "1M", 1 << 30) == (1 << 20, "1M")


@pytest.mark.parametrize(
    "change",
    [
        {"tasks": []},
        {"tasks": [{"command": "string", "slot": "t", "count": {"per_slot": 1}}]},
        {"tasks": [{"command": [], "slot": "t", "count": {"per_slot": 1}}]},
        {"tasks": [{"command": ["x"], "slot": "t", "count": {"per_slot": 2}}]},
        {"tasks": [{"command": ["x"], "slot": "t", "count": {}}]},
        {"resources": []},
        {"resources": [{"type": "node", "count": 1}]},
        {"attributes": None},
    ],
)
def test_a_wrong_jobspec(change):
    with pytest.raises(ShellError):
        ShellInfo(JOBID, jobspec() | change, make_R(("0", "0-3"), nslots=4), 0)


def limits_spec(total=1, slots=1, **shell):
    slot = {"type": "slot", "count": slots, "label": "task", "with": [{"type": "core", "count": 1}]}
    task = {"command": ["true"], "slot": "task", "count": {"total": total}}
    attributes = {"system": {"duration": 0, "shell": {"options": shell}}}
    return {"version": 1, "resources": [slot], "tasks": [task], "attributes": attributes}


@pytest.mark.parametrize("count", [10**9, MAX_TASKS + 1])
def test_more_tasks_than_a_shell_starts(count):
    with pytest.raises(ShellError, match=f"{count} tasks on a node: a job shell starts 32768 at most"):
        ShellInfo(JOBID, limits_spec(count), make_R(("0", "0")), 0)


def test_more_tasks_per_resource_than_a_shell_starts():
    spec = limits_spec(**{"per-resource": {"type": "core", "count": 10**9}})
    with pytest.raises(ShellError, match="1000000000 tasks on a node"):
        ShellInfo(JOBID, spec, make_R(("0", "0")), 0)


def test_no_slots():
    with pytest.raises(ShellError, match="slot count 0 is not positive"):
        ShellInfo(JOBID, limits_spec(slots=0), make_R(("0", "0")), 0)
