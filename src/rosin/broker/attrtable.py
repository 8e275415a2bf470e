# SPDX-License-Identifier: LGPL-3.0-or-later
"""The broker attributes that there are: names, defaults, what may be changed when, and what values they take.

The names and rules are flux-core's (flux-broker-attributes(7)). This is the only place that knows them: the
start refuses others, ``attr.set`` follows it, and the reference page is made from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rosin.broker import attrvalues as valid
from rosin.constants import FLUX_CORE_VERSION
from rosin.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The value follows from how the broker was started and cannot be asked for.
READONLY = 1
#: It never changes once the broker runs, so a client may keep it.
IMMUTABLE = 2
#: ``attr.set`` may change it without force.
RUNTIME = 4
#: The configuration has a key of the same name, which the attribute overrides.
CONFIG = 8


class Attribute(NamedTuple):
    """One row. ``default`` None: it is not there unless given, or the start makes it.

    ``check`` raises ValueError, whose text says what would be right.
    """

    name: str
    default: str | None
    flags: int
    check: Callable[[str], object] | None
    text: str


_A, _FLAG = Attribute, valid.words("0", "1")

#: Every attribute. A name that ends in ``*`` stands for all that begin so.
TABLE = (
    _A("rank", "0", READONLY | IMMUTABLE, None, "The broker's rank."),
    _A("size", "1", READONLY | IMMUTABLE, None, "How many brokers the instance has."),
    _A("version", FLUX_CORE_VERSION, READONLY, None, "The version of flux-core whose protocol is spoken."),
    _A(
        "rundir",
        None,
        0,
        valid.path,
        "Directory of the broker's socket. By default a new one in `TMPDIR` or `/tmp`.",
    ),
    _A(
        "rundir-cleanup",
        None,
        IMMUTABLE,
        _FLAG,
        "1: `rundir` is removed at the end; by default if the broker made it.",
    ),
    _A(
        "statedir",
        None,
        0,
        valid.path,
        "Directory of the database. By default a new one in `TMPDIR` or `/var/tmp`. "
        "Make it before the start to keep it. "
        "It becomes the owner's alone (0700), unless it is the rundir, too.",
    ),
    _A(
        "statedir-cleanup",
        None,
        IMMUTABLE,
        _FLAG,
        "1: `statedir` is removed at the end; by default if the broker made it.",
    ),
    _A("security.owner", None, READONLY | IMMUTABLE, None, "User id of the instance owner."),
    _A(
        "local-uri",
        None,
        IMMUTABLE,
        None,
        "Where programs connect: `local://` and the path of a socket in a directory that exists.",
    ),
    _A("parent-uri", None, READONLY | IMMUTABLE, None, "The instance that this one is a job of."),
    _A("instance-level", "0", READONLY | IMMUTABLE, None, "How many instances are around this one."),
    _A("jobid", None, READONLY | IMMUTABLE, None, "The job that this instance is in `parent-uri`."),
    _A("jobid-path", "/", READONLY | IMMUTABLE, None, "The job ids of this instance and those around it."),
    _A("parent-kvs-namespace", None, READONLY | IMMUTABLE, None, "The KVS namespace of that job."),
    _A("hostlist", None, IMMUTABLE, valid.hosts, "The hosts of the brokers, by rank (RFC 29)."),
    _A("hostname", None, IMMUTABLE, valid.host, "This host's name; by default the system's."),
    _A("broker.mapping", "[[0,1,1,1]]", READONLY | IMMUTABLE, None, "Which brokers share a host (RFC 34)."),
    _A(
        "broker.critical-ranks",
        None,
        IMMUTABLE,
        valid.ranks,
        "Ranks that the instance cannot do without; by default those with others below them.",
    ),
    _A(
        "broker.boot-method",
        "single",
        IMMUTABLE,
        valid.method,
        "How brokers find each other: config, simple, libpmi2, libpmi, pmix or single; by default the first "
        "that exists.",
    ),
    _A("broker.pid", None, READONLY | IMMUTABLE, None, "The broker's process id."),
    _A(
        "broker.quorum",
        "1",
        IMMUTABLE,
        valid.number(0),
        "Brokers that must be there to run the initial program; by default all.",
    ),
    _A("broker.quorum-warn", "1m", IMMUTABLE, valid.duration, "Warn when the quorum takes longer."),
    _A("broker.shutdown-warn", "1m", IMMUTABLE, valid.duration, "Warn when other brokers take longer to go."),
    _A(
        "broker.shutdown-timeout",
        "none",
        IMMUTABLE,
        valid.duration,
        "Do not wait for them any longer than this.",
    ),
    _A(
        "broker.cleanup-timeout",
        "none",
        0,
        valid.duration,
        "How long running jobs may take to end once the broker has got a terminating signal.",
    ),
    _A(
        "broker.unload-builtins-timeout",
        "1m",
        0,
        valid.duration,
        "How long the built-in modules may take to stop.",
    ),
    _A(
        "broker.rc1_path",
        "flux modprobe rc1",
        0,
        None,
        "Command that sets the instance up. The default loads the modules without a program; "
        "empty: only the built-in modules.",
    ),
    _A("broker.rc3_path", "flux modprobe rc3", 0, None, "Command that takes it down again; likewise."),
    _A(
        "broker.rc2_none",
        None,
        0,
        None,
        "If given: no initial program; the instance runs until it is shut down.",
    ),
    _A("broker.rc2_pgrp", None, 0, None, "If given: the initial program gets a process group of its own."),
    _A("broker.exit-restart", None, RUNTIME, None, "Kept for old unit files of flux-core."),
    _A(
        "broker.module-nopanic",
        None,
        RUNTIME,
        None,
        "1: a module that fails does not end its broker.",
    ),
    _A("broker.starttime", None, READONLY | IMMUTABLE, None, "When the broker was started, in seconds."),
    _A("broker.sd-notify", None, 0, _FLAG, "1: tell systemd when the instance runs, and when it stops."),
    _A(
        "broker.sd-stop-timeout",
        "none",
        IMMUTABLE,
        valid.duration,
        "Ask systemd for so much more time at each step of the end (with `broker.sd-notify`).",
    ),
    _A(
        "broker.exit-norestart",
        None,
        0,
        valid.number(0, 255),
        "Exit code of a start that fails in rc1, and of a shutdown, which must not be repeated.",
    ),
    _A("broker.recovery-mode", None, 0, None, "Set by `start --recovery`."),
    _A("broker.uuid", None, READONLY | IMMUTABLE, None, "The broker's id in the routes of messages."),
    _A(
        "conf.shell_initrc",
        "",
        RUNTIME,
        None,
        "Plugins of the job shell for all jobs, a file *.py; flux-core's is in Lua.",
    ),
    _A("conf.shell_pluginpath", "", RUNTIME, None, "Where flux-core's job shell looks for plugins."),
    _A("config.path", None, IMMUTABLE, None, "File or directory of the configuration, as `--config-path`."),
    _A("tbon.topo", "kary:32", CONFIG, valid.topology, "Shape of the tree of brokers."),
    _A("tbon.descendants", "0", READONLY, None, "Brokers below this one."),
    _A("tbon.level", "0", READONLY, None, "Distance of this broker from the root."),
    _A("tbon.maxlevel", "0", READONLY, None, "The greatest such distance."),
    _A("tbon.endpoint", None, READONLY, None, "Where other brokers connect."),
    _A("tbon.parent-endpoint", None, READONLY, None, "Where this broker has connected."),
    _A("tbon.zmqdebug", "0", CONFIG, valid.number(0), "Log events of ZeroMQ sockets."),
    _A("tbon.zmq_io_threads", "1", CONFIG, valid.number(1), "Threads of ZeroMQ."),
    _A(
        "tbon.child_rcvhwm",
        "0",
        CONFIG,
        valid.watermark,
        "Messages taken from a broker below before it has to wait; 0: 256.",
    ),
    _A("tbon.prefertcp", "0", 0, valid.number(0), "Use TCP between brokers of one host."),
    _A("tbon.interface-hint", "default-route", RUNTIME | CONFIG | IMMUTABLE, None, "The network to use."),
    _A("tbon.torpid_min", "5s", CONFIG, valid.duration, "Send a sign of life after this time."),
    _A(
        "tbon.torpid_max",
        "30s",
        CONFIG,
        valid.duration,
        "A broker that is silent for longer gets no new work.",
    ),
    _A(
        "tbon.tcp_user_timeout",
        "20s",
        CONFIG,
        valid.duration,
        "Close a connection that acknowledges nothing, probes included.",
    ),
    _A("tbon.connect_timeout", "30s", CONFIG, valid.duration, "How long a connection may take to be made."),
    _A("tbon.fanout", None, 0, valid.number(0), "Old form of `tbon.topo=kary:N`."),
    _A("log-ring-size", "1024", IMMUTABLE, valid.number(0, 10_000_000), "Lines that `rosin dmesg` shows."),
    _A(
        "log-forward-level",
        "3",
        IMMUTABLE,
        valid.level,
        "What other brokers send to the first one, and print while there is no way to it.",
    ),
    _A("log-critical-level", "2", IMMUTABLE, valid.level, "What goes to standard error in any case."),
    _A("log-filename", None, 0, None, "File to which all messages are appended."),
    _A("log-syslog-enable", "0", IMMUTABLE, _FLAG, "1: send messages to syslog, too."),
    _A("log-syslog-level", "3", IMMUTABLE, valid.level, "What goes there."),
    _A(
        "log-stderr-mode",
        "leader",
        IMMUTABLE,
        valid.words("leader", "local"),
        "Whose messages the first one prints.",
    ),
    _A("log-stderr-level", "3", RUNTIME, valid.level, "What goes to standard error."),
    _A("log-level", "7", IMMUTABLE, valid.level, "What is kept at all."),
    _A(
        "content.backing-module",
        "content-sqlite",
        0,
        valid.words("content-sqlite", "content-files"),
        "Where blobs are stored: content-sqlite, one database, or content-files, a directory of files.",
    ),
    _A("content.hash", "sha1", IMMUTABLE, None, "Names of blobs: sha1 or sha256."),
    _A(
        "content.dump",
        "",
        RUNTIME,
        valid.dump,
        "The archive that the key-value store is written to at the end. auto: one in the folder `dump` of the"
        " state directory; if content.restore is not auto, collect garbage instead.",
    ),
    _A(
        "content.restore",
        None,
        RUNTIME,
        None,
        "The archive that it begins with, in place of what there was. auto: the one that auto has written.",
    ),
    _A("cron.directory", None, 0, valid.path, "Each file in it is a crontab (rosin cron tab)."),
    _A("test.*", None, RUNTIME, None, "Free for tests."),
    _A("test-ro.*", None, READONLY, None, "Free for tests."),
    _A("test-nr.*", None, 0, None, "Free for tests."),
    _A("test-im.*", None, IMMUTABLE, None, "Free for tests."),
    _A("test-rd.*", None, RUNTIME, None, "Free for tests."),
    _A("vendor.*", None, RUNTIME | IMMUTABLE, None, "Free for other programs."),
)
_BY_NAME = {row.name: row for row in TABLE}

#: Attributes that may be given and change nothing, and why.
IDLE = {
    "broker.exit-restart": "flux-core does not read it, either",
    "conf.shell_pluginpath": "the job shell loads no plugins",
}
#: Those of them that somebody may count on.
_MISSED = ("broker.exit-restart", "conf.shell_pluginpath")
_LUA = "conf.shell_initrc", "the job shell runs no Lua"


def find(name: str) -> Attribute | None:
    """The row of an attribute."""
    row = _BY_NAME.get(name)
    if row is None and "." in name:
        row = _BY_NAME.get(name.partition(".")[0] + ".*")
    return row


def check_value(name: str, value: str) -> None:
    """Raises ValueError, one line, for a value that an attribute cannot have."""
    row = find(name)
    if row is None:
        raise ValueError(f"{name}: unknown attribute{did_you_mean(name, _BY_NAME)}")
    if row.check is not None:
        try:
            row.check(value)
        except ValueError as exc:
            raise ValueError(f"{name}={value}: {exc}") from None


def check_given(given: Mapping[str, str]) -> None:
    """Check what a start is given. Raises ValueError, one line that names the attribute."""
    for name, value in given.items():
        check_value(name, value)
        row = find(name)
        if row is not None and row.flags & READONLY:
            raise ValueError(f"{name}: attribute may not be set on the command line")


def check_size(given: Mapping[str, str], size: int) -> None:
    """Check what was given against the number of brokers. Raises ValueError, one line."""
    from rosin.rfc.hostlist import Hostlist
    from rosin.rfc.idset import Idset

    quorum, ranks, hosts = (
        given.get(name) for name in ("broker.quorum", "broker.critical-ranks", "hostlist")
    )
    if quorum is not None and int(quorum) > size:
        raise ValueError(f"broker.quorum={quorum}: more than there are brokers, which is {size}")
    if ranks is not None and (last := Idset(ranks).last()) is not None and last >= size:
        raise ValueError(f"broker.critical-ranks={ranks}: there is no rank {last}, as the size is {size}")
    if hosts is not None and len(Hostlist(hosts)) != size:
        raise ValueError(f"hostlist={hosts}: {len(Hostlist(hosts))} hosts for {size} brokers")


def defaults(config: Mapping[str, object]) -> dict[str, str]:
    """The values of attributes that are not given: from the configuration's table, else the usual ones.

    Raises ValueError for a value in the configuration that the attribute cannot have.
    """
    result = {row.name: row.default for row in TABLE if row.default is not None}
    for name, value in configured(config).items():
        row = _BY_NAME.get(name)
        if row is not None and row.flags & CONFIG:
            check_value(name, value)
            result[name] = value
    backing = _backing(config)
    if backing is not None:
        result["content.backing-module"] = backing
    return result


def _backing(config: Mapping[str, object]) -> str | None:
    """The store that ``modules.alternatives`` chooses: any module that provides the service."""
    value: object = config
    for key in ("modules", "alternatives", "content-backing"):
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def configured(config: Mapping[str, object]) -> dict[str, str]:
    """The attributes that the configuration's table ``[tbon]`` gives, as texts."""
    table = config.get("tbon")
    return {f"tbon.{key}": str(value) for key, value in table.items()} if isinstance(table, dict) else {}


def without_effect(attrs: Mapping[str, str]) -> list[str]:
    """A line for each attribute that changes nothing here and that somebody may count on."""
    idle = [(name, IDLE[name]) for name in attrs if name in _MISSED]
    if attrs.get(_LUA[0], "") and not attrs[_LUA[0]].endswith(".py"):
        idle.append(_LUA)
    return [f"{name} has no effect on this broker: {why}" for name, why in idle]


def later(config: Mapping[str, object], values: Mapping[str, str]) -> list[str]:
    """The keys of ``[tbon]`` that differ from the values that the broker was started with."""
    return [name for name, value in configured(config).items() if value != values.get(name)]
