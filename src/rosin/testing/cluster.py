# SPDX-License-Identifier: LGPL-3.0-or-later
"""An instance whose brokers are processes, started one by one by a configuration file, as on hosts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from rosin.broker.overlay.cert import BrokerCertificate
from rosin.handle import Flux
from rosin.rfc.idset import Idset
from rosin.testing.puppet import Strings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

#: In the environment of each broker and of what it starts.
MARK = "ROSIN_CLUSTER"
_PORT = 8050
#: Short, so that a test does not wait long for what takes half a minute in the field.
_TBON = 'tcp_user_timeout = "2s"\ntorpid_min = "0.2s"\ntorpid_max = "1s"\nconnect_timeout = "2s"\n'


class Cluster:
    """``size`` brokers below ``directory``, rank R on the host hR.

    ``parents`` are the ranks above each but the first. ``address(rank)`` is where others reach a broker, and
    ``prefix(rank)`` the words before its command, for a network namespace. ``processes`` are those that were
    started, by rank, until :meth:`reap` finds that they have ended. ``strings`` move the clock of each host,
    and its list of keys.
    """

    def __init__(
        self,
        directory: str,
        parents: Sequence[int],
        address: Callable[[int], str],
        prefix: Callable[[int], list[str]] = lambda _rank: [],
    ) -> None:
        self.directory = directory
        self.size = len(parents) + 1
        self._parents = [-1, *parents]
        self._prefix = prefix
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self._config = os.path.join(directory, "cluster.toml")
        certificate = os.path.join(directory, "cluster.cert")
        BrokerCertificate.generate().write(certificate)
        with open(self._config, "w") as file:
            file.write(f'[bootstrap]\ncurve_cert = "{certificate}"\n')
            for rank, above in enumerate(self._parents):
                where = f'bind = "{address(rank)}"\nconnect = "{address(rank)}"\n'
                parent = f'parent = "h{above}"\n' if rank else ""
                file.write(f'[[bootstrap.hosts]]\nhost = "h{rank}"\n{where}{parent}')
            file.write(f"[tbon]\n{_TBON}[resource]\nnoverify = true\n")
            file.write(f'[[resource.config]]\nhosts = "h[0-{self.size - 1}]"\ncores = "0-1"\n')
        self._lives: Counter[int] = Counter()
        self.strings = []
        for rank in range(self.size):
            os.makedirs(self.state(rank), exist_ok=True)
            self.strings.append(Strings(os.path.join(directory, f"strings{rank}")))

    def state(self, rank: int) -> str:
        """The state directory of a rank."""
        return os.path.join(self.directory, f"state{rank}")

    def children(self, rank: int) -> list[int]:
        """The ranks directly below one."""
        return [each for each, above in enumerate(self._parents) if above == rank]

    def uri(self, rank: int = 0) -> str:
        """Where programs connect to a broker."""
        return f"local://{self._run(rank)}/local"

    def above(self, rank: int) -> int:
        """The rank directly above one."""
        return self._parents[rank]

    def _run(self, rank: int) -> str:
        """The run directory of a broker: each life has its own."""
        return os.path.join(self.directory, f"run{rank}-{self._lives[rank]}")

    @property
    def live(self) -> list[int]:
        """The ranks whose processes run."""
        return sorted(self.processes)

    # -- processes ----------------------------------------------------------------------------------

    def start(self, ranks: Iterable[int]) -> None:
        """Start brokers, each in a session of its own; returns at once."""
        for rank in ranks:
            shutil.rmtree(self._run(rank), ignore_errors=True)
            self._lives[rank] += 1
            self._start(rank)

    def _start(self, rank: int) -> None:
        os.mkdir(self._run(rank))
        attrs = {
            "hostname": f"h{rank}",
            "rundir": self._run(rank),
            "statedir": self.state(rank),
            "local-uri": self.uri(rank),
            "broker.quorum": "1",
        }
        words = [word for name, value in attrs.items() for word in ("-S", f"{name}={value}")]
        puppet = [sys.executable, "-m", "rosin.testing.puppet", self.strings[rank].path]
        command = [*self._prefix(rank), *puppet, "broker", "-c", self._config, *words, "sleep", "inf"]
        with open(os.path.join(self.directory, f"log{rank}"), "ab") as log:
            self.processes[rank] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, MARK: f"{self.directory}:{rank}"},
                start_new_session=True,
            )

    def kill(self, rank: int) -> None:
        """``kill -9`` of one broker: nobody else is told."""
        process = self.processes.pop(rank)
        process.kill()
        process.wait()

    def pause(self, rank: int) -> None:
        """Stop a broker, as a machine that swaps does."""
        self.processes[rank].send_signal(signal.SIGSTOP)

    def resume(self, rank: int) -> None:
        """Let it go on."""
        self.processes[rank].send_signal(signal.SIGCONT)

    def reap(self) -> list[int]:
        """The ranks whose processes have ended since the last call: a system would start them again."""
        ended = [rank for rank, process in self.processes.items() if process.poll() is not None]
        for rank in ended:
            del self.processes[rank]
        return sorted(ended)

    def said(self, rank: int) -> str:
        """What the brokers of a rank have printed."""
        with open(os.path.join(self.directory, f"log{rank}"), errors="replace") as log:
            return log.read()

    def close(self) -> None:
        """End all, the root in good order."""
        for rank in self.live:
            self.processes[rank].send_signal(signal.SIGCONT)
        root = self.processes.get(0)
        if root is not None:
            root.terminate()
            try:
                root.wait(30)
            except subprocess.TimeoutExpired:
                pass
        for rank in self.live:
            self.kill(rank)

    # -- how it is ----------------------------------------------------------------------------------

    def group(self, name: str) -> Idset:
        """The members of a group, such as ``broker.online``, for the root; none while it cannot be asked."""
        try:
            with Flux(self.uri()) as h:
                rpc = h.rpc("groups.get", {"name": name}, 0)
                rpc.wait_for(5)
                return Idset(rpc.get()["members"])
        except OSError:
            return Idset()

    def revive(self, ranks: Iterable[int]) -> None:
        """Start those of *ranks* that do not run, or do not any more, as a system does."""
        self.reap()
        self.start(rank for rank in ranks if rank not in self.processes)

    def up(self, ranks: Iterable[int], seconds: float = 60.0) -> bool:
        """Start those of *ranks* that do not run, again if they end, until the root has all.

        Returns False if that takes longer.
        """
        wanted = Idset(list(ranks))
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.revive(wanted)
            if self.group("broker.online") == wanted:
                return True
            time.sleep(0.05)
        return False
