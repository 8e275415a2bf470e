# SPDX-License-Identifier: LGPL-3.0-or-later
"""docs/how-to/cluster.md is followed line by line, on hosts that are network namespaces.

Files of the page are made below a folder of the test, and what their lines name is looked for there. What
systemd would do is done here: the units' command lines are run as they stand, until they say that they are
ready.
"""

import configparser
import json
import os
import re
import select
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rosin.testing.hosts import NamespaceHosts
from rosin.testing.process import wait_until_gone

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "cluster.md").read_text(encoding="utf-8")
ROSIN = str(Path(sys.executable).with_name("rosin"))
MARK = "ROSIN_TEST_CLUSTER"
NAMES = ("node0", "node1", "node2")
#: A block, and the file that the text before it names last.
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"`(/etc/[\w./-]+)`")
_COMMAND = re.compile(r"^(node\d)\$ (.*)\n((?:(?!node\d\$ ).*\n)*)", re.MULTILINE)


class Host:
    """One host: the page's paths are in folders of it or, below ``/etc``, in one of all."""

    def __init__(self, name: str, words: list[str], folder: Path) -> None:
        self.words = words
        self._etc = folder
        self._own = folder / name
        self.env = {
            **{key: value for key, value in os.environ.items() if key != "FLUX_URI"},
            "PATH": f"{os.path.dirname(ROSIN)}{os.pathsep}{os.environ['PATH']}",
            "ROSIN_REGISTRY": str(folder / "registry"),
            MARK: str(folder),
        }
        for path in ("run/flux", "var/lib/flux"):
            (self._own / path).mkdir(parents=True)
        self.units: dict[str, subprocess.Popen[bytes]] = {}

    def here(self, text: str) -> str:
        """The page's text with the paths of the test."""
        text = text.replace("/opt/rosin/bin/rosin", ROSIN)
        text = text.replace('"0-1"', f'"0-{(os.cpu_count() or 1) - 1}"')
        for path in ("/etc/flux", "/etc/systemd"):
            text = text.replace(path, f"{self._etc}{path}")
        for path in ("/run/flux", "/var/lib/flux"):
            text = text.replace(path, f"{self._own}{path}")
        return text

    def run(self, command: str) -> str:
        """What a line prints."""
        words = shlex.split(command)
        if words[0] == "systemctl":
            return self.systemctl(words[1], words[-1])
        command = command.replace("overlay status", "overlay status -t60s")  # however busy the machine is
        env = {**self.env, "FLUX_URI": f"local://{self._own}/run/flux/local"}
        done = subprocess.run(
            [*self.words, "sh", "-c", self.here(command)],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=100,
            check=False,
        )
        return done.stdout.replace(str(self._etc), "").replace(f"/{self._own.name}/", "/")

    def systemctl(self, what: str, unit: str) -> str:
        if what == "stop":
            broker = self.units.pop(unit)
            broker.terminate()
            assert broker.wait(60) in (0, 42)
        else:
            parsed = configparser.ConfigParser(interpolation=None, strict=False)
            parsed.read_string((self._etc / f"etc/systemd/system/{unit}.service").read_text())
            self._start(unit, parsed["Service"])
        return ""

    def _start(self, unit: str, service: configparser.SectionProxy) -> None:
        command = shlex.split(self.here(service["ExecStart"].replace("\\\n", " ")))
        env = {**self.env}
        env |= dict(pair.split("=", 1) for pair in self.here(service.get("Environment", "")).split())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            address = str(self._own / "notify")
            notices.bind(address)
            env["NOTIFY_SOCKET"] = address
            null = subprocess.DEVNULL
            self.units[unit] = started = subprocess.Popen([*self.words, *command], env=env, stdin=null)
            if service.get("Type") == "notify":
                while not select.select([notices], [], [], 0.1)[0]:
                    assert started.poll() is None
                assert notices.recv(100) == b"READY=1"
        os.unlink(address)

    def close(self) -> None:
        for unit in self.units.values():
            unit.terminate()
        for unit in self.units.values():
            unit.wait(60)


@pytest.fixture
def hosts():
    folder = Path(tempfile.mkdtemp(prefix="rosin-", dir="/tmp"))  # the paths of sockets are short
    network = NamespaceHosts(NAMES)
    try:
        network.__enter__()
    except OSError as exc:
        folder.rmdir()
        pytest.skip(f"no network namespaces can be made here: {exc}")
    made = {name: Host(name, network.words(name), folder) for name in NAMES}
    try:
        yield made
        for host in reversed(made.values()):
            host.close()
        assert wait_until_gone(f"{MARK}={folder}") == []
    finally:
        network.__exit__(None, None, None)
        shutil.rmtree(folder)


def files(hosts, kinds):
    """Make the page's files of some kinds."""
    anywhere = hosts["node0"]
    for block in _BLOCK.finditer(PAGE):
        if block[1] in kinds:
            path = Path(anywhere.here(_NAMED.findall(PAGE[: block.start()])[-1]))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(anywhere.here(block[2]) if block[1] == "toml" else block[2])


def test_the_page(hosts):
    files(hosts, {"toml", "ini"})
    commands = 0
    for block in _BLOCK.finditer(PAGE):
        for name, command, expected in _COMMAND.findall(block[2]) if block[1] == "console" else ():
            if command.startswith("mpiexec") and not shutil.which("mpiexec.hydra"):
                continue
            commands += 1
            assert hosts[name].run(command) == expected, command
    assert commands > 15


def test_containers(hosts):
    """The recipe's command line, once for each service, on a host of its name."""
    files(hosts, {"toml"})
    hosts["node0"].run("rosin keygen /etc/flux/system/curve.cert")
    words = []
    for name in ("ENTRYPOINT", "CMD"):
        words += json.loads(re.findall(rf"^{name} (.*)$", PAGE, re.MULTILINE)[0])
    services = re.findall(r"^  (node\d): .*hostname: (node\d)", PAGE, re.MULTILINE)
    assert services == [(name, name) for name in NAMES]
    for name in NAMES:
        host = hosts[name]
        command = [*host.words, *map(host.here, words)]
        host.units["container"] = subprocess.Popen(command, env=host.env, stdin=subprocess.DEVNULL)
    out = b""
    while not out:  # until the instance is found, which commands do by themselves
        assert hosts["node0"].units["container"].poll() is None
        done = subprocess.run(
            [ROSIN, "overlay", "status", "-t60s", "--wait=full", "--no-pretty", "-Lnever"],
            env=hosts["node0"].env,
            capture_output=True,
            check=False,
            timeout=60,
        )
        out = done.stdout
    assert out.decode().split("\n")[:3] == [f"{rank} {name}: full" for rank, name in enumerate(NAMES)]
