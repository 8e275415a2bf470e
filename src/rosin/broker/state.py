# SPDX-License-Identifier: LGPL-3.0-or-later
"""The broker's life as a state machine: states, events, and what follows what. Pure.

``load-builtins → join → config-sync → init (rc1) → quorum → run (rc2, the initial program) → cleanup →
shutdown → finalize (rc3) → goodbye → unload-builtins → exit``. Names and numbers are flux-core's.
"""

from __future__ import annotations

STATES = (
    "load-builtins",
    "join",
    "config-sync",
    "init",
    "quorum",
    "run",
    "cleanup",
    "shutdown",
    "finalize",
    "goodbye",
    "unload-builtins",
    "exit",
)

# state -> event -> next state
_NEXT: dict[str, dict[str, str]] = {
    "load-builtins": {"builtins-success": "join", "builtins-fail": "exit"},
    "join": {"parent-none": "config-sync", "parent-ready": "config-sync", "parent-fail": "shutdown"},
    "config-sync": {"sync-success": "init", "sync-none": "init", "sync-fail": "shutdown"},
    "init": {"rc1-success": "quorum", "rc1-none": "quorum", "rc1-fail": "shutdown"},
    "quorum": {"quorum-full": "run", "quorum-fail": "shutdown"},
    "run": {
        "rc2-success": "cleanup",
        "rc2-fail": "cleanup",
        "rc2-none": "cleanup",
        "rc2-abort": "cleanup",
        "shutdown": "cleanup",
        "parent-fail": "cleanup",
    },
    "cleanup": {"cleanup-success": "shutdown", "cleanup-fail": "shutdown", "cleanup-none": "shutdown"},
    "shutdown": {"children-complete": "finalize", "children-none": "finalize", "shutdown-abort": "finalize"},
    "finalize": {"rc3-success": "goodbye", "rc3-none": "goodbye", "rc3-fail": "goodbye"},
    "goodbye": {"goodbye": "unload-builtins"},
    "unload-builtins": {"rmmod-builtins": "exit"},
    "exit": {},
}


class StateMachine:
    """Where one broker is in its life."""

    def __init__(self, now: float) -> None:
        self.state = STATES[0]
        self.since = now

    @property
    def number(self) -> int:
        """The state's number on the wire."""
        return STATES.index(self.state)

    def post(self, event: str, now: float) -> bool:
        """Apply an event; False if it does not belong to the current state."""
        following = _NEXT[self.state].get(event)
        if following is None:
            return False
        self.state, self.since = following, now
        return True

    def reached(self, state: str) -> bool:
        """Whether this state or a later one has been entered."""
        return self.number >= STATES.index(state)
