# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin lptest``."""

import pytest


def expected(length, count):
    return "".join("".join(chr(0x21 + (i + j) % 0x5E) for j in range(length)) + "\n" for i in range(count))


@pytest.mark.parametrize(
    ("words", "length", "count"),
    [
        ((), 79, 200),
        (("3",), 3, 200),
        (("3", "2"), 3, 2),
        (("200", "95"), 200, 95),
        (("0", "2"), 0, 2),
        (("5", "0"), 5, 0),
        (("1", "94"), 1, 94),
        (("80", "5000"), 80, 5000),
    ],
)
def test_lines(command, words, length, count):
    assert command("lptest", *words) == (0, expected(length, count), "")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("x",), "error parsing length: expected a number, as in 79, got 'x'"),
        (("3", "1e9"), "error parsing count: expected a number, as in 79, got '1e9'"),
        (("-1",), "error parsing length: expected a number, as in 79, got '-1'"),
    ],
)
def test_what_is_no_number(command, words, text):
    assert command("lptest", *words) == (1, "", f"rosin-lptest: {text}\n")


def test_too_many_words(command):
    code, out, err = command("lptest", "1", "2", "3")
    assert (code, out) == (2, "")
    assert "unexpected argument '3'" in err
