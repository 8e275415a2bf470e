# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 21: job states, results and events."""

from rosin.rfc.states.states import (
    EVENTS,
    RESULT_EMOJI,
    RESULTS,
    STATE_EMOJI,
    STATES,
    TRANSITIONS,
    check_context,
    job_result,
    next_state,
    parse_result,
    parse_state,
    replay,
    result_name,
    state_name,
    status_name,
)

__all__ = [
    "EVENTS",
    "RESULTS",
    "RESULT_EMOJI",
    "STATES",
    "STATE_EMOJI",
    "TRANSITIONS",
    "check_context",
    "job_result",
    "next_state",
    "parse_result",
    "parse_state",
    "replay",
    "result_name",
    "state_name",
    "status_name",
]
