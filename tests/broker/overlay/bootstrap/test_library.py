# SPDX-License-Identifier: LGPL-3.0-or-later
"""Client libraries of process managers: what is asked of them, and what is made of their answers."""

import asyncio
import threading

import pytest

from rosin.broker.overlay.bootstrap import Card
from rosin.broker.overlay.bootstrap.library import Libpmi, Libpmi2, load, search_path
from rosin.broker.overlay.bootstrap.program import ProgramBootstrap
from rosin.broker.overlay.bootstrap.space import Unavailable
from rosin.broker.overlay.bootstrap.thread import LibraryThread

KEY = "mI{CcBdt%Km<>lx8SVY1C)kHylFxS#w.7zlMe.mw"
TEXT = '{"host":"a","uri":["tcp://10.0.0.1:1"],"pubkey":"' + KEY + '"}'
CARD = Card("a", KEY, ["tcp://10.0.0.1:1"])


class Fake:
    """A library in C, as far as ctypes shows it. ``calls``: what was asked."""

    _name = "libfake.so"

    def __init__(self, rank=1, size=2, keys=None, refuses=()):
        self.rank, self.size, self.keys = rank, size, dict(keys or {})
        self.calls = []
        self._refuses = refuses

    def _say(self, *call):
        self.calls.append(call)
        return -1 if call[0] in self._refuses else 0

    def _read(self, key, buffer):
        if key not in self.keys:
            return 4
        buffer.value = self.keys[key]
        return 0


class Fake1(Fake):
    def PMI_Init(self, spawned):
        return self._say("Init")

    def PMI_KVS_Get_my_name(self, buffer, size):
        buffer.value = b"job.7"
        return self._say("KVS_Get_my_name")

    def PMI_Get_rank(self, rank):
        rank._obj.value = self.rank
        return self._say("Get_rank")

    def PMI_Get_size(self, size):
        size._obj.value = self.size
        return self._say("Get_size")

    def PMI_KVS_Put(self, name, key, value):
        return self._say("KVS_Put", name, key, value)

    def PMI_KVS_Commit(self, name):
        return self._say("KVS_Commit", name)

    def PMI_Barrier(self):
        return self._say("Barrier")

    def PMI_KVS_Get(self, name, key, buffer, size):
        assert (name, size) == (b"job.7", 1024)
        self._say("KVS_Get", key)
        return self._read(key, buffer)

    def PMI_Finalize(self):
        return self._say("Finalize")


class Fake2(Fake):
    def PMI2_Init(self, spawned, size, rank, appnum):
        size._obj.value, rank._obj.value = self.size, self.rank
        return self._say("Init")

    def PMI2_Job_GetId(self, buffer, size):
        buffer.value = b"job.7"
        return self._say("Job_GetId")

    def PMI2_KVS_Put(self, key, value):
        return self._say("KVS_Put", key, value)

    def PMI2_KVS_Fence(self):
        return self._say("KVS_Fence")

    def PMI2_KVS_Get(self, job, rank, key, buffer, size, length):
        assert (job, rank, size) == (None, -1, 1024)
        self._say("KVS_Get", key)
        return self._read(key, buffer)

    def PMI2_Info_GetJobAttr(self, key, buffer, size, found):
        found._obj.value = key in self.keys
        self._say("Info_GetJobAttr", key)
        return self._read(key, buffer) and 0

    def PMI2_Finalize(self):
        return self._say("Finalize")


class Cray(Fake2):
    def PMI_CRAY_Get_app_size(self):
        raise AssertionError("is there to be seen alone")


def cray(text):
    import base64

    return base64.b64encode(text.encode()).replace(b"=", b"*")


KEYS = {b"0": TEXT.encode(), b"PMI_process_mapping": b"(vector,(0,2,1))"}


@pytest.mark.parametrize(
    ("kind", "fake", "calls"),
    [
        (
            Libpmi,
            Fake1(keys=KEYS),
            [
                ("Init",),
                ("KVS_Get_my_name",),
                ("Get_rank",),
                ("Get_size",),
                ("KVS_Get", b"flux.instance-level"),
                ("KVS_Get", b"PMI_process_mapping"),
                ("KVS_Put", b"job.7", b"1", TEXT.encode()),
                ("KVS_Commit", b"job.7"),
                ("Barrier",),
                ("KVS_Get", b"0"),
                ("KVS_Commit", b"job.7"),
                ("Barrier",),
                ("KVS_Get", b"rosin.hostlist"),
                ("Finalize",),
            ],
        ),
        (
            Libpmi2,
            Fake2(keys=KEYS),
            [
                ("Init",),
                ("Job_GetId",),
                ("KVS_Get", b"flux.instance-level"),
                ("Info_GetJobAttr", b"PMI_process_mapping"),
                ("KVS_Put", b"1", TEXT.encode()),
                ("KVS_Fence",),
                ("KVS_Get", b"0"),
                ("KVS_Fence",),
                ("KVS_Get", b"rosin.hostlist"),
                ("Finalize",),
            ],
        ),
        (
            Libpmi2,
            Cray(keys={**KEYS, b"0": cray(TEXT)}),
            [
                ("Init",),
                ("Job_GetId",),
                ("Info_GetJobAttr", b"PMI_process_mapping"),
                ("KVS_Put", b"1", cray(TEXT)),
                ("KVS_Fence",),
                ("KVS_Get", b"0"),
                ("KVS_Fence",),
                ("KVS_Get", b"rosin.hostlist"),
                ("Finalize",),
            ],
        ),
    ],
)
async def test_a_bootstrap(kind, fake, calls):
    space = kind(fake)
    broker = ProgramBootstrap(space, {}, {}, {})
    assert (broker.method, broker.rank, broker.size) == (kind.method, 1, 2)
    assert await broker.begin() == {
        "instance-level": "0",
        "broker.mapping": "[[0,2,1,1]]",
        "tbon.interface-hint": "default-route",
    }
    assert await broker.exchange(CARD, [0]) == {0: CARD, 1: CARD}
    assert await broker.finish() == {"hostlist": "a,a"}
    assert fake.calls == calls


@pytest.mark.parametrize(
    ("kind", "fake", "error"),
    [
        (Libpmi, Fake1(refuses=["Init"]), "libfake.so: PMI_Init: PMI_FAIL"),
        (
            Libpmi2,
            Fake2(refuses=["Job_GetId"]),
            "libfake.so: PMI2_Job_GetId: PMI_FAIL",
        ),  # Slurm's without Slurm
        (Libpmi, Fake2(), "libfake.so has no PMI_Init"),
        (Libpmi2, Fake1(), "libfake.so has no PMI2_Init"),
    ],
)
def test_there_is_no_process_manager(kind, fake, error):
    with pytest.raises(Unavailable) as info:
        kind(fake)
    assert str(info.value) == error


def test_libraries_that_are_not_taken():
    class Crays(Fake1):
        PMI_CRAY_Get_app_size = None

    class Flux(Fake1):
        flux_pmi_library = None

    with pytest.raises(Unavailable, match="Cray's, which works as libpmi2 alone"):
        Libpmi(Crays())
    with pytest.raises(Unavailable, match=r"libfake\.so is Flux's own library"):
        Libpmi(Flux())
    assert Libpmi(Flux(), foreign=False).rank == 1


@pytest.mark.parametrize(("rank", "size"), [(-1, 2), (2, 2), (0, 0)])
def test_a_rank_that_cannot_be(rank, size):
    with pytest.raises(OSError, match=f"says that this is rank {rank} of {size}"):
        Libpmi(Fake1(rank, size))
    with pytest.raises(OSError, match=f"says that this is rank {rank} of {size}"):
        Libpmi2(Fake2(rank, size))


async def test_refusals():
    with pytest.raises(OSError, match="PMI_Barrier: PMI_FAIL"):
        await Libpmi(Fake1(refuses=["Barrier"])).barrier()
    with pytest.raises(OSError, match="PMI2_KVS_Fence: PMI_FAIL"):
        await Libpmi2(Fake2(refuses=["KVS_Fence"])).barrier()
    with pytest.raises(OSError, match="'a b' is no key"):
        await Libpmi(Fake1()).put("a b", "")
    with pytest.raises(OSError, match="a value of 1024 bytes: the limit is 1023"):
        await Libpmi2(Fake2()).put("a", "x" * 1024)
    with pytest.raises(OSError, match="a value of 3 bytes"):
        await Libpmi2(Fake2()).put("a", "x\ny")
    assert await Libpmi2(Fake2(keys={b"a": b""})).get("a") is None  # as Slurm's says that there is none
    assert await Libpmi2(Fake2()).get("PMI_process_mapping") is None
    with pytest.raises(ValueError, match="not base64"):
        await Libpmi2(Cray(keys={b"a": b"?"})).get("a")


def test_where_libraries_are_looked_for(tmp_path):
    environ = {"FLUX_PMI_CLIENT_SEARCHPATH": f"/no:{tmp_path}"}
    assert search_path(environ) == ["/no", str(tmp_path)]
    assert search_path({}) == []
    (tmp_path / "libx.so").write_text("no library")
    with pytest.raises(Unavailable, match=r"libx\.so: cannot open shared object file"):
        load("libx.so", None, environ)  # the system's, last
    with pytest.raises(Unavailable, match=r"invalid ELF header|file too short"):
        load("libx.so", f"{tmp_path}/libx.so", {})


async def test_a_call_that_waits_can_be_given_up():
    thread, go, said = LibraryThread(), threading.Event(), []
    waiting = asyncio.ensure_future(thread.run(lambda: said.append(go.wait())))
    after = asyncio.ensure_future(thread.run(lambda: said.append("after")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert said == []
    go.set()
    await after  # one after the other
    assert said == [True, "after"]

    def fail():
        raise ValueError("of the library")

    with pytest.raises(ValueError, match="of the library"):
        await thread.run(fail)
    thread.close()
