# SPDX-License-Identifier: LGPL-3.0-or-later
"""hostlist, idset, R and jobspec: commands that need no instance."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("argv", "out"),
    [
        (["foo[3,1,2]"], "foo[3,1-2]"),
        (["-S", "foo[3,1,2]"], "foo[1-3]"),
        (["-e", "foo[0-2]"], "foo0 foo1 foo2"),
        (["-e", "-d", ",", "foo[0-2]"], "foo0,foo1,foo2"),
        (["-e", "-d", "\\n", "foo[0-1]"], "foo0\nfoo1"),
        (["-c", "foo[0-2]"], "3"),
        (["-n", "1-2", "foo[0-3]"], "foo[1-2]"),
        (["-n", "-1", "foo[0-3]"], "foo3"),
        (["--nth", "-1-2", "foo[0-3]"], "foo[2-3]"),
        (["-F", "foo[2,0]", "foo[0-3]"], "2 0"),
        (["-L", "0", "foo[0-3]"], "foo[0-3]"),
        (["-x", "foo[1-2]", "foo[0-3,1]"], "foo[0,3]"),
        (["-x", "9", "foo[0-3]"], "foo[0-3]"),
        (["-m", "foo[0-3,2]", "foo[2-5]"], "foo[0-2]"),
        (["-m", "foo[2,0-3,2]", "foo[2,2,5]"], "foo[0-1,3,2]"),
        (["-i", "foo[3,2,0-3]"], "foo[3,2,0-3]"),
        (["-i", "foo[3,2,0-3]", "foo[2-5]"], "foo[2-3]"),
        (["-X", "foo[0-3]", "foo[5,2-4]"], "foo[0-1,4-5]"),
        (["-X", "a,b", "b,c", "c,a,b"], "b"),
        (["-S", "-n", "0", "b2,b1"], "b1"),
        (["-L", "2", "-n", "1", "b[1-9]"], "b2"),
        (["-S", "b10,b9,b010,a"], "a,b[9-10,010]"),
        (["-c", ""], "0"),
        (["-L", "2", "foo[0-3]"], "foo[0-1]"),
        (["-L", "-1", "foo[0-3]"], "foo3"),
        (["-x", "foo[1-2]", "foo[0-3]"], "foo[0,3]"),
        (["-x", "0", "foo[0-3]"], "foo[1-3]"),
        (["-i", "foo[0-3]", "foo[2-5]"], "foo[2-3]"),
        (["-m", "foo[0-3]", "foo[2-5]"], "foo[0-1]"),
        (["-X", "foo[0-3]", "foo[2-5]"], "foo[0-1,4-5]"),
        (["-u", "x1,x1", "x[1-2]"], "x[1-2]"),
    ],
)
def test_hostlist(command, argv, out):
    assert command("hostlist", *argv).out == out + "\n"


def test_hostlist_reads_its_input(command):
    assert command("hostlist", stdin="foo1 foo2\nfoo3").out == "foo[1-3]\n"
    assert command("hostlist", "-", stdin="foo1").out == "foo1\n"
    assert command("hostlist", stdin="").out == ""


@pytest.mark.parametrize("argv", [(), ("-",)])
def test_hostlist_gives_up_on_a_writer_that_is_silent(tmp_path, argv):
    """As ``hostlist <FIFO`` while another program holds the FIFO open."""
    os.mkfifo(tmp_path / "fifo")
    held = os.open(tmp_path / "fifo", os.O_RDWR)
    env = {**os.environ, "FLUX_HOSTLIST_STDIN_TIMEOUT": "0.05"}
    with open(tmp_path / "fifo", "rb") as fifo:
        words = [sys.executable, "-m", "rosin", "hostlist", *argv]
        result = subprocess.run(words, stdin=fifo, env=env, capture_output=True, text=True, timeout=50)
        assert (result.returncode, result.stdout) == (1, "")
        assert result.stderr.startswith("rosin-hostlist: ERROR: timeout after 0.05s waiting for stdin")
        env["FLUX_HOSTLIST_STDIN_TIMEOUT"] = "x"
        result = subprocess.run(words, stdin=fifo, env=env, capture_output=True, text=True, timeout=50)
        assert (
            result.stderr
            == "rosin-hostlist: ERROR: FLUX_HOSTLIST_STDIN_TIMEOUT=x: it takes seconds, as in 15\n"
        )
    os.close(held)


def test_hostlist_quiet_tells_whether_there_are_hosts(command):
    assert command("hostlist", "-q", "x[1-2]") == (0, "", "")
    assert command("hostlist", "-q", "-m", "x[1-2]", "x[1-2]").code == 1


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["-n", "9", "foo[0-3]"], "Hostlist index out of range"),
        (["-F", "zoo[1-2]", "foo[0-3]"], "hosts 'zoo[1-2]' not found"),
        (["-qF", "zoo1", "foo[0-3]"], "host 'zoo1' not found"),
        (["-n", "x", "foo[0-3]"], "idset: unexpected 'x' at column 1"),
        (["foo["], "Invalid jobid or hostlist foo["),
    ],
)
def test_hostlist_errors(command, argv, text):
    assert command("hostlist", *argv) == (1, "", f"rosin-hostlist: ERROR: {text}\n")


@pytest.mark.parametrize(
    ("argv", "out"),
    [
        (["0-3", "5"], "0-3,5"),
        (["-b", "0-3"], "[0-3]"),
        (["-i", "0-3", "2-9"], "2-3"),
        (["-m", "0-3", "2-9", "0"], "1"),
        (["-X", "0-3", "2-5"], "0-1,4-5"),
        (["-c", "0-9"], "10"),
        (["-e", "-d", ",", "0-2"], "0,1,2"),
        (["-c", "0-4294967294", "4294967295"], "4294967296"),
        (["-m", "0-4294967294", "5"], "0-4,6-4294967294"),
        (["-e", ""], ""),
    ],
)
def test_idset(command, argv, out):
    assert command("idset", *argv).out == out + "\n"


def test_idset_reads_its_input(command):
    assert command("idset", stdin="1 2\n4-5").out == "1-2,4-5\n"
    assert command("idset", "-q", stdin="").code == 1


def test_idset_expands_in_portions(command):
    assert command("idset", "-e", "0-99999").out.split() == [str(i) for i in range(100_000)]


def test_idset_error(command):
    result = command("idset", "3-1")
    assert result.code == 1
    assert result.err.startswith("rosin-idset: idset: ")


@pytest.fixture
def two_sets(command):
    first = command("R", "encode", "-r0-1", "-c0-1", "-g0", "-Hfoo[0-1]", "-pa", "-pb:1").out
    return first + command("R", "encode", "-r2-3", "-c0-3", "-Hfoo[2-3]").out


def test_R_encode(command):
    R = json.loads(command("R", "encode", "-r0-1", "-c0-1", "-g0", "-Hfoo[0-1]", "-pa", "-pb:1").out)
    assert R["execution"]["R_lite"] == [{"rank": "0-1", "children": {"core": "0-1", "gpu": "0"}}]
    assert R["execution"]["nodelist"] == ["foo[0-1]"]
    assert R["execution"]["properties"] == {"a": "0-1", "b": "1"}


def test_R_encode_defaults_to_a_core_for_each_host(command):
    R = json.loads(command("R", "encode", "-H", "a,b,c").out)
    assert R["execution"]["R_lite"] == [{"rank": "0-2", "children": {"core": "0"}}]


def test_R_encode_needs_as_many_hosts_as_ranks(command):
    result = command("R", "encode", "-r0", "-Ha,b")
    assert result.err == "rosin-R: hostname count in 'a,b' does not match nranks (1)\n"


def test_R_encode_local_has_the_cores_of_this_process(command):
    from rosin.process.topology import discover

    R = command("R", "encode", "--local").out
    assert command("R", "decode", "-c", "core", stdin=R).out == f"{len(discover().cores)}\n"


@pytest.mark.parametrize(
    ("argv", "out"),
    [
        (["decode", "-s"], "rank[0-1]/core[0-1],gpu0 rank[2-3]/core[0-3]"),
        (["decode", "-n"], "foo[0-3]"),
        (["decode", "-r"], "0-3"),
        (["decode", "-c", "core"], "12"),
        (["decode", "-c", "gpu"], "2"),
        (["decode", "-c", "node"], "4"),
        (["decode", "-r", "-i", "1-2"], "1-2"),
        (["decode", "-r", "-x", "1-2"], "0,3"),
        (["decode", "-r", "-p", "b"], "1"),
        (["decode", "-r", "-p", "^b"], "0,2-3"),
    ],
)
def test_R_decode(command, two_sets, argv, out):
    assert command("R", *argv, stdin=two_sets).out == out + "\n"


@pytest.mark.parametrize(
    ("argv", "short"),
    [
        (["append"], "rank[0-1]/core[0-1],gpu0 rank[2-3]/core[0-3]"),
        (["diff"], "rank[0-1]/core[0-1],gpu0"),
        (["intersect"], ""),
        (["remap"], "rank[0-1]/core[0-1],gpu0 rank[2-3]/core[0-3]"),
        (["rerank", "foo[2-3,0-1]"], "rank[0-1]/core[0-3] rank[2-3]/core[0-1],gpu0"),
    ],
)
def test_R_combines(command, two_sets, argv, short):
    made = command("R", *argv, stdin=two_sets).out
    assert command("R", "decode", "-s", stdin=made).out == short + "\n"


def test_R_append_refuses_overlapping_sets(command, two_sets):
    one = two_sets.splitlines()[0]
    result = command("R", "append", stdin=one + one)
    assert result.code == 1
    assert "overlap" in result.err


def test_R_properties(command, two_sets):
    made = json.loads(command("R", "set-property", "x", "y:3", stdin=two_sets).out)
    assert made["execution"]["properties"] == {"a": "0-1", "b": "1", "x": "0-3", "y": "3"}
    assert command("R", "set-property", "x:9", stdin=two_sets).err.startswith(
        "rosin-R: failed to assign properties: "
    )


@pytest.mark.parametrize(
    ("rank", "cores", "host", "code", "text"),
    [
        ("1", "0-3", "b", 0, ""),
        ("1", "1-3", "b", 1, "rank 1 (b) missing resources: core0"),
        ("1", "0-5", "b", 0, "rank 1 (b) has extra resources: core[4-5]"),
        ("1", "0-3", "x", 1, "rank 1 got hostname 'x', expected 'b'"),
        ("3", "0-3", "b", 1, "rank 3 not found in expected ranks"),
        ("0-1", "0-3", "a,b", 1, "Verification supported on single rank only"),
    ],
)
def test_R_verify(command, rank, cores, host, code, text):
    expected = command("R", "encode", "-r0-1", "-c0-3", "-Ha,b").out
    found = command("R", "encode", f"-r{rank}", f"-c{cores}", f"-H{host}").out
    result = command("R", "verify", stdin=expected + found)
    assert (result.code, result.err) == (code, f"rosin-R: {text}\n" if text else "")
    assert "exactly 2 R objects" in command("R", "verify", stdin=expected).err


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["diff"], "diff requires at least 2 resource sets"),
        (["intersect"], "intersect requires at least 2 resource sets"),
        (["decode", "-i", "x"], "include='x': idset: unexpected 'x' at column 1"),
        (["decode", "-x", "1-"], "exclude='1-': idset: expected a number at column 3"),
        (["decode", "-p", "a!"], "Invalid property constraint: invalid character '!' in property \"a!\""),
        (["encode", "-l", "-c1"], "do not specify --cores or --gpus with --local or --xml"),
        (["encode", "-c", "x"], "cores='x': idset: unexpected 'x' at column 1"),
        (["encode", "-p", "x:5"], "failed to assign properties: rank 5 not found in target resource list"),
        (["rerank", "foo1"], "Too few hosts specified (expected 2)"),
    ],
)
def test_R_errors(command, two_sets, argv, text):
    result = command("R", *argv, stdin=two_sets.splitlines()[0])
    assert result == (1, "", f"rosin-R: {text}\n")


def test_R_encode_takes_cores_for_granted_only_without_gpus(command):
    made = json.loads(command("R", "encode", "-g0-1", "-Ha").out)
    assert made["execution"]["R_lite"] == [{"rank": "0", "children": {"gpu": "0-1"}}]
    assert json.loads(command("R", "encode", "-r", "").out)["execution"]["R_lite"] == []
    made = json.loads(command("R", "encode", "-Ha,b", "-px:0", "-px:1").out)
    assert made["execution"]["properties"] == {"x": "1"}


def test_R_decode_prints_all_that_is_asked_for(command, two_sets):
    result = command("R", "decode", "-snr", "-c", "core", stdin=two_sets)
    assert result.out == "rank[0-1]/core[0-1],gpu0 rank[2-3]/core[0-3]\nfoo[0-3]\n0-3\n12\n"


def test_R_parse_config(command, tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('[[resource.config]]\nhosts = "foo[0-1]"\ncores = "0-3"\n')
    made = command("R", "parse-config", str(path)).out
    assert command("R", "decode", "-s", stdin=made).out == "rank[0-1]/core[0-3]\n"


def test_R_parse_config_of_a_file_of_R(command, tmp_path):
    (tmp_path / "R.json").write_text(command("R", "encode", "-Hz", "-c0-1").out)
    (tmp_path / "sched.json").write_text('{"writer": "x:"}')
    path = tmp_path / "r.toml"
    path.write_text(f'[resource]\npath = "{tmp_path}/R.json"\nscheduling = "{tmp_path}/sched.json"\n')
    made = json.loads(command("R", "parse-config", str(path)).out)
    assert made["scheduling"] == {"writer": "x:"}
    assert made["execution"]["nodelist"] == ["z"]
    path.write_text("[resource]\n")
    assert command("R", "parse-config", str(path)).err == (
        "rosin-R: Config file error: resource.config or resource.path must be defined\n"
    )
    path.write_text('[[resource.config]]\nhosts = "a["\ncores = "0"\n')
    assert command("R", "parse-config", str(path)).err == (
        "rosin-R: Config file error: config[0]: hostlist: unbalanced '[' at column 2\n"
    )


@pytest.mark.parametrize("text", ["", "foo", "[1", '{"version":2}'])
def test_R_bad_input_is_one_line(command, text):
    result = command("R", "decode", stdin=text)
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)


GOOD = """
version: 1
resources: [{type: slot, count: 1, label: task, with: [{type: core, count: 1}]}]
tasks: [{command: [hostname], slot: task, count: {per_slot: 1}}]
attributes: {system: {duration: 0}}
"""


def test_jobspec_validate(command, tmp_path):
    assert command("jobspec", "validate", stdin=GOOD) == (0, "", "")
    bad = tmp_path / "bad.json"
    bad.write_text('{"version": 1}')
    result = command("jobspec", "validate", str(bad))
    assert result.code == 1
    assert result.err.startswith(f"rosin-jobspec: {bad}: ")
    assert command("jobspec", "validate", "-q", str(bad)) == (1, "", "")
    assert "neither JSON nor YAML at line" in command("jobspec", "validate", stdin="a: [b").err
