# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which way is taken, and what is said if there is none."""

import errno
import os
from functools import partial

import pytest

from rosin.broker.overlay.bootstrap import METHODS, Card, find, library, pmix

HOSTS = {"bootstrap": {"hosts": [{"host": "a"}]}}
#: Nobody speaks at this descriptor, which stays open for all tests.
LAUNCHED = {"PMI_FD": str(os.open(os.devnull, os.O_RDWR)), "PMI_RANK": "1", "PMI_SIZE": "2"}


@pytest.mark.parametrize(
    ("environ", "config", "attrs", "method"),
    [
        ({}, {}, {}, "single"),
        ({"PMI_RANK": "0"}, {}, {}, "single"),
        ({}, HOSTS, {"hostname": "a"}, "config"),
        (LAUNCHED, {}, {}, "simple"),
        (LAUNCHED, HOSTS, {"hostname": "a"}, "config"),
        (LAUNCHED, HOSTS, {"hostname": "b", "broker.boot-method": "simple"}, "simple"),
        (LAUNCHED, HOSTS, {"broker.boot-method": "single"}, "single"),
        ({**LAUNCHED, "FLUX_PMI_CLIENT_METHODS": "libpmi2 simple"}, {}, {}, "simple"),
        ({**LAUNCHED, "FLUX_PMI_CLIENT_METHODS": "single simple"}, {}, {}, "single"),
        ({**LAUNCHED, "FLUX_PMI_CLIENT_METHODS": "config"}, {}, {"broker.boot-method": "single"}, "single"),
        ({**LAUNCHED, "FLUX_PMI_CLIENT_METHODS": ""}, {}, {}, "simple"),
    ],
)
def test_the_first_that_exists(environ, config, attrs, method):
    found = find(environ, config, attrs)
    assert found.method == method
    assert (found.rank, found.size) == ((1, 2) if method == "simple" else (0, 1))


@pytest.mark.parametrize(
    ("environ", "config", "attrs", "error"),
    [
        ({}, {}, {"broker.boot-method": "simple"}, "simple: PMI_FD is not in the environment"),
        (
            {"PMI_FD": "9999"},
            {},
            {"broker.boot-method": "simple"},
            "simple: PMI_RANK is not in the environment",
        ),
        (
            {},
            {},
            {"broker.boot-method": "config"},
            "config: there is no table [bootstrap] in the configuration",
        ),
        ({}, {}, {"broker.boot-method": "pmix"}, "pmix: PMIX_NAMESPACE is not in the environment"),
        ({"PMIX_NAMESPACE": "x"}, {}, {"broker.boot-method": "pmix"}, "pmix: PMIX_RANK is not in the env"),
        (
            {},
            {},
            {"broker.boot-method": "libpmi2:/no/such.so"},
            "libpmi2: /no/such.so: cannot open shared object",
        ),
        ({"FLUX_PMI_CLIENT_METHODS": " "}, {}, {}, "FLUX_PMI_CLIENT_METHODS names none"),
        ({"FLUX_PMI_CLIENT_METHODS": "simple config"}, {}, {}, "config: there is no table [bootstrap]"),
    ],
)
def test_none_exists(environ, config, attrs, error):
    with pytest.raises(OSError) as info:
        find(environ, config, attrs)
    assert str(info.value.strerror).startswith(f"no way to find the other brokers: {error}")
    assert info.value.errno == errno.ENOENT


@pytest.mark.parametrize(
    ("environ", "attrs", "error"),
    [
        ({}, {"broker.boot-method": "pmi"}, "broker.boot-method: 'pmi' is no method; did you mean pmix?"),
        (
            {},
            {"broker.boot-method": "?"},
            f"broker.boot-method: '?' is no method; known: {', '.join(METHODS)}",
        ),
        ({"FLUX_PMI_CLIENT_METHODS": "foo"}, {}, "FLUX_PMI_CLIENT_METHODS: 'foo' is no method; known"),
        ({**LAUNCHED, "PMI_FD": "x"}, {}, "pmi: PMI_FD: expected an integer, got 'x'"),
        ({**LAUNCHED, "PMI_RANK": "2"}, {}, "pmi: rank 2 is not below the size 2"),
        ({**LAUNCHED, "PMI_FD": "9999"}, {}, "PMI_FD=9999: Bad file descriptor"),
    ],
)
def test_what_exists_and_is_wrong(environ, attrs, error):
    with pytest.raises(OSError) as info:
        find(environ, {}, attrs)
    assert str(info.value.strerror).startswith(error)


def test_a_host_that_is_not_in_the_configuration():
    with pytest.raises(OSError, match="this host, b, is not in the list, which has a") as info:
        find({}, HOSTS, {"hostname": "b"})
    assert info.value.errno == errno.EINVAL


async def test_the_choice_and_the_conversation_are_shown(manager, capsys):
    pmi = manager(1)
    found = find({**pmi.environ(0), "FLUX_PMI_DEBUG": "1"}, {}, {})
    await found.begin()
    await found.finish()
    lines = capsys.readouterr().err.splitlines()
    assert lines[:5] == [
        "bootstrap: trying 'config'",
        "bootstrap: config: there is no table [bootstrap] in the configuration",
        "bootstrap: trying 'simple'",
        "bootstrap: simple: rank=0 size=1",
        "bootstrap: C: cmd=init pmi_version=1 pmi_subversion=1",
    ]
    assert lines[-1] == "bootstrap: S: cmd=finalize_ack rc=0"


class Found:
    """A library's process manager."""

    rank, size = 1, 2

    def __init__(self, method, *_arguments):
        self.method = method


@pytest.mark.parametrize(
    ("environ", "attrs", "method", "loaded"),
    [
        ({}, {}, "single", []),
        ({"SLURM_PROCID": "0"}, {}, "libpmi2", ["libpmi2.so"]),
        ({"PALS_RANKID": "0"}, {}, "libpmi2", ["libpmi2.so"]),
        ({"FLUX_PMI_CLIENT_METHODS": "libpmi"}, {}, "libpmi", ["libpmi.so"]),
        ({}, {"broker.boot-method": "libpmi:/x"}, "libpmi", ["/x"]),
        ({"PMIX_NAMESPACE": "x", "PMIX_RANK": "1"}, {}, "pmix", []),
    ],
)
def test_libraries_are_loaded_where_there_are_signs_of_them(monkeypatch, environ, attrs, method, loaded):
    found = []
    monkeypatch.setattr(library, "load", lambda name, path, _environ: found.append(path or name))
    for name in ("Libpmi", "Libpmi2"):
        monkeypatch.setattr(library, name, partial(Found, name.lower()))
    monkeypatch.setattr(pmix, "Pmix", partial(Found, "pmix"))
    assert find(environ, {}, attrs).method == method
    assert found == loaded


@pytest.mark.parametrize(
    ("environ", "attrs", "notices"),
    [
        ({"SLURM_STEP_NUM_TASKS": "4"}, {}, ["SLURM_STEP_NUM_TASKS=4, but there is no PMI: "]),
        ({"SLURM_STEP_NUM_TASKS": "1"}, {}, []),
        ({"SLURM_STEP_NUM_TASKS": "4"}, {"broker.boot-method": "single"}, []),
        ({"SLURM_STEP_NUM_TASKS": "4", **LAUNCHED}, {}, []),
    ],
)
def test_tasks_that_do_not_find_each_other_are_told(environ, attrs, notices):
    found = find(environ, {}, attrs).notices
    assert len(found) == len(notices)
    assert all(line.startswith(text) for line, text in zip(found, notices, strict=True))


async def test_alone():
    alone = find({}, {}, {})
    assert await alone.begin() == {
        "instance-level": "0",
        "broker.mapping": "[[0,1,1,1]]",
        "tbon.interface-hint": "default-route",
    }
    assert alone.endpoints([], {}) == []
    card = Card("a", "", [])
    assert await alone.exchange(card, []) == {0: card}
    assert await alone.finish() == {}
    alone.close()
