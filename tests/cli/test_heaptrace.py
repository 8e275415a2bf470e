# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin heaptrace``: what it asks of a broker, and a broker that has no profiler."""

import pytest

from rosin.cli import heaptrace

WORDS = [(("start", "x"), {"filename": "x"}), (("stop",), None), (("dump", "why"), {"reason": "why"})]


class Broker:
    def __init__(self):
        self.asked = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def rpc(self, topic, payload):
        self.asked.append((topic, payload))
        return self

    def get(self):
        return None


@pytest.mark.parametrize(("words", "payload"), WORDS)
def test_what_is_asked(command, monkeypatch, words, payload):
    broker = Broker()
    monkeypatch.setattr(heaptrace, "connect", lambda: broker)
    assert command("heaptrace", *words) == (0, "", "")
    assert broker.asked == [(f"heaptrace.{words[0]}", payload)]


@pytest.mark.system
@pytest.mark.parametrize("words", [words for words, _ in WORDS])
def test_a_broker_without_a_profiler(rosin, words):
    topic = f"heaptrace.{words[0]}"
    text = f"{topic}: Function not implemented: No service matching {topic} is registered"
    assert rosin("heaptrace", *words) == (1, "", f"rosin-heaptrace: {text}\n")
