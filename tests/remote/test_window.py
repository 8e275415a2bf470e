# SPDX-License-Identifier: LGPL-3.0-or-later
"""How far output may run ahead of its client."""

from hypothesis import given
from hypothesis import strategies as st

from rosin.remote.window import FIRST, LEAST, MOST, Window


class Asked:
    """Answers when the test says."""

    def __init__(self):
        self.questions = []
        self.opened = 0
        self.at = 0  # pieces on the way when it asked
        self.window = Window(self.questions.append, self.open)

    def open(self):
        self.opened += 1

    def answer(self, share=MOST):
        self.questions.pop(0)(share)


def test_it_is_asked_before_it_is_full_and_once():
    asked = Asked()
    asked.window.sent(FIRST // 4 - 1)
    assert asked.questions == []
    asked.window.sent(1)
    assert len(asked.questions) == 1
    asked.window.sent(FIRST * 3 // 4 - 1)
    assert not asked.window.full
    asked.window.sent(1)
    assert asked.window.full
    assert len(asked.questions) == 1
    assert asked.opened == 0


def test_an_answer_is_about_what_was_sent_before_the_question():
    asked = Asked()
    asked.window.sent(FIRST // 4)
    asked.window.sent(2 * FIRST)
    asked.answer()  # of FIRST * 9 / 4 a fourth has been taken, and it is twice as large now
    assert asked.window.size == 2 * FIRST
    assert asked.window.full
    assert asked.opened == 0
    assert len(asked.questions) == 1
    asked.answer()
    assert not asked.window.full
    assert asked.opened == 1
    assert asked.questions == []


def test_it_grows_to_the_most_and_shrinks_to_a_share():
    asked = Asked()
    sizes = []
    for share in (MOST * 2, MOST, MOST, MOST, MOST, MOST, 1 << 17, 1, MOST):
        asked.window.sent(asked.window.size)
        asked.answer(share)
        sizes.append(asked.window.size)
    assert sizes == [FIRST * 2, FIRST * 4, FIRST * 8, MOST, MOST, MOST, 1 << 17, LEAST, 2 * LEAST]
    assert asked.opened == len(sizes)


@given(st.lists(st.one_of(st.integers(1, 1 << 21), st.none())))
def test_no_more_is_on_the_way_than_fits(steps):
    """As long as nothing is sent when it is full: the size, and the last piece."""
    asked = Asked()
    on_the_way = []
    for step in steps:
        if step is None and asked.questions:
            on_the_way = on_the_way[asked.at :]
            asked.answer()
            asked.at = len(on_the_way)
        elif step is not None and not asked.window.full:
            new = not asked.questions
            on_the_way.append(step)
            asked.window.sent(step)
            if new and asked.questions:
                asked.at = len(on_the_way)
        assert sum(on_the_way[:-1]) < asked.window.size or not asked.window.full
        assert not asked.window.full or asked.questions
