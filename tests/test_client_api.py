# SPDX-License-Identifier: LGPL-3.0-or-later
"""Services, broker, shell and REST server use the client API: what it asks for is said there alone.

Commands are not here: some of them ask by themselves, as they must not pay for imports.
"""

import re
from pathlib import Path

import rosin

SRC = Path(rosin.__file__).parent
API = ("job", "kvs", "resource", "queue.py", "content.py")
CLIENTS = ("accounting", "broker", "launch", "modprobe", "modules", "remote", "rest", "shell", "simulate")
#: A call that sends, or one of a function of the same file that is given a handle and a topic.
REQUEST = re.compile(
    r'(?:(?:rpc|request|RPC|Watch|Future)\(\s*(?:[\w.]+,\s*)?|\w\(\s*(?:self\.)?(?:h|handle),\s*)"([a-z-]+\.[a-z.-]+)"'
)
#: Requests that are made by hand all the same, and why.
BY_HAND = {
    **dict.fromkeys(
        (("modules/content/leader.py", f"content-backing.{name}") for name in ("load", "checkpoint-get")),
        "content is what asks its backing store; others may, too",
    ),
    (
        "modules/job_manager/plugins/perilog.py",
        "resource.drain",
    ): "a plugin asks through the manager's port; the payload is the API's",
    **dict.fromkeys(
        (
            (name, "feasibility.check")
            for name in (
                "modules/job_ingest/module.py",
                "modules/job_manager/update.py",
                "rest/own/feasible.py",
            )
        ),
        "no part of the API: a validator makes this request, too, with the job as it came",
    ),
    ("broker/services/config.py", "config.get"): "a stream of the configuration that a broker's parent has",
    (
        "shell/plugins/input.py",
        "job-info.eventlog-watch",
    ): "refuses malformed events instead of passing them on",
}


def topics(places: tuple[str, ...]) -> set[tuple[str, str]]:
    files = [
        file for place in places for file in ([SRC / place] if "." in place else (SRC / place).rglob("*.py"))
    ]
    return {
        (file.relative_to(SRC).as_posix(), topic)
        for file in files
        for topic in REQUEST.findall(file.read_text())
    }


def test_what_the_client_api_asks_is_not_built_by_hand() -> None:
    offered = {topic for _, topic in topics(API)}
    assert {
        "job-manager.raise",
        "kvs.commit",
        "kvs.getroot",
        "content.load",
        "job-info.lookup",
        "resource.drain",
    } <= offered
    assert {(file, topic) for file, topic in topics(CLIENTS) if topic in offered} == set(BY_HAND)
