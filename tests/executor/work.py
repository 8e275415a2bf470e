# SPDX-License-Identifier: LGPL-3.0-or-later
"""Functions that tests ship to jobs, which import this module."""

import os
import signal
import sys
from pathlib import Path

from rosin.executor import progress


class Odd(Exception):
    """One that cannot be made again of what it keeps."""

    def __init__(self, number, text):
        super().__init__(text)


class Unpicklable(Exception):
    def __reduce__(self):
        raise TypeError("not this one")

    def __str__(self):
        raise RuntimeError("nor this")


def square(number):
    return number * number


def fail(text):
    raise KeyError(text)


def fail_oddly():
    raise Odd(3, "odd")


def fail_unspeakably():
    raise Unpicklable


def leave():
    raise SystemExit(7)


def vanish(words):
    print(words, file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def where():
    return os.getcwd(), os.environ.get("COLOUR"), os.environ["FLUX_JOB_ID"]


def rank(failing=None):
    own = int(os.environ["FLUX_TASK_RANK"])
    if own == failing:
        raise ValueError(own)
    return own


def twice(data):
    return data + data


def generator():
    return (number for number in range(3))


def wait_for(path):
    """Tell that it runs, and wait for a line."""
    progress(1, 4, "waiting")
    return Path(path).read_text()


def sleep():
    signal.pause()


def sleep_for(_reason):
    signal.pause()


def tell_often(number):
    for done in range(number):
        progress(done, number)
    return number
