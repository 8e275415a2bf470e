# SPDX-License-Identifier: LGPL-3.0-or-later
"""PMIx: what is asked of the library, in its structures. (Tried with Open MPI's servers, too.)"""

import ctypes

import pytest

from rosin.broker.overlay.bootstrap import Card
from rosin.broker.overlay.bootstrap.pmix import _ANY_RANK, Pmix, _Data, _Info, _Process, _Value
from rosin.broker.overlay.bootstrap.program import ProgramBootstrap
from rosin.broker.overlay.bootstrap.space import Unavailable

KEY = "mI{CcBdt%Km<>lx8SVY1C)kHylFxS#w.7zlMe.mw"
CARD = Card("a", KEY, ["tcp://10.0.0.1:1"])
ENVIRON = {"PMIX_NAMESPACE": "job.7", "PMIX_RANK": "1"}
STRING, UINT32 = 3, 14


class Fake:
    """The library; ``values``: of (rank, key), a type and a value."""

    def __init__(self, values, refuses=()):
        self.values = {(_ANY_RANK, b"pmix.job.size"): (UINT32, 2), **values}
        self.calls = []
        self._refuses = refuses
        self._kept = []

    def _say(self, *call):
        self.calls.append(call)
        return -25 if call[0] in self._refuses else 0

    def PMIx_Init(self, me, info, count):
        me._obj.nspace, me._obj.rank = b"job.7", 1
        return self._say("Init")

    def PMIx_Get(self, owner, key, options, count, found):
        self._say("Get", owner._obj.rank, key, count.value)
        if options is not None:
            assert (options._obj.key, options._obj.value.type) == (b"pmix.optional", 1)
            assert options._obj.value.data.flag
        assert owner._obj.nspace == b"job.7"
        if (owner._obj.rank, key) not in self.values:
            return -46
        kind, value = self.values[owner._obj.rank, key]
        data = _Data(string=value) if kind == STRING else _Data(uint32=value)
        self._kept.append(_Value(kind, data))
        found._obj.contents = self._kept[-1]
        return 0

    def PMIx_Put(self, scope, key, value):
        assert value._obj.type == STRING
        return self._say("Put", scope.value, key, value._obj.data.string)

    def PMIx_Commit(self):
        return self._say("Commit")

    def PMIx_Fence(self, who, number, info, count):
        assert (who, number.value, count.value) == (None, 0, 1)
        return self._say("Fence", info._obj.key, info._obj.value.data.flag)

    def PMIx_Finalize(self, info, count):
        return self._say("Finalize")


def test_structures_have_the_size_of_those_in_c():
    assert ctypes.sizeof(_Process) == 260
    assert ctypes.sizeof(_Value) == 32
    assert ctypes.sizeof(_Info) == 552


TOLD: list[dict[tuple[int, bytes], tuple[int, object]]] = [
    {(_ANY_RANK, b"pmix.anlmap"): (STRING, b"(vector,(0,2,1))")}
]
TOLD += [{(rank, b"pmix.nodeid"): (UINT32, rank) for rank in range(2)}]


@pytest.mark.parametrize("told", TOLD)
async def test_a_bootstrap(told):
    fake = Fake({**told, (0, b"0"): (STRING, CARD.encode().encode())})
    broker = ProgramBootstrap(Pmix(None, ENVIRON, fake), {}, {}, {})
    assert (broker.method, broker.rank, broker.size) == ("pmix", 1, 2)
    assert await broker.begin() == {
        "instance-level": "0",
        "broker.mapping": "[[0,2,1,1]]",
        "tbon.interface-hint": "default-route",
    }
    del fake.calls[:]
    assert await broker.exchange(CARD, [0]) == {0: CARD, 1: CARD}
    assert await broker.finish() == {"hostlist": "a,a"}
    barrier = [("Commit",), ("Fence", b"pmix.collect", True)]
    assert fake.calls == [
        ("Put", 3, b"1", CARD.encode().encode()),
        *barrier,
        ("Get", 0, b"0", 0),  # a card is waited for, what servers tell is not
        *barrier,
        ("Get", 0, b"rosin.hostlist", 0),
        ("Finalize",),
    ]


async def test_what_a_server_does_not_say():
    told = {(0, b"pmix.nodeid"): (UINT32, 0), (_ANY_RANK, b"flux.instance-level"): (UINT32, 1)}
    space = Pmix(None, ENVIRON, Fake(told))
    assert await space.get("flux.instance-level") is None  # of another type
    assert await space.get("PMI_process_mapping") is None
    assert await space.get("1", 1) is None
    space.close()


@pytest.mark.parametrize(
    ("environ", "fake", "error"),
    [
        (ENVIRON, Fake({}, ["Init"]), "PMIx_Init: error -25"),
    ],
)
def test_there_is_no_server(environ, fake, error):
    with pytest.raises(Unavailable) as info:
        Pmix(None, environ, fake)
    assert str(info.value) == error


async def test_refusals():
    with pytest.raises(OSError, match="PMIx_Fence: error -25"):
        await Pmix(None, ENVIRON, Fake({}, ["Fence"])).barrier()
    with pytest.raises(OSError, match="says that this is rank 1 of 1"):
        Pmix(None, ENVIRON, Fake({(_ANY_RANK, b"pmix.job.size"): (UINT32, 1)}))
    with pytest.raises(OSError, match="does not say how many processes there are"):
        Pmix(None, ENVIRON, Fake({(_ANY_RANK, b"pmix.job.size"): (STRING, b"2")}))
    with pytest.raises(Unavailable, match="cannot open shared object file"):
        Pmix("/no/libpmix.so", ENVIRON)
