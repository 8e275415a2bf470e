# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which tests are about a source file: by convention, else as the table says.

The tests of ``src/rosin/AREA/NAME.py`` are ``tests/AREA/test_NAME.py`` and ``test_NAME_PART.py``, unless
there is a ``NAME_PART.py``; without them, those of the longest part of the name before an underscore (of
``treedict_x``: ``test_treedict.py``); without these, all of the nearest folder that has tests. A street,
``src/rosin/rfc/NAME/PART.py``, has its tests beside those of its neighbours: the file counts as
``rfc/NAME_PART.py``, and what the package offers as ``rfc/NAME.py``. A file that has its tests elsewhere is
in ``EXCEPTIONS``.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "rosin"

_KVS = tuple(
    f"modules/kvs/test_{part}.py" for part in ("kvs_service", "checkpoints", "durability", "deep_keys")
)
#: Source file or folder, below src/rosin: its tests, below tests.
EXCEPTIONS: dict[str, tuple[str, ...]] = {
    "__init__.py": ("cli/test_imports.py",),
    "__main__.py": ("cli/test_start.py",),
    "broker/attrs.py": ("broker/test_attrtable.py",),
    "broker/attrvalues.py": ("broker/test_attrtable.py",),
    "broker/rundir.py": ("broker/test_boot_directories.py", "system/test_rundir.py"),
    "broker/directories.py": ("broker/test_boot_directories.py",),
    "broker/sdnotify.py": ("system/test_attribute_effects.py",),
    "broker/configtable.py": ("broker/test_configcheck.py",),
    "broker/guest.py": ("system/test_guests.py",),
    "broker/guest_client.py": ("broker/test_connector.py",),
    "broker/course.py": ("scenarios/test_boot.py", "broker/test_boot_states.py", "broker/test_boot_tree.py"),
    "broker/life.py": (
        *(f"broker/test_boot_{part}.py" for part in ("states", "tree", "told", "run")),
        "broker/test_boot_directories.py",
    ),
    "broker/treestates.py": ("broker/test_boot_tree.py",),
    "broker/reminder.py": ("broker/test_boot_tree.py",),
    **dict.fromkeys(
        ("broker/eventflow.py", "broker/router.py", "broker/neighbour.py"),
        ("broker/test_router.py", "broker/test_neighbours.py", "broker/test_core.py"),
    ),
    "broker/module.py": ("broker/test_modules.py",),
    "broker/module_peer.py": ("broker/test_modules.py", "broker/test_core.py"),
    "broker/dependents.py": ("broker/test_following.py",),
    **dict.fromkeys(
        (
            *(f"cli/{name}.py" for name in ("dump", "restore", "fsck", "gc", "keycount")),
            *(f"kvs/snapshot/{name}.py" for name in ("__init__", "walk", "dump", "restore", "tarball")),
        ),
        ("cli/test_dump.py",),
    ),
    **dict.fromkeys(
        ("kvs/snapshot/fsck.py", "kvs/snapshot/repair.py"), ("cli/test_dump.py", "system/test_fsck.py")
    ),
    "broker/origin.py": ("broker/test_connector.py",),
    **dict.fromkeys(
        (
            *(
                f"broker/overlay/z{part}.py"
                for part in ("ap", "context", "downlink", "endpoint", "monitor", "uplink")
            ),
            "broker/overlay/backlog.py",
            "broker/overlay/loopsocket.py",
        ),
        ("broker/overlay/test_zmq.py", "broker/overlay/test_zmq_refused.py"),
    ),
    "broker/peer.py": ("broker/test_senders.py", "broker/test_connector.py"),
    "broker/services/state_machine.py": ("broker/test_state_machine.py",),
    "broker/socket_client.py": ("broker/test_client.py", "broker/test_connector.py"),
    "broker/state.py": ("broker/test_state_machine.py",),
    "cli/exec": ("cli/test_exec_job.py", "cli/test_admin_commands.py"),
    "cli/hostlist.py": ("cli/test_admin_sets.py",),
    "cli/idset.py": ("cli/test_admin_sets.py",),
    "cli/job": ("cli/test_job_commands.py", "cli/test_job_parts.py", "cli/test_run.py"),
    "cli/kvs": ("cli/test_kvs_commands.py",),
    "cli/R.py": ("cli/test_admin_sets.py",),
    "cli/job/debug.py": ("cli/test_debug.py",),
    "cli/job/output.py": ("cli/test_job_parts.py",),
    "cli/resource": ("cli/test_resource_list.py", "cli/test_admin_commands.py"),
    "cli/shutdown.py": ("cli/test_shutdown_gc.py",),
    "constants.py": ("test_conventions.py",),
    "errors.py": ("rfc/test_any_input.py",),
    "handle/flux.py": ("handle/test_flux.py", "handle/test_opening.py"),
    "handle/handle.py": ("handle/test_flux.py", "handle/test_aio.py"),
    "instance.py": ("handle/test_instance.py",),
    "modules/__init__.py": ("broker/test_modules.py",),
    "job/spec_v1.py": ("job/test_spec.py",),
    "modules/sched/base.py": ("modules/sched/test_service.py", "modules/sched/test_own_schedulers.py"),
    "modules/sched/settings.py": ("modules/sched/test_malformed.py", "modules/sched/test_service.py"),
    "modules/job_exec/shells.py": (
        "scenarios/test_exec.py",
        *(f"modules/job_exec/test_{part}.py" for part in ("job", "shells", "tree")),
    ),
    "modules/job_exec/launcher.py": ("modules/job_exec/test_shells.py", "modules/job_exec/test_tree.py"),
    "modules/job_exec/barrier.py": ("scenarios/test_exec.py", "modules/job_exec/test_job.py"),
    "modules/kvs/commits.py": ("scenarios/test_kvs.py", *_KVS),
    "modules/kvs/storage.py": ("scenarios/test_kvs.py", *_KVS),
    "modules/sched/schedule.py": ("scenarios/test_sched.py", "modules/sched/test_service.py"),
    "modules/sched/simple.py": ("modules/sched/test_service.py", "scenarios/test_sched.py"),
    "resource/allocator/placement.py": ("modules/sched/test_policy.py", "scenarios/test_sched.py"),
    "launch/service.py": ("launch/test_service.py", "launch/test_launcher.py"),
    "process/refused.py": ("shell/test_start_error.py", "cli/test_exec_job.py"),
    "process/watch.py": ("remote/test_read_watch.py",),
    "process/worker.py": ("process/test_zygote.py",),
    "process/zygote_server.py": ("process/test_zygote.py",),
    "queue.py": ("job/test_queue.py",),
    **dict.fromkeys(
        (
            *(f"rest/auth/{name}.py" for name in ("sessions", "links", "csrf", "models")),
            "rest/routes/session.py",
        ),
        ("rest/test_sessions.py",),
    ),
    **dict.fromkeys(
        (*(f"rest/auth/{name}.py" for name in ("authenticator", "access", "throttle")), "rest/v1/tokens.py"),
        ("rest/test_auth.py", "rest/test_malformed.py", "rest/test_users.py", "rest/test_tokens.py"),
    ),
    **dict.fromkeys(
        ("rest/auth/identity.py", "rest/auth/rules.py", "rest/auth/tokens.py", "rest/routes/tokens.py"),
        ("rest/test_tokens.py", "rest/test_users.py"),
    ),
    **{f"rest/auth/{name}.py": (f"rest/test_{name}.py",) for name in ("users", "rates", "audit")},
    "rest/gate.py": (
        "rest/test_sessions.py",
        "rest/test_users.py",
        "rest/test_auth.py",
        "rest/test_attacks.py",
    ),
    "rest/gate_checks.py": ("rest/test_attacks.py", "rest/test_connection.py", "rest/test_sessions.py"),
    "rest/loginlink.py": ("rest/test_serving.py",),
    "rest/peer.py": ("rest/test_attacks.py", "rest/test_connection.py"),
    "rest/webhooks": ("rest/test_webhooks.py",),
    "shell/plugins/oom.py": ("shell/plugins/test_memory.py",),
    "shell/plugins/sysmon.py": ("shell/plugins/test_memory.py",),
    "shell/vocabulary.py": ("shell/test_refusals.py",),
    "testing": ("modules", "system/test_crash.py", "fuzz"),
}


def sources() -> list[str]:
    """Every source file, below src/rosin."""
    return sorted(str(path.relative_to(SOURCES)) for path in SOURCES.rglob("*.py"))


def covering(source: str, root: Path = ROOT) -> list[Path]:
    """The test files of *source* (a path below src/rosin), in order; empty if there are none."""
    tests, path = root / "tests", Path(source)
    for place in (path, *path.parents):
        named = [tests / name for name in EXCEPTIONS.get(str(place), ())]
        if named and all(path.exists() for path in named):  # another tree may be a small one
            return named
    if path.parts[0] == "rfc" and len(path.parts) == 3:
        street, part = path.parts[1], path.stem.strip("_")
        path = Path("rfc", f"{street}.py" if part in ("init", street) else f"{street}_{part}.py")
    words = path.stem.strip("_").split("_")
    for length in range(len(words), 0, -1):
        name = "_".join(words[:length])
        area = root / "src" / "rosin" / path.parent
        found = [
            test
            for test in sorted((tests / path.parent).glob(f"test_{name}*.py"))
            if test.stem == f"test_{name}" or not _is_there(area, test.stem.removeprefix("test_"))
            if test.stem.removeprefix(f"test_{name}")[:1] in ("", "_")
        ]
        if name and found:
            return found
    for folder in path.parents:
        if found := sorted((tests / folder).glob("test_*.py")):
            return found if folder != Path() else []
    return []


def _is_there(area: Path, name: str) -> bool:
    """There is a NAME_PART.py, or a NAME/PART.py."""
    return any((area / f"{place}.py").exists() for place in (name, name.replace("_", "/", 1)))
