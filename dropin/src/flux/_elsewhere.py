# SPDX-License-Identifier: LGPL-3.0-or-later
"""Names that flux-core's modules have from each other, for programs that import them from there.

They are looked up when they are asked for, in the module that they belong to.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

#: Module to the names of its own that others have.
_HOMES = {
    "flux.abc.journal": "JournalConsumerBase JournalEventBase",
    "flux.cli.argparse": "FluxArgumentParser",
    "flux.cli.plugin": "CLIPluginRegistry",
    "flux.conf_builtin": "conf_builtin_get",
    "flux.constraint.parser": "ConstraintParser ConstraintSyntaxError",
    "flux.core.handle": "Flux",
    "flux.core.watchers": "CheckWatcher FDWatcher IdleWatcher PrepareWatcher SignalWatcher TimerWatcher "
    "Watcher",
    "flux.eventlog": "EventLogEvent",
    "flux.future": "Future FutureExt WaitAllFuture",
    "flux.hostlist": "Hostlist",
    "flux.idset": "IDset",
    "flux.importer": "import_path import_plugins",
    "flux.job.JobID": "JobID",
    "flux.job._utils": "MiniConstraintParser URIArg decode_duration dependency_array_create "
    "get_filtered_environment get_filtered_rlimits jobspec_add_file parse_jobspec_keyval "
    "parse_signal_option",
    "flux.job.event": "JobException event_wait event_watch event_watch_async",
    "flux.job.info": "JobInfo",
    "flux.job.kvslookup": "job_kvs_lookup",
    "flux.job.list": "job_list_id",
    "flux.job.output": "output_watch_async",
    "flux.job.submit": "submit_async submit_get_id",
    "flux.job.watcher": "JobWatcher",
    "flux.kvs": "WatchImplementation",
    "flux.memoized_property": "memoized_property",
    "flux.message": "MessageWatcher",
    "flux.progress": "ProgressBar",
    "flux.resource.ResourcePoolImplementation": "ResourcePoolImplementation",
    "flux.resource.ResourceSet": "ResourceSet",
    "flux.resource.ResourceSetImplementation": "ResourceSetImplementation",
    "flux.resource.Rv1Set": "Rv1Set",
    "flux.resource.list": "resource_list",
    "flux.rpc": "RPC",
    "flux.uri.uri": "FluxURIResolver JobURI",
    "flux.utils.parsedatetime": "Calendar",
    "flux.util": "Fileref check_future_error del_treedict encode_payload encode_topic get_treedict "
    "interruptible parse_fsd set_treedict",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

#: Module to the names that it has from others.
_NAMES = {
    "flux.abc.journal": "EventLogEvent",
    "flux.cli.base": "JobWatcher ProgressBar",
    "flux.cli.plugin": "conf_builtin_get import_path import_plugins",
    "flux.cli.run": "IDset",
    "flux.core.handle": "CheckWatcher FDWatcher Future IdleWatcher MessageWatcher "
    "PrepareWatcher RPC SignalWatcher TimerWatcher encode_payload "
    "encode_topic get_treedict",
    "flux.future": "check_future_error interruptible",
    "flux.job.Jobspec": "CLIPluginRegistry ConstraintSyntaxError Fileref MiniConstraintParser "
    "URIArg decode_duration del_treedict dependency_array_create "
    "get_filtered_environment get_filtered_rlimits jobspec_add_file "
    "parse_fsd parse_jobspec_keyval parse_signal_option set_treedict",
    "flux.job._utils": "ConstraintParser",
    "flux.job.event": "WatchImplementation",
    "flux.job.executor": "JobException event_watch_async submit_async submit_get_id",
    "flux.job.info": "memoized_property",
    "flux.job.journal": "JobID JournalConsumerBase JournalEventBase",
    "flux.job.kill": "Flux Future JobID",
    "flux.job.kvslookup": "JobID RPC WaitAllFuture",
    "flux.job.list": "JobID JobInfo RPC WaitAllFuture",
    "flux.job.output": "EventLogEvent FutureExt IDset JobException JobID event_wait "
    "event_watch event_watch_async job_kvs_lookup",
    "flux.job.stats": "RPC",
    "flux.job.submit": "Future JobID check_future_error",
    "flux.job.wait": "Future check_future_error interruptible",
    "flux.job.watcher": "ProgressBar output_watch_async",
    "flux.kvs": "Future RPC",
    "flux.message": "Watcher encode_payload encode_topic",
    "flux.queue": "parse_fsd resource_list",
    "flux.resource.ResourceSet": "Hostlist IDset ResourceSetImplementation Rv1Set",
    "flux.resource.Rv1Pool": "IDset",
    "flux.resource.Rv1Set": "Hostlist",
    "flux.resource.TreePool": "IDset ResourcePoolImplementation",
    "flux.resource.journal": "JournalConsumerBase JournalEventBase",
    "flux.resource.list": "FutureExt IDset ResourceSet memoized_property",
    "flux.resource.status": "IDset RPC ResourceSet resource_list",
    "flux.rpc": "Future check_future_error encode_payload encode_topic interruptible",
    "flux.sdexec.map": "FluxArgumentParser",
    "flux.uri.resolvers.jobid": "JobID JobURI job_list_id",
    "flux.uri.resolvers.lsf": "FluxURIResolver",
    "flux.uri.resolvers.slurm": "FluxURIResolver",
    "flux.util": "Calendar",
}


def elsewhere(module: str) -> Callable[[str], Any]:
    """``__getattr__`` of a module that has names from others."""
    names = frozenset(_NAMES[module].split())

    def find(name: str) -> Any:
        if name in names:
            return getattr(import_module(_HOME[name]), name)
        raise AttributeError(f"module '{module}' has no attribute '{name}'")

    return find
