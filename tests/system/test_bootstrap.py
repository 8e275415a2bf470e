# SPDX-License-Identifier: LGPL-3.0-or-later
"""Brokers that find each other: by other process managers, in jobs, and by configuration files.

Hosts are network namespaces where the tests may make some.
"""

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rosin.testing.hosts import NamespaceHosts
from rosin.testing.process import wait_until_gone

pytestmark = [pytest.mark.system, pytest.mark.timeout(150)]

ROSIN = str(Path(sys.executable).with_name("rosin"))
MARK = "ROSIN_TEST_BOOTSTRAP"


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    env = {**os.environ, "TMPDIR": str(tmp_path), MARK: str(tmp_path), "R": ROSIN}
    for name in ("FLUX_URI", "FLUX_JOB_ID"):
        env.pop(name, None)
    yield env
    assert wait_until_gone(f"{MARK}={tmp_path}") == []


def run(env: dict[str, str], *command: str) -> str:
    """The output of a command that must not fail."""
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# -- process managers ---------------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("mpiexec.hydra"), reason="there is no mpiexec.hydra")
def test_under_hydra(environ):
    script = "for name in size broker.boot-method broker.mapping; do $R getattr $name; done; "
    script += "$R run -N4 $R getattr rank"
    lines = run(environ, "mpiexec.hydra", "-n", "4", ROSIN, "start", "sh", "-c", script).splitlines()
    assert lines[:3] == ["4", "simple", "[[0,1,4,1]]"]
    assert sorted(lines[3:]) == ["0", "1", "2", "3"]


INNER = """
for name in size instance-level broker.mapping broker.critical-ranks hostlist tbon.topo
do $R getattr $name; done
test "$($R getattr jobid)" = "$FLUX_ENCLOSING_ID" && echo "this is that job"
$R run -N2 sh -c 'echo $FLUX_TASK_RANK' | sort
$R --parent jobs -n -o '{uri}'
$R getattr local-uri
"""


def test_brokers_of_a_job(environ):
    hosts = "--test-hosts=one,two"
    script = f"$R run -N2 $R start sh -c {shlex.quote(INNER)}"
    lines = run(environ, ROSIN, "start", "-s2", hosts, "sh", "-c", script).splitlines()
    host = socket.gethostname()
    assert lines[:6] == ["2", "1", "[[0,2,1,1]]", "0", f"{host},{host}", "kary:32"]
    assert lines[6:9] == ["this is that job", "0", "1"]
    uri, local = lines[9:]
    assert uri == f"ssh://{host}{local.removeprefix('local://')}"


def test_an_instance_for_tests_in_a_job_is_none(environ):
    """Its brokers are started by a process manager of its own, though the job's variables are there."""
    inner = "$R getattr instance-level; $R getattr jobid-path; $R getattr jobid 2>/dev/null || echo none"
    lines = run(environ, ROSIN, "start", "sh", "-c", f"$R run $R start -s2 sh -c '{inner}' 2>&1").splitlines()
    assert lines[:2] == ["0", "/"]
    assert lines[-1] == "none"


# -- configuration files --------------------------------------------------------------------------------


class Cluster:
    """Brokers of a configuration file, each started by hand; ``inside``: the words that enter a host."""

    def __init__(self, env: dict[str, str], path: Path, inside: Callable[[str], list[str]]) -> None:
        self.env = env
        self._path = path
        self._inside = inside
        self.brokers: dict[str, subprocess.Popen[str]] = {}

    def configure(self, text: str) -> None:
        certificate = self._path / "certificate"
        subprocess.run([ROSIN, "keygen", str(certificate)], env=self.env, check=True)
        (self._path / "conf.toml").write_text(text.replace("CERTIFICATE", str(certificate)))

    def words(self, host: str) -> list[str]:
        return [*self._inside(host), ROSIN, "broker", f"-c{self._path}/conf.toml", f"-Shostname={host}"]

    def start(self, host: str, *more: str) -> subprocess.Popen[str]:
        out = subprocess.PIPE
        self.brokers[host] = subprocess.Popen(
            [*self.words(host), *more],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            text=True,
        )
        return self.brokers[host]

    def close(self) -> None:
        for broker in self.brokers.values():
            broker.terminate()
        for broker in self.brokers.values():
            with contextlib.suppress(ValueError):
                broker.communicate(timeout=60)


@pytest.fixture
def cluster(environ, tmp_path):
    made = Cluster(environ, tmp_path, lambda host: [])
    yield made
    made.close()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


CONF = """
[bootstrap]
curve_cert = "CERTIFICATE"
hosts = [
  {{ host = "a", bind = "tcp://127.0.0.1:{port}", connect = "tcp://localhost:{port}" }},
  {{ host = "b", bind = "ipc://{path}/%h", connect = "ipc://{path}/%h" }},
  {{ host = "c", parent = "b" }},
]
"""
#: The tree, once all are there, from rank 0.
SHOW = """
$R overlay status --wait=full --timeout=60 --no-pretty -Lnever
until $R exec -r1-2 true 2>/dev/null; do :; done
$R exec -r1-2 --label-io $R getattr tbon.parent-endpoint | sort
for name in broker.boot-method tbon.topo tbon.endpoint hostlist broker.critical-ranks broker.mapping
do $R getattr $name; done
$R run -N3 sh -c 'echo $FLUX_TASK_RANK' | sort
"""


def test_late_brokers_of_a_tree_of_ones_own(cluster, tmp_path):
    port = free_port()
    cluster.configure(CONF.format(port=port, path=tmp_path))
    late = f"""
until $R overlay status --no-pretty -Lnever | grep '^ *1 b: partial'; do :; done
mkfifo {tmp_path}/go; cat {tmp_path}/go
"""
    quorum = ("-Sbroker.quorum=2", "-Sbroker.quorum-warn=100ms")
    root = cluster.start("a", *quorum, "sh", "-c", late + SHOW)
    assert root.stderr is not None
    while "quorum delayed: waiting for b,c (rank 1-2)" not in (line := root.stderr.readline()):
        assert line  # or it has ended
    leaves = [cluster.start("b")]
    while not (tmp_path / "go").exists():
        assert root.poll() is None
    leaves.append(cluster.start("c"))
    (tmp_path / "go").write_text("go on\n")
    out, _ = root.communicate(timeout=100)
    assert out.splitlines() == [
        "1 b: partial",
        "go on",
        "0 a: full",
        "1 b: full",
        "2 c: full",
        f"1: tcp://localhost:{port}",
        f"2: ipc://{tmp_path}/b",
        "config",
        "custom",
        f"tcp://localhost:{port}",
        "a,b,c",
        "0-1",
        "[[0,3,1,1]]",
        "0",
        "1",
        "2",
    ]
    assert [broker.wait(60) for broker in (root, *leaves)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "host", "error"),
    [
        ("hosts = [{ host = 'a' }]", "b", "bootstrap.hosts: this host, b, is not in the list, which has a; "),
        ("hosts = [{ host = 'a,b' }]", "a", "bootstrap.curve_cert: several hosts need the path of the cert"),
        (
            "curve_cert = 'CERTIFICATE'\nhosts = [{ host = 'a,b' }]",
            "a",
            "bootstrap (config): bootstrap.hosts: a (rank 0) has brokers below it and needs bind",
        ),
        (
            "curve_cert = '/no/certificate'\nhosts = [{ host = 'a,b' }]",
            "b",
            "bootstrap (config): ",
        ),
        ("host = 1", "a", "bootstrap.host: unknown key; did you mean hosts?"),
    ],
)
def test_what_is_wrong_is_one_line(cluster, text, host, error):
    cluster.configure(f"[bootstrap]\n{text}\n")
    broker = cluster.start(host, "true")
    _, err = broker.communicate(timeout=60)
    assert broker.returncode != 0
    (line,) = err.splitlines()
    assert error in line


# -- hosts with networks of their own -----------------------------------------------------------------


@pytest.fixture
def hosts():
    """Hosts a, b and c."""
    made = NamespaceHosts("abc")
    try:
        made.__enter__()
    except OSError as exc:
        pytest.skip(f"no network namespaces can be made here: {exc}")
    yield made
    made.__exit__(None, None, None)


@pytest.mark.parametrize(("ipv6", "suffix"), [("false", ""), ("true", "-v6")])
def test_hosts_with_networks_of_their_own(environ, tmp_path, hosts, ipv6, suffix):
    made = Cluster(environ, tmp_path, hosts.words)
    made.configure(f"""
[bootstrap]
curve_cert = "CERTIFICATE"
enable_ipv6 = {ipv6}
default_port = 8050
default_bind = "tcp://{"[::]" if suffix else "eth0"}:%p"
default_connect = "tcp://%h{suffix}:%p"
hosts = [ {{ host = "a,b" }}, {{ host = "c", parent = "b" }} ]
""")
    try:
        root = made.start("a", "sh", "-c", SHOW)
        leaves = [made.start(host) for host in "bc"]
        out, err = root.communicate(timeout=100)
        assert out.splitlines()[:6] == [
            "0 a: full",
            "1 b: full",
            "2 c: full",
            f"1: tcp://a{suffix}:8050",
            f"2: tcp://b{suffix}:8050",
            "config",
        ]
        assert [broker.wait(60) for broker in (root, *leaves)] == [0, 0, 0], err
    finally:
        made.close()
