# SPDX-License-Identifier: LGPL-3.0-or-later
"""Which requests wait for an answer that passes a link."""

from rosin.broker.tracker import Tracker
from rosin.constants import FLUX_MSGFLAG_NORESPONSE, FLUX_MSGFLAG_STREAMING
from rosin.rfc.message import Message


def request(sender: bytes, topic: str, tag: int, flags: int = 0) -> Message:
    msg = Message.request(topic, None, flags=flags, matchtag=tag)
    msg.route = [sender, b"hop"]
    return msg


def asked(*requests: Message) -> Tracker:
    tracker = Tracker()
    for msg in requests:
        tracker.asked(msg)
    return tracker


def test_what_is_not_answered_waits() -> None:
    one, two, other = request(b"a", "x.y", 1), request(b"a", "x.y", 2), request(b"b", "x.y", 1)
    tracker = asked(one, two, other)
    assert tracker.answered(one.response({}))
    assert not tracker.answered(one.response({}))
    assert not tracker.answered(request(b"c", "x.y", 2).response())
    assert tracker.clear() == [two, other]
    assert tracker.clear() == []


def test_who_wants_no_answer_waits_for_none() -> None:
    tracker = asked(request(b"a", "x.y", 0), request(b"a", "x.y", 3, FLUX_MSGFLAG_NORESPONSE))
    assert tracker.answered(request(b"a", "x.y", 0).response())
    assert not tracker.answered(request(b"a", "x.y", 3).response())
    assert tracker.clear() == []


def test_a_stream_goes_on_until_its_error() -> None:
    stream = request(b"a", "x.y", 1, FLUX_MSGFLAG_STREAMING)
    for errnums, left in (([0, 0], [stream]), ([0, 61], [])):
        tracker = asked(stream)
        for errnum in errnums:
            assert tracker.answered(stream.response(None, errnum))
        assert tracker.answered(stream.response()) == bool(left)
        assert tracker.clear() == left


def test_who_is_gone_waits_no_more_for_the_service_that_is_told() -> None:
    gone, kept, other = request(b"a", "x.y", 1), request(b"a", "x.z.y", 2), request(b"b", "x.y", 1)
    tracker = asked(gone, kept, other, request(b"a", "x.disconnect", 0, FLUX_MSGFLAG_NORESPONSE))
    assert tracker.clear() == [other, kept]
    tracker = asked(gone, request(b"a", "x.disconnect", 0, FLUX_MSGFLAG_NORESPONSE))
    assert not tracker.answered(gone.response())
    assert tracker.clear() == []
    assert asked(gone, request(b"a", "x.other", 0, FLUX_MSGFLAG_NORESPONSE)).clear() == [gone]
