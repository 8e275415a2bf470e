# SPDX-License-Identifier: LGPL-3.0-or-later
"""Another user, for tests of what guests may do."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

#: A user who owns nothing.
GUEST = 65534


def as_guest(function: Callable[..., Any], *args: Any, uid: int = GUEST) -> Any:
    """What a function returns, or raises, in a process of another user; only root can ask for that."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgid(uid)
            os.setuid(uid)
            result: Any = function(*args)
        except BaseException as error:
            result = error
        os.write(writer, pickle.dumps(result))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        result = pickle.loads(pipe.read())
    os.waitpid(pid, 0)
    if isinstance(result, BaseException):
        raise result
    return result
