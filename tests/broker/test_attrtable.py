# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which attributes a start takes, and what clients may change."""

import errno

import pytest

from rosin.broker import attrtable, attrvalues
from rosin.broker.overlay.bootstrap import METHODS
from rosin.testing.instance import Instance

REFUSED = [
    ("statdir", "/x", "statdir: unknown attribute; did you mean statedir?"),
    ("nothing-alike", "", "nothing-alike: unknown attribute"),
    ("testx.a", "1", "testx.a: unknown attribute"),
    ("rank", "0", "rank: attribute may not be set on the command line"),
    ("test-ro.a", "1", "test-ro.a: attribute may not be set on the command line"),
    ("broker.quorum", "-1", "broker.quorum=-1: expected"),
    ("broker.quorum", "", "broker.quorum=: expected"),
    ("broker.cleanup-timeout", "x", "broker.cleanup-timeout=x: expected a duration"),
    (
        "broker.boot-method",
        "pmi",
        "broker.boot-method=pmi: expected config, simple, libpmi2, libpmi, pmix, single",
    ),
    ("broker.boot-method", "libpmi:", "broker.boot-method=libpmi:: expected config, simple"),
    ("broker.critical-ranks", "z", "broker.critical-ranks=z: expected ranks, such as 0 or 0-3"),
    ("rundir", "", "rundir=: expected the path of a directory"),
    ("statedir", "", "statedir=: expected the path of a directory"),
    ("broker.exit-norestart", "256", "broker.exit-norestart=256: expected a number from 0 to 255"),
    ("broker.sd-notify", "yes", "broker.sd-notify=yes: expected 0 or 1"),
    (
        "content.dump",
        "x.zip",
        "content.dump=x.zip: No such format 'x.zip': expected a name",
    ),
    ("cron.directory", "", "cron.directory=: expected the path of a directory"),
    ("hostname", "a[0-1]", "hostname=a[0-1]: expected the name of one host"),
    ("hostname", "", "hostname=: expected the name of one host"),
    ("hostlist", "[", "hostlist=[: expected a hostlist"),
    ("log-ring-size", "many", "log-ring-size=many: expected a number"),
    ("log-stderr-level", "8", "log-stderr-level=8: expected a level"),
    ("log-level", "-x", "log-level=-x: expected a number >= -99"),
    ("log-stderr-mode", "all", "log-stderr-mode=all: expected leader or local"),
    ("log-syslog-enable", "x", "log-syslog-enable=x: expected 0 or 1"),
    ("rundir-cleanup", "2", "rundir-cleanup=2: expected 0 or 1"),
    ("tbon.child_rcvhwm", "1", "tbon.child_rcvhwm=1: expected 0 (256) or a number >= 2"),
    ("tbon.topo", "kary:x", "tbon.topo=kary:x: expected kary:N"),
    ("tbon.topo", "custom:2", "tbon.topo=custom:2: expected kary:N"),
    ("tbon.torpid_max", "1y", "tbon.torpid_max=1y: expected a duration"),
    ("tbon.zmqdebug", "٣", "tbon.zmqdebug=٣: expected a number"),
]


@pytest.mark.parametrize(("name", "value", "text"), REFUSED)
def test_what_a_start_refuses(name: str, value: str, text: str) -> None:
    with pytest.raises(ValueError) as info:
        attrtable.check_given({name: value})
    assert str(info.value).startswith(text)
    assert "\n" not in str(info.value)


def test_what_a_start_takes() -> None:
    attrtable.check_given(
        {
            "broker.rc1_path": "",
            "broker.cleanup-timeout": "none",
            "log-stderr-level": "-1",
            "log-level": "warning",
            "tbon.topo": "binomial",
            "vendor.x.y": "1",
            "test.a": "",
        }
    )


@pytest.mark.parametrize(
    ("given", "size", "text"),
    [
        ({"broker.quorum": "2"}, 1, "broker.quorum=2: more than there are brokers, which is 1"),
        (
            {"broker.critical-ranks": "0,4-7"},
            7,
            "broker.critical-ranks=0,4-7: there is no rank 7, as the size is 7",
        ),
        ({"hostlist": "a[0-1]"}, 3, "hostlist=a[0-1]: 2 hosts for 3 brokers"),
    ],
)
def test_what_does_not_fit_the_size(given: dict[str, str], size: int, text: str) -> None:
    with pytest.raises(ValueError) as info:
        attrtable.check_size(given, size)
    assert str(info.value) == text


def test_what_fits_the_size() -> None:
    attrtable.check_size({"broker.quorum": "3", "broker.critical-ranks": "0,2", "hostlist": "a,b[1-2]"}, 3)
    attrtable.check_size({"broker.quorum": "0", "broker.critical-ranks": ""}, 1)
    attrtable.check_size({}, 1)


def test_the_methods_are_those_that_there_are() -> None:
    assert attrvalues.BOOT_METHODS == METHODS


def test_every_default_is_a_value_that_the_attribute_can_have() -> None:
    for name, value in attrtable.defaults({}).items():
        attrtable.check_value(name, value)


def test_the_configuration_sets_defaults() -> None:
    values = attrtable.defaults({"tbon": {"torpid_max": "7s", "zmqdebug": 1, "prefertcp": 1, "x": 1}})
    assert (values["tbon.torpid_max"], values["tbon.zmqdebug"], values["tbon.prefertcp"]) == ("7s", "1", "0")
    names = ["topo", "zmqdebug", "zmq_io_threads", "child_rcvhwm", "interface-hint", "torpid_min"]
    names += ["torpid_max", "tcp_user_timeout", "connect_timeout"]
    rows = [row.name for row in attrtable.TABLE if row.flags & attrtable.CONFIG]
    assert rows == [f"tbon.{name}" for name in names]
    for name in names:
        changed = attrtable.defaults({"tbon": {name: "kary:3" if name == "topo" else "3"}})
        assert changed[f"tbon.{name}"] in ("3", "kary:3")
    with pytest.raises(ValueError, match=r"tbon\.zmqdebug=x: expected a number"):
        attrtable.defaults({"tbon": {"zmqdebug": "x"}})


async def test_what_clients_may_change() -> None:
    attrs = {"log-stderr-level": "3", "log-critical-level": "2", "size": "1", "broker.rc1_path": "x"}
    async with Instance(attrs=attrs) as inst:
        h = await inst.connect()

        async def fails(errnum: int, text: str, name: str, value: str, **force: bool) -> None:
            with pytest.raises(OSError, match=text) as info:
                await h.rpc("attr.set", {"name": name, "value": value, **force})
            assert info.value.errno == errnum

        await fails(errno.ENOENT, "unknown attribute", "nope", "1")
        await fails(errno.ENOENT, "unknown attribute", "nope", "1", force=True)
        await fails(errno.EINVAL, "may not be updated", "broker.rc1_path", "1")
        await fails(errno.EINVAL, "may not be updated", "broker.rc2_none", "1")  # it would come too late
        for name in ("test-nr.a", "test-ro.a", "test-im.a", "vendor.a"):
            await h.rpc("attr.set", {"name": name, "value": "1"})
        await h.rpc("attr.set", {"name": "test-nr.a", "value": "2", "force": True})
        for name, errnum in (
            ("test-nr.a", errno.EINVAL),
            ("test-im.a", errno.EINVAL),
            ("vendor.a", errno.EPERM),
        ):
            await fails(errnum, "not be updated|never changes", name, "2")
        for name in ("test-nr.a", "nosuch"):
            await h.rpc("attr.rm", {"name": name})
        with pytest.raises(PermissionError, match="never changes"):
            await h.rpc("attr.rm", {"name": "vendor.a"})
        await fails(errno.EPERM, "never changes", "size", "2", force=True)
        await fails(errno.EINVAL, "expected a level", "log-stderr-level", "9")
        await h.rpc("attr.set", {"name": "broker.rc1_path", "value": "y", "force": True})
        assert (await h.rpc("attr.get", {"name": "broker.rc1_path"})) == {"value": "y", "flags": 0}
        assert (await h.rpc("attr.get", {"name": "size"}))["flags"] == 1
        await h.rpc("attr.set", {"name": "log-stderr-level", "value": "7"})
        assert inst.broker.ring.stderr_level == 7
        await h.rpc("attr.set", {"name": "log-stderr-level", "value": "-1"})
        assert inst.broker.ring.stderr_level == 2  # log-critical-level holds in any case
        await h.rpc("log.setattr", {"name": "log-stderr-level", "value": "5"})
        assert (await h.rpc("attr.get", {"name": "log-stderr-level"}))["value"] == "5"
        with pytest.raises(OSError, match="not an attribute of the log"):
            await h.rpc("log.setattr", {"name": "content.dump", "value": "auto"})
