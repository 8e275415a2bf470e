# SPDX-License-Identifier: LGPL-3.0-or-later
"""The configuration's tables and keys: names, simple types, and what they are for.

The names are flux-core's (flux-config(5)). Every key of a table here must be in it; what values mean is for
the services to say. The reference page is made from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rosin.broker.arguments import size

if TYPE_CHECKING:
    from collections.abc import Callable

Types = tuple[type, ...]
_TEXT: Types = (str,)
_FLAG: Types = (bool,)
_INT: Types = (int,)
_REAL: Types = (int, float)
_LIST: Types = (list,)
_TABLE: Types = (dict,)
_FREE: Types = ()


class Key(NamedTuple):
    """One row. ``name``: dotted, ``*`` for any name and ``[]`` for the tables of an array.

    ``types`` without a type: anything, also below it. ``idle``: why it has no effect on this broker.
    """

    name: str
    types: Types
    text: str
    idle: str = ""
    #: For keys that no service looks at; raises ValueError that says what is expected.
    check: Callable[[Any], object] | None = None


def _key(name: str, types: Types, text: str) -> Key:
    return Key(name, types, text)


def _idle(why: str, name: str, types: Types, text: str, check: Callable[[Any], object] | None = None) -> Key:
    return Key(name, types, text, why, check)


def _positive(value: int) -> None:
    if value <= 0:
        raise ValueError("expected a number > 0")


def _names(value: list[Any]) -> None:
    if not all(isinstance(name, str) for name in value):
        raise ValueError("expected an array of strings")


def _duration(value: str) -> None:
    from rosin.rfc import fsd

    try:
        fsd.parse(value)
    except ValueError:
        raise ValueError('expected a duration, such as "30s" or "5m"') from None


def _ranks(value: str) -> None:
    from rosin.broker.rcplan.tasks import RankSpec

    try:
        RankSpec(value)
    except ValueError:
        raise ValueError('expected ranks, such as "0-3", "all" or ">0"') from None


_NO_SYSTEMD = "this broker does not use systemd"

TABLE = (
    _key("access.allow-guest-user", _FLAG, "other users may connect"),
    _key("access.allow-root-owner", _FLAG, "root has the rights of the instance owner"),
    _key("access.private-mode", _FLAG, "other users see their own jobs only"),
    Key("access.roles.admin.users", _LIST, "other users who see all jobs in private mode", check=_names),
    Key("access.roles.admin.groups", _LIST, "groups of such users", check=_names),
    _key("bootstrap.curve_cert", _TEXT, "path of the certificate that all brokers have, from `rosin keygen`"),
    _key("bootstrap.default_port", _INT, "`%p` of the other keys, 0 to 65535"),
    _key("bootstrap.default_bind", _TEXT, "where brokers with others below them listen: `tcp://eth0:%p`"),
    _key("bootstrap.default_connect", _TEXT, "where those connect: `tcp://%h:%p`, `%h` is the host"),
    _key("bootstrap.enable_ipv6", _FLAG, "sockets take IPv6 addresses"),
    _key(
        "bootstrap.hosts[].host", _TEXT, "hosts of this entry (RFC 29); the order of all is that of the ranks"
    ),
    _key("bootstrap.hosts[].bind", _TEXT, "where they listen"),
    _key("bootstrap.hosts[].connect", _TEXT, "where others connect to them"),
    _key(
        "bootstrap.hosts[].parent",
        _TEXT,
        "the host of the broker above them; by default the first of the list",
    ),
    _key("content-sqlite.journal_mode", _TEXT, "SQLite's; WAL, or MEMORY for a temporary directory"),
    _key("content-sqlite.synchronous", _TEXT, "SQLite's; NORMAL, FULL against power cuts"),
    _key("content-sqlite.max_checkpoints", _INT, "KVS roots that are kept (5)"),
    _key("exec.method", _TEXT, "bulk-exec, or bgexec: with the event recoverable (RFC 50)"),
    _key("exec.job-shell", _TEXT, "path of another job shell"),
    _key("exec.imp", _TEXT, "path of the program that starts other users' jobs"),
    _key("exec.service", _TEXT, "rexec"),
    _key("exec.kill-timeout", _TEXT, "from SIGTERM to SIGKILL (5s)"),
    _key("exec.max-kill-timeout", _TEXT, "until nodes with unkillable processes are drained"),
    _key("exec.max-kill-count", _INT, "attempts until then (8)"),
    _key("exec.term-signal", _TEXT, "instead of SIGTERM"),
    _key("exec.kill-signal", _TEXT, "instead of SIGKILL"),
    _key("exec.barrier-timeout", _TEXT, "for a job's shells to start together (30m)"),
    _key("exec.shell-exit-timeout", _TEXT, "for the other shells after the first one's end (30s)"),
    _key("exec.keep-timeout", _TEXT, "that jobs outlive a broker that does not come back (10m; none)"),
    _key("exec.max-start-delay-percent", _REAL, "of the duration that a start may be late (25)"),
    _key("exec.testexec.allow-guests", _FLAG, "other users may run mock jobs"),
    _idle(_NO_SYSTEMD, "exec.sdexec-properties.*", _TEXT, "properties of systemd units"),
    _idle(_NO_SYSTEMD, "exec.sdexec-constrain-resources", _FLAG, "systemd confines jobs to their resources"),
    _idle(_NO_SYSTEMD, "exec.sdexec-stop-timer-sec", _REAL, "until the stop signal"),
    _idle(_NO_SYSTEMD, "exec.sdexec-stop-timer-signal", _REAL, "the stop signal"),
    _key("fake-resources.nnodes", _INT, "nodes that do not exist, to try things out on"),
    _key("fake-resources.cores-per-node", _INT, "cores of each (64)"),
    _key("fake-resources.gpus-per-node", _INT, "GPUs of each (0)"),
    _key("fake-resources.host-prefix", _TEXT, "their names without the number (fake)"),
    _key(
        "fake-resources.hwloc-xml-path",
        _TEXT,
        "file of hwloc XML that describes each, in place of cores and GPUs",
    ),
    _key(
        "fake-resources.amend-r",
        _TEXT,
        "file with a Python function `amend(R, hwloc_xml=None)` that returns R, or `MODULE:FUNCTION`",
    ),
    _key("heartbeat.period", _TEXT, "between two heartbeats (2s)"),
    _key("heartbeat.timeout", _TEXT, "without one until a broker gives up (5m)"),
    _key("heartbeat.warn_thresh", _INT, "periods without one until a warning (3)"),
    _idle(
        "jobs that come together are stored together",
        "ingest.batch-count",
        _INT,
        "jobs of one commit",
        _positive,
    ),
    Key("ingest.buffer-size", _TEXT, "largest job that plugins in files take (10M)", check=size),
    _key("ingest.frobnicator.plugins", _LIST, "what changes jobspecs: defaults, constraints, Python files"),
    _key("ingest.frobnicator.timeout", _TEXT, "that plugins in files have for a job (30s)"),
    _key("ingest.frobnicator.*", _FREE, "settings of the plugin in the file of this name"),
    _key("ingest.frobnicator.args", _LIST, "their arguments"),
    _key("ingest.frobnicator.disable", _FLAG, "none"),
    _key(
        "ingest.validator.plugins",
        _LIST,
        "what checks jobs: jobspec, feasibility, require-instance, Python files",
    ),
    _key("ingest.validator.timeout", _TEXT, "that plugins in files have for a job (30s)"),
    _key("ingest.validator.*", _FREE, "settings of the plugin in the file of this name"),
    _key("ingest.validator.require-instance.minnodes", _INT, "jobs of so many nodes are instances (0: all)"),
    _key("ingest.validator.require-instance.mincores", _INT, "jobs of so many cores are instances (0: all)"),
    _key("ingest.validator.args", _LIST, "their arguments"),
    _key("ingest.validator.disable", _FLAG, "none"),
    _key("job-list.max_comparisons", _INT, "limit of the work of one query"),
    _key("job-manager.inactive-age-limit", _TEXT, "forget jobs that ended so long ago"),
    _key("job-manager.inactive-num-limit", _INT, "forget the oldest of more jobs"),
    _key("job-manager.stop-queues-on-restart", _FLAG, "start with stopped queues"),
    _key(
        "job-manager.plugins[].load",
        _TEXT,
        "plugin to load at the start: a Python file, or the name of one that comes with Rosin",
    ),
    _key("job-manager.plugins[].conf", _TABLE, "its settings"),
    _key("job-manager.plugins[].remove", _TEXT, "name or pattern of plugins to remove before"),
    _key("job-manager.housekeeping.command", _LIST, "runs on the nodes of a job that is over"),
    _key("job-manager.housekeeping.release-after", _TEXT, "then free nodes one by one"),
    _key(
        "job-manager.housekeeping.exit-on-first-error",
        _FLAG,
        "of its scripts, the first that fails is the last",
    ),
    _idle(_NO_SYSTEMD, "job-manager.housekeeping.use-systemd-unit", _FLAG, "run a unit instead"),
    _idle(
        "policy.limits.duration is what limits it",
        "job-manager.update.max-duration",
        _TEXT,
        "limit of later changes of a duration",
        _duration,
    ),
    _idle(
        "flux-core no longer reads it, either", "job-manager.journal-size-limit", _INT, "old key of flux-core"
    ),
    *(
        _key(f"job-manager.{name}.{key}", types, text)
        for name, when in (("prolog", "before a job starts"), ("epilog", "after it has ended"))
        for key, types, text in (
            ("command", _LIST, f"runs {when}, by the plugin `perilog.so`"),
            ("timeout", _TEXT, f"it may take ({'30m' if name == 'prolog' else 'any time'})"),
            ("kill-timeout", _REAL, "seconds from SIGTERM until it is given up (60)"),
            ("per-rank", _FLAG, "it runs on each rank of the job, not on rank 0"),
            ("cancel-on-exception", _FLAG, f"a fatal exception ends it ({str(name == 'prolog').lower()})"),
            ("exit-on-first-error", _FLAG, "of its scripts, the first that fails is the last"),
        )
    ),
    _key("job-manager.perilog.log-ignore", _LIST, "regular expressions of output that is not logged"),
    _key("kvs.checkpoint-period", _TEXT, "store a root at least so often"),
    _key("kvs.gc-threshold", _INT, "commits after which a shutdown collects garbage"),
    _key("modules.*.module", _TEXT, "what is loaded under this name: another module, or a Python file"),
    Key("modules.*.args", _LIST, "its arguments", check=_names),
    Key("modules.*.ranks", _TEXT, 'where: an idset, `"all"`, or as in `">0"`', check=_ranks),
    _key("modules.*.disabled", _FLAG, "it is not loaded"),
    _key("modules.*.exec", _FLAG, "it runs in a process of its own"),
    Key("modules.*.provides", _LIST, "services that it stands for", check=_names),
    Key("modules.*.requires", _LIST, "modules and services that are loaded with it", check=_names),
    Key("modules.*.needs", _LIST, "those without which it is not loaded", check=_names),
    Key("modules.*.before", _LIST, "those that are loaded later", check=_names),
    Key("modules.*.after", _LIST, "those that are loaded earlier", check=_names),
    Key("modules.*.needs-attrs", _LIST, "attributes that must be set, with `!` not set", check=_names),
    Key("modules.*.needs-config", _LIST, "likewise keys of the configuration", check=_names),
    Key("modules.*.needs-env", _LIST, "likewise variables of the environment", check=_names),
    _key("modules.*.priority", _INT, "of several that provide a service the highest is loaded (100)"),
    _key("modules.alternatives.*", _TEXT, "the module that provides this service"),
    _key(
        "policy.jobspec.defaults.system",
        _TABLE,
        "attributes of jobs without: duration, queue",
    ),
    _key("policy.limits.duration", _TEXT, "longest duration of a job"),
    _key("policy.limits.job-size.max.nnodes", _INT, "largest job; -1: no limit"),
    _key("policy.limits.job-size.max.ncores", _INT, "the same in cores"),
    _key("policy.limits.job-size.max.ngpus", _INT, "the same in GPUs"),
    _key("policy.limits.job-size.min.nnodes", _INT, "smallest job"),
    _key("policy.limits.job-size.min.ncores", _INT, "the same in cores"),
    _key("policy.limits.job-size.min.ngpus", _INT, "the same in GPUs"),
    _key("policy.access.allow-user", _LIST, "users who may submit"),
    _key("policy.access.allow-group", _LIST, "groups whose members may submit"),
    _idle("the scheduler reads [sched-simple]", "policy.scheduler", _FREE, "for other schedulers"),
    _key("queues.*.requires", _LIST, "properties of the queue's nodes"),
    _key("queues.*.hosts", _TEXT, "the queue's nodes, or `all`"),
    _key("queues.*.parent", _TEXT, "queue whose nodes and policy it has"),
    _key("queues.*.policy", _TABLE, "as `policy`, for this queue"),
    _key("resource.path", _TEXT, "file with R"),
    _key("resource.scheduling", _TEXT, "file with R's key `scheduling`"),
    _key("resource.config[].hosts", _TEXT, "hosts of this entry"),
    _key("resource.config[].cores", _TEXT, "their cores (idset)"),
    _key("resource.config[].gpus", _TEXT, "their GPUs (idset)"),
    _key("resource.config[].properties", _LIST, "their properties"),
    _key("resource.pools", _FREE, "counted pools, such as licences: name = how many"),
    _key("resource.exclude", _TEXT, "nodes that get no jobs"),
    _key("resource.verify", _FREE, "compare with the machine: default, hostname, core, gpu"),
    _key("resource.noverify", _FLAG, "do not compare"),
    _key("resource.norestrict", _FLAG, "look at all processors, not only the broker's"),
    _idle(
        "the resources of an enclosing job are always followed",
        "resource.no-update-watch",
        _FLAG,
        "do not follow the enclosing job's resources",
    ),
    _key("resource.rediscover", _FLAG, "look at the machine, although the instance is a job"),
    _key("resource.journal-max", _INT, "events that are kept in memory (100000)"),
    _key("resource.history", _TEXT, "age of events that a restart keeps (90d)"),
    _key("sched-simple.mode", _TEXT, "limited=N or unlimited"),
    _key("sched-simple.queue-depth", (int, str), "jobs that are looked at"),
    _key("sched-simple.queue-policy", _TEXT, "who may overtake: fcfs, easy, hybrid or conservative"),
    _key("sched-simple.reservation-depth", _INT, "jobs that are promised a start"),
    _key("sched-simple.backfill-depth", (int, str), "jobs that may overtake"),
    _key(
        "sched-simple.alloc-mode",
        _TEXT,
        "worst-fit (spread jobs), best-fit (pack them) or first-fit (lowest ranks)",
    ),
    _key("sched-simple.forecast-depth", _INT, "jobs whose start is estimated (8)"),
    _key("sched-simple.log-level", _TEXT, "what is logged"),
    _idle(_NO_SYSTEMD, "sdexec", _FREE, "for systemd"),
    _key("systemd.enable", _FLAG, "must be false"),
    _idle(_NO_SYSTEMD, "systemd.sdbus-debug", _FLAG, "log"),
    _idle(_NO_SYSTEMD, "systemd.sdexec-debug", _FLAG, "log"),
    _key("tbon.topo", _TEXT, "default of the attribute of the same name, as the others of this table"),
    _key("tbon.torpid_min", _TEXT, "a broker gives a sign of life"),
    _key("tbon.torpid_max", _TEXT, "a broker is taken for unresponsive"),
    _key("tbon.tcp_user_timeout", _TEXT, "unacknowledged data"),
    _key("tbon.connect_timeout", _TEXT, "a connection is made"),
    _key("tbon.zmq_io_threads", _INT, "threads"),
    _key("tbon.zmqdebug", _INT, "log socket events"),
    _key("tbon.child_rcvhwm", _INT, "messages taken from a broker below before it has to wait"),
    _key("tbon.interface-hint", _TEXT, "network to use"),
)

#: Tables whose service checks every key and value by itself, with better messages than a table could give.
CHECKED_ELSEWHERE = frozenset(("bootstrap", "policy", "queues"))
#: Tables of other programs that keep their configuration here.
FOREIGN = frozenset(("accounting", "rabbit"))
#: Other schedulers' tables begin so.
SCHEDULER = "sched-"
