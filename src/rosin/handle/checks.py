# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is checked of a message before it is sent.

A broker ends a connection whose messages it cannot read, so a wrong argument must not reach it. The
exceptions are those of flux-core's bindings.
"""

from __future__ import annotations

import errno
from _operator import index

from rosin.constants import FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING

_RPC_FLAGS = FLUX_RPC_NORESPONSE | FLUX_RPC_STREAMING
_MAX_NODEID = 0xFFFFFFFF


class InvalidArguments(TypeError, ValueError):
    """An argument has the wrong type. flux-core's class of this name is a ValueError, Python's custom a
    TypeError.
    """


def check_topic(topic: object) -> str:
    """The topic as text, perhaps an empty one.

    Raises OSError (EINVAL) for None and for a NUL inside, TypeError for what is neither str nor bytes.
    """
    if topic is None:
        raise OSError(errno.EINVAL, "Topic must not be None/NULL")
    if isinstance(topic, bytes):
        topic = topic.decode()
    if not isinstance(topic, str):
        raise InvalidArguments(errno.EINVAL, f"Topic must be a string, not {type(topic)}")
    if "\0" in topic:
        raise OSError(errno.EINVAL, f"Topic must not contain NUL: {topic!r}")
    return topic


def check_event_topic(topic: object) -> str:
    """Like :func:`check_topic`; an event must have one. Raises OSError (EINVAL) for an empty topic."""
    text = check_topic(topic)
    if not text:
        raise OSError(errno.EINVAL, "Topic must not be empty: an event has a name, as in 'job.start'")
    return text


def check_nodeid(nodeid: object) -> int:
    """A rank, or one of the special node ids. Raises OverflowError outside of 32 bits, TypeError if it is
    no int.
    """
    try:
        number = index(nodeid)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidArguments(f"nodeid must be an int, not {type(nodeid)}") from None
    if not 0 <= number <= _MAX_NODEID:
        raise OverflowError(f"nodeid {number} is not a rank, FLUX_NODEID_ANY or FLUX_NODEID_UPSTREAM")
    return number


def check_rpc_flags(flags: object) -> int:
    """FLUX_RPC_NORESPONSE, FLUX_RPC_STREAMING or both. Raises OSError (EINVAL) for others, TypeError for
    no int.
    """
    try:
        number = index(flags)  # type: ignore[arg-type]
    except TypeError:
        raise InvalidArguments(f"flags must be an int, not {type(flags)}") from None
    if number & ~_RPC_FLAGS:
        raise OSError(
            errno.EINVAL, f"RPC flags {number:#x} are not FLUX_RPC_NORESPONSE (1) and FLUX_RPC_STREAMING (2)"
        )
    return number


def check_text(value: object, what: str) -> str:
    """An argument that is a name: text, perhaps as bytes. Raises OSError (EINVAL) for None, TypeError for
    the rest.
    """
    if value is None:
        raise OSError(errno.EINVAL, f"{what} must not be None/NULL")
    if isinstance(value, bytes):
        value = value.decode()
    if not isinstance(value, str):
        raise InvalidArguments(f"{what} must be a string, not {type(value)}")
    return value
