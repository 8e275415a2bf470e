# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a broker makes before it starts, and what it leaves: directories, attributes, the log's file."""

import errno
import os
import socket
from pathlib import Path

import pytest

from rosin.broker import rundir
from rosin.testing.bootstrap import MemoryBootstrap

DIRECTORIES = pytest.mark.parametrize("name", ["rundir", "statedir"])


def value(life, name):
    return life.broker.attrs.value(name)


@DIRECTORIES
def test_a_directory_that_is_not_named_is_made_and_removed(live, tmp_path, name):
    life = live()
    life.instance.prepare()
    path = value(life, name)
    assert os.path.dirname(path) == str(tmp_path / "tmp")
    assert value(life, f"{name}-cleanup") == "1"
    life.instance.clean_up()
    assert os.listdir(tmp_path / "tmp") == []
    assert life.logged("is new") == []


@DIRECTORIES
def test_a_made_directory_may_be_kept(live, tmp_path, name):
    life = live(attrs={f"{name}-cleanup": "0"})
    life.instance.prepare()
    path = value(life, name)
    assert value(life, f"{name}-cleanup") == "0"
    life.instance.clean_up()
    assert [str(entry) for entry in (tmp_path / "tmp").iterdir()] == [path]


@DIRECTORIES
@pytest.mark.parametrize(("cleanup", "stays"), [(None, True), ("0", True), ("1", False)])
def test_a_directory_that_is_there_is_the_users(live, tmp_path, name, cleanup, stays):
    path = tmp_path / "mine"
    path.mkdir(0o700)
    life = live(attrs={name: str(path), **({f"{name}-cleanup": cleanup} if cleanup else {})})
    life.instance.prepare()
    assert value(life, name) == str(path)
    assert value(life, f"{name}-cleanup") == ("0" if stays else "1")
    assert life.logged("is new") == []
    life.instance.clean_up()
    assert path.exists() is stays
    assert os.listdir(tmp_path / "tmp") == []


@DIRECTORIES
@pytest.mark.parametrize("cleanup", [None, "0", "1"])
def test_a_named_directory_that_is_made_goes_and_says_so(live, tmp_path, monkeypatch, name, cleanup):
    monkeypatch.chdir(tmp_path)
    life = live(attrs={name: "new", **({f"{name}-cleanup": cleanup} if cleanup else {})})
    life.instance.prepare()
    path = tmp_path / "new"
    assert value(life, name) == str(path)
    stays = cleanup == "0"
    notice = f"{name} {path} is new and is removed at the end; make it first, or set {name}-cleanup=0"
    assert life.logged("is new") == ([] if stays else [(5, notice)])
    life.instance.clean_up()
    assert path.exists() is stays


def test_one_made_in_a_directory_for_all_needs_no_notice(live, tmp_path):
    (tmp_path / "all").mkdir()
    (tmp_path / "all").chmod(0o1777)
    life = live(attrs={"rundir": str(tmp_path / "all")})
    life.instance.prepare()
    assert os.path.dirname(value(life, "rundir")) == str(tmp_path / "all")
    assert life.logged("is new") == []
    life.instance.clean_up()
    assert os.listdir(tmp_path / "all") == []


@pytest.mark.parametrize("cleanup", ["0", "1"])
@DIRECTORIES
def test_the_directory_of_another_instance_is_left_alone(live, tmp_path, name, cleanup):
    path = tmp_path / "taken"
    path.mkdir(0o700)
    lock = rundir.lock(str(path), name)
    life = live(attrs={name: str(path), f"{name}-cleanup": cleanup})
    with pytest.raises(BlockingIOError, match=f"{name} {path} is in use by another instance"):
        life.instance.prepare()
    life.instance.clean_up()
    assert path.exists()
    assert os.listdir(tmp_path / "tmp") == []
    os.close(lock)
    life = live(attrs={name: str(path)})
    life.instance.prepare()
    life.instance.clean_up()
    os.close(rundir.lock(str(path), name))  # the claim goes with the instance


def test_both_directories_may_be_one(live, tmp_path):
    life = live(attrs={"rundir": str(tmp_path / "one"), "statedir": str(tmp_path / "one")})
    life.instance.prepare()
    life.instance.clean_up()
    assert not (tmp_path / "one").exists()


def test_attributes(live, tmp_path, monkeypatch):
    for name in ("FLUX_URI", "FLUX_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    life = live(attrs={"tbon.fanout": "2", "test.x": "y"}, config_path="/etc/x.toml")
    life.instance.prepare()
    host = socket.gethostname()
    shown = {
        "tbon.topo": "kary:2",
        "test.x": "y",
        "config.path": "/etc/x.toml",
        "hostname": host,
        "hostlist": host,
        "local-uri": f"local://{value(life, 'rundir')}/local-0",
        "broker.pid": str(os.getpid()),
        "security.owner": str(os.getuid()),
        "instance-level": "0",
        "log-ring-size": "1024",
    }
    assert {name: value(life, name) for name in shown} == shown
    assert not {"tbon.fanout", "parent-uri", "jobid"} & set(life.broker.attrs.names())
    assert life.broker.config_path == "/etc/x.toml"
    life.instance.clean_up()


def test_attributes_that_are_given_win(live):
    given = {
        "hostname": "a",
        "hostlist": "b",
        "local-uri": "local:///c",
        "log-level": "3",
        "tbon.topo": "kary:5",
    }
    life = live(attrs=given, config={"tbon": {"topo": "kary:4", "zmqdebug": 1}})
    life.instance.prepare()
    assert {name: value(life, name) for name in given} == given
    assert value(life, "tbon.zmqdebug") == "1"
    assert "config.path" not in life.broker.attrs.names()
    life.broker.log(3, "x", "kept")
    life.broker.log(4, "x", "not kept")
    assert life.logged("kept") == [(3, "kept")]
    life.instance.clean_up()
    life = live(attrs={"hostname": "a"})
    life.instance.prepare()
    assert value(life, "hostlist") == "a"
    life.instance.clean_up()


@pytest.mark.parametrize("is_job", [True, False])
async def test_the_enclosing_instance(live, tmp_path, monkeypatch, is_job):
    """Whether this is a job the process manager says: the variables are there in whatever a job starts."""
    monkeypatch.setenv("FLUX_URI", "local:///parent")
    monkeypatch.setenv("FLUX_JOB_ID", "ƒ1")
    monkeypatch.setenv("FLUX_JOB_ID_PATH", "/ƒ9/ƒ1")
    monkeypatch.setenv("FLUX_KVS_NAMESPACE", "job-1")
    found = {"jobid": "ƒ1", "instance-level": "2"} if is_job else {}
    command = ("sh", "-c", f'echo "$FLUX_ENCLOSING_ID" >{tmp_path}/id')
    life = live(*command, bootstrap=MemoryBootstrap(0, 1, found=found))
    assert await life.run() == 0
    names = {"parent-uri", "jobid", "parent-kvs-namespace"}
    expected = {"jobid-path": "/", "instance-level": "0"}
    if is_job:
        expected = {
            "parent-uri": "local:///parent",
            "jobid": "ƒ1",
            "jobid-path": "/ƒ9/ƒ1",
            "instance-level": "2",
            "parent-kvs-namespace": "job-1",
        }
    assert {name: value(life, name) for name in expected} == expected
    assert names & set(life.broker.attrs.names()) == names & set(expected)
    assert (tmp_path / "id").read_text() == ("ƒ1\n" if is_job else "\n")


@pytest.mark.parametrize(
    ("attrs", "config", "text"),
    [
        ({"nosuch": "1"}, {}, "nosuch: unknown attribute"),
        ({"rank": "1"}, {}, "rank: attribute may not be set on the command line"),
        ({"log-level": "loud"}, {}, "log-level=loud: expected a level"),
        ({}, {"tbon": {"topo": "ring"}}, "tbon.topo=ring: expected kary:N"),
    ],
)
def test_a_wrong_attribute_is_the_callers_error(live, tmp_path, attrs, config, text):
    life = live(attrs=attrs, config=config)
    with pytest.raises(OSError, match=text) as caught:
        life.instance.prepare()
    assert caught.value.errno == errno.EINVAL
    life.instance.clean_up()
    assert os.listdir(tmp_path / "tmp") == []


def test_the_log_goes_to_a_file_until_the_end(live, tmp_path: Path):
    path = tmp_path / "log"
    life = live(attrs={"log-filename": str(path)})
    life.instance.prepare()
    life.broker.log(6, "somebody", "written")
    (file,) = life.broker.ring.sinks
    life.instance.clean_up()
    assert path.read_text().endswith(" somebody.info[0]: written\n")
    assert file._fd == -1


def test_a_command_for_who_comes_over_ssh(live, tmp_path, monkeypatch):
    (tmp_path / "run").mkdir(0o700)
    (tmp_path / "installed").mkdir()
    for name in ("rosin", "flux"):
        (tmp_path / "installed" / name).touch(0o755)
    monkeypatch.setattr("sys.argv", [str(tmp_path / "installed" / "rosin")])
    life = live(attrs={"rundir": str(tmp_path / "run")})
    life.instance.prepare()
    assert os.readlink(tmp_path / "run" / "bin" / "flux") == str(tmp_path / "installed" / "flux")
    life.instance.clean_up()
    assert os.listdir(tmp_path / "run") == []


def test_a_directory_of_the_users_beside_the_command_stays(live, tmp_path):
    (tmp_path / "run" / "bin").mkdir(0o700, parents=True)
    life = live(attrs={"rundir": str(tmp_path / "run")})
    life.instance.prepare()
    life.instance.clean_up()
    assert os.listdir(tmp_path / "run") == ["bin"]


def test_a_temporary_directory_that_is_too_long_is_not_used_and_that_is_said(live, tmp_path, monkeypatch):
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setenv("TMPDIR", str(deep))
    life = live()
    life.instance.prepare()
    path = value(life, "rundir")
    assert os.path.dirname(path) == "/tmp"
    said = f"rundir is {path}: TMPDIR={deep} is too long for the path of a UNIX socket"
    assert life.logged("too long") == [(4, said)]
    life.instance.clean_up()
    assert not os.path.exists(path)


def test_a_named_one_that_is_too_long_is_used_and_that_is_said(live, tmp_path):
    life = live(attrs={"rundir": str(tmp_path / ("x" * 100))})
    life.instance.prepare()
    assert [level for level, _ in life.logged("other programs than Rosin do not reach it")] == [4]
    life.instance.clean_up()
