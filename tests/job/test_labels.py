# SPDX-License-Identifier: LGPL-3.0-or-later
"""Labels before lines of output, whole and not."""

from __future__ import annotations

from rosin.job.labels import Labels, labelled


def test_every_line_is_labelled():
    assert labelled(b"a\nb\n", b"1: ") == b"1: a\n1: b\n"
    assert labelled(b"a", b"1: ") == b"1: a"
    assert labelled(b"\n", b"1: ") == b"1: \n"


def written(*pieces, shared=False):
    labels = Labels(shared)
    return b"".join(labels.add(sink, label, sink, data) for sink, label, data in pieces)


def test_a_label_begins_a_line():
    zero, one = ("out", b"0: "), ("out", b"1: ")
    assert written((*zero, b"x"), (*one, b"y")) == b"0: x\n1: y"
    assert written((*zero, b"x"), (*zero, b"y\nz\n")) == b"0: xy\n0: z\n"  # it goes on
    assert written((*zero, b"x\n"), (*one, b"y\n")) == b"0: x\n1: y\n"
    assert written((*zero, b"x"), (*one, b"y"), (*zero, b"z")) == b"0: x\n1: y\n0: z"


def test_streams_disturb_each_other_in_one_file_only():
    pieces = [("out", b"0: ", b"x"), ("err", b"0: ", b"e\n"), ("out", b"0: ", b"y\n")]
    assert written(*pieces) == b"0: x0: e\ny\n"  # x and y go to one file, e to another
    assert written(*pieces, shared=True) == b"0: x\n0: e\n0: y\n"


def test_a_message_begins_a_line():
    labels = Labels(True)
    labels.add(1, b"0: ", "stdout", b"x")
    assert (labels.end(2), labels.end(2)) == (b"\n", b"")
    apart = Labels(False)
    apart.add(1, b"0: ", "stdout", b"x")
    assert (apart.end(2), apart.end(1)) == (b"", b"\n")
