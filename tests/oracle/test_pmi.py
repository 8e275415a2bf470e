# SPDX-License-Identifier: LGPL-3.0-or-later
"""PMI-1 across implementations: flux-core's client under our shell, our client under flux-core's shell."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.system

# What our client says in a job of flux-core: all of the protocol, from both ranks.
_CLIENT = """
import os
from rosin.rfc import pmi
from rosin.rfc.pmi.spawn import Spawn
from rosin.rfc.pmi.client import PmiClient, Failure

client, fd = PmiClient.from_environ(os.environ)
lines = pmi.Lines()

def ask(text):
    os.write(fd, text.encode())
    while not (found := lines.feed(os.read(fd, 65536))):
        pass
    return client.receive(found[0])

def refused(text):
    try:
        ask(text)
    except Failure as failure:
        return failure.code
    return 0

ask(client.init())
ask(client.get_maxes())
ask(client.get_universe_size())
ask(client.get_appnum())
ask(client.get_my_kvsname())
name = client.kvsname
value = f"x=y from {client.rank}\\tend"
ask(client.put(name, f"card.{client.rank}", value))
ask(client.barrier())
cards = [ask(client.get(name, f"card.{rank}"))["value"] for rank in range(client.size)]
ranks = pmi.clique(ask(client.get(name, pmi.MAPPING_KEY))["value"], client.rank)
same = ranks == pmi.clique(ask(client.get(name, "flux.taskmap"))["value"], client.rank)
codes = [
    refused(client.get(name, "none")),
    refused(client.publish("s", "p")),
    refused(client.unpublish("s")),
    refused(client.lookup("s")),
    refused(client.spawn(Spawn("hostname", ["a b"], 2, [("k", "v")], [("i", "j")]))),
]
sizes = (client.name_max, client.key_max, client.value_max)
ask(client.finalize())
print(client.rank, client.size, client.universe_size, client.appnum, cards, list(ranks), same, codes, sizes)
"""


def test_our_client_in_a_job_of_flux_core(flux):
    process = subprocess.run(
        [flux, "start", flux, "run", "-n2", "--label-io", sys.executable, "-c", _CLIENT],
        env={key: value for key, value in os.environ.items() if not key.startswith("FLUX_")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    cards = ["x=y from 0\tend", "x=y from 1\tend"]
    rest = f"2 2 0 {cards} [0, 1] True [4, -1, -1, -1, -1] (64, 64, 1024)"
    assert (sorted(process.stdout.splitlines()), process.stderr) == ([f"0: 0 {rest}", f"1: 1 {rest}"], "")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["barrier"], "completed pmi barrier on 2 tasks"),
        (["exchange", "--count=3"], "completed pmi exchange on 2 tasks"),
        (["get", "PMI_process_mapping"], "(vector,(0,1,2))"),
        (["get", "flux.taskmap"], '{"version":1,"map":[[0,1,2,1]]}'),
    ],
)
def test_the_client_of_flux_core_in_our_job(flux, real_instance, command, expected):
    process = real_instance.run("run", "-n2", flux, "pmi", "--method=simple", *command)
    assert process.returncode == 0, process.stderr
    assert expected in process.stdout
