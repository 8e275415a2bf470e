# SPDX-License-Identifier: LGPL-3.0-or-later
"""Parsl's FluxExecutor: a tree of 23 apps with dependencies, one that fails, shell apps and their files."""

import os
import tempfile
from pathlib import Path

import parsl
from parsl.config import Config
from parsl.data_provider.files import File
from parsl.executors import FluxExecutor


@parsl.python_app
def add(left: int, right: int) -> int:
    return left + right


@parsl.python_app
def fails() -> None:
    raise ValueError("on purpose")


@parsl.bash_app
def write(word: str, outputs=()):
    return f"echo {word} in job $FLUX_JOB_ID > {outputs[0]}"


@parsl.bash_app
def join(inputs=(), outputs=()):
    return f"cat {' '.join(str(each) for each in inputs)} > {outputs[0]}"


def main() -> None:
    here = Path(tempfile.mkdtemp(prefix="parsl-"))
    config = Config(executors=[FluxExecutor(working_dir=str(here))], run_dir=str(here / "runs"))
    with parsl.load(config):
        numbers = [add(each, each) for each in range(8)]
        while len(numbers) > 1:  # a tree of sums: each waits for two others
            numbers = [add(left, right) for left, right in zip(numbers[::2], numbers[1::2], strict=True)]
        failed = fails()
        words = [write(word, outputs=[File(str(here / word))]) for word in ("one", "two", "three")]
        text = join(inputs=[each.outputs[0] for each in words], outputs=[File(str(here / "all"))])
        assert numbers[0].result() == 56, numbers[0].result()
        assert isinstance(failed.exception(), ValueError), failed.exception()
        text.result()
        print((here / "all").read_text(), end="")
        print(f"sum {numbers[0].result()}, and one app failed: {failed.exception()}")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    main()
