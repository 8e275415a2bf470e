# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.constants."""

from rosin import constants as _constants
from rosin.constants import *  # noqa: F403

FLUX_EVENT_PRIVATE = 1
FLUX_JOB_LOOKUP_CURRENT = _constants.FLUX_JOB_INFO_LOOKUP_CURRENT
FLUX_JOB_LOOKUP_JSON_DECODE = _constants.FLUX_JOB_INFO_LOOKUP_JSON_DECODE
FLUX_KVS_WATCH_INITIAL_SENTINEL = _constants.FLUX_KVS_INITIAL_SENTINEL
FLUX_MSGTYPE_MASK = _constants.FLUX_MSGTYPE_ANY
FLUX_REACTOR_NOWAIT = 1
FLUX_REACTOR_ONCE = 2
