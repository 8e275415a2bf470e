# SPDX-License-Identifier: LGPL-3.0-or-later
"""What the ``flux`` package answers: the examples of a file with the answers of the one that is imported.

``flux start flux python tests/upstream/answers.py FILE`` with flux-core's own bindings prints FILE anew;
tests/dropin compares it with the drop-in. A file is a list of examples: ``>>> STATEMENT``, ``... MORE
LINES``, and the answer below: what an interactive Python prints, of an exception the last line alone.
"""

from __future__ import annotations

import ast
import contextlib
import io
import sys


def examples(text):
    """The examples of a file as pairs of source and answer; a comment is an example without an answer."""
    source, answer = [], []
    for line in [*text.splitlines(), ">>> "]:
        if line.startswith((">>> ", "# ")) and source:
            yield "\n".join(source), "\n".join(answer)
            source, answer = [], []
        if line.startswith((">>> ", "... ", "# ")):
            source.append(line if line.startswith("# ") else line[4:])
        elif source:
            answer.append(line)


def run(source, space):
    """Execute a statement; returns what it prints, and the exception that it ends with."""
    printed = io.StringIO()
    hook, sys.displayhook = sys.displayhook, lambda value: value is None or print(repr(value))
    error = None
    try:
        with contextlib.redirect_stdout(printed):
            for node in ast.parse(source).body:
                exec(compile(ast.Interactive([node]), "<example>", "single"), space)
    except (Exception, SystemExit) as exc:
        error = exc
    finally:
        sys.displayhook = hook
    return printed.getvalue().rstrip("\n"), error


def told(printed, error):
    lines = [printed] if printed else []
    return "\n".join([*lines, *([f"{type(error).__name__}: {error}".strip()] if error is not None else [])])


def agrees(answer, printed, error):
    """Whether an answer is the expected one. Keys of objects may be in another order; the text of an
    exception may go on, and its class be a subclass.
    """
    if told(printed, error) == answer or (error is None and same(printed, answer)):
        return True
    before, _, last = answer.rpartition("\n")
    name, _, text = last.partition(": ")
    known = error is not None and name in [kind.__name__ for kind in type(error).__mro__]
    return known and printed == before and str(error).startswith(text.rstrip("."))


def same(one, other):
    try:
        return ast.literal_eval(one) == ast.literal_eval(other)
    except (ValueError, SyntaxError):
        return False


def main():
    with open(sys.argv[1], encoding="utf-8") as stream:
        text = stream.read()
    space = {"__name__": "__main__"}
    for source, _ in examples(text):
        if source.startswith("# "):
            print(source)
            continue
        first, *more = source.split("\n")
        print(f">>> {first}", *(f"... {line}" for line in more), sep="\n")
        answer = told(*run(source, space))
        if answer:
            print(answer)


if __name__ == "__main__":
    main()
