# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.message: messages as flux-core's bindings show them, over :class:`rosin.rfc.message.Message`."""

from __future__ import annotations

import json
from typing import Any

from flux._elsewhere import elsewhere
from rosin.constants import (
    FLUX_MSGTYPE_CONTROL,
    FLUX_MSGTYPE_EVENT,
    FLUX_MSGTYPE_REQUEST,
    FLUX_MSGTYPE_RESPONSE,
)
from rosin.handle.checks import InvalidArguments, check_event_topic, check_topic
from rosin.handle.future import error
from rosin.handle.watchers import MessageWatcher
from rosin.rfc.message import Message as _Message

__all__ = ["Message", "MessageWatcher", "msg_typestr"]

__getattr__ = elsewhere(__name__)

_TYPES = {
    FLUX_MSGTYPE_REQUEST: "request",
    FLUX_MSGTYPE_RESPONSE: "response",
    FLUX_MSGTYPE_EVENT: "event",
    FLUX_MSGTYPE_CONTROL: "control",
}


def msg_typestr(msg_type: int) -> str:
    """The name of a message type."""
    return _TYPES.get(msg_type, "unknown")


def _encoded(payload: object) -> str | bytes | None:
    """A payload as it goes on the wire: objects become JSON. Raises TypeError for what JSON cannot hold."""
    if payload is None or isinstance(payload, (str, bytes)):
        return payload
    return json.dumps(payload, ensure_ascii=False)


class Message:
    """A Flux message. ``payload`` is the decoded JSON, ``payload_str`` its text (None without a payload)."""

    def __init__(self, type_id: int = FLUX_MSGTYPE_REQUEST, handle: _Message | None = None) -> None:
        if handle is not None and not isinstance(handle, _Message):
            raise InvalidArguments(f"handle must be a message, not {type(handle)}")
        self.handle = _Message(type_id) if handle is None else handle

    @classmethod
    def from_event_encode(cls, topic: str | bytes, payload: object = None) -> Message:
        """An event."""
        return cls(handle=_Message.event(check_event_topic(topic), _encoded(payload)))

    @property
    def topic(self) -> str:
        """What it is about."""
        return self.handle.topic

    @topic.setter
    def topic(self, value: str | bytes) -> None:
        self.handle.topic = check_topic(value)

    @property
    def payload_str(self) -> str | None:
        """The payload as text, None without one."""
        return self.handle.text if self.handle.has_payload else None

    @payload_str.setter
    def payload_str(self, value: str | None) -> None:
        self.handle.set_payload(value)

    @property
    def payload(self) -> Any:
        """The payload, decoded. Raises TypeError without one and ValueError if it is no JSON."""
        return json.loads(self.payload_str)  # type: ignore[arg-type]

    @payload.setter
    def payload(self, value: object) -> None:
        self.handle.set_payload(_encoded(value))

    @property
    def type(self) -> int:
        """FLUX_MSGTYPE_REQUEST, _RESPONSE, _EVENT or _CONTROL."""
        return self.handle.type

    @type.setter
    def type(self, value: int) -> None:
        self.handle.type = value

    @property
    def type_str(self) -> str:
        """The type's name."""
        return msg_typestr(self.handle.type)

    @property
    def userid(self) -> int:
        """The sender's user id."""
        return self.handle.userid

    @userid.setter
    def userid(self, userid: int) -> None:
        self.handle.userid = userid

    @property
    def rolemask(self) -> int:
        """The sender's roles."""
        return self.handle.rolemask

    @rolemask.setter
    def rolemask(self, rolemask: int) -> None:
        self.handle.rolemask = rolemask

    def decode(self) -> tuple[int, str, str | None]:
        """Type, topic and payload text. Raises the OSError that an error response carries."""
        if self.type == FLUX_MSGTYPE_RESPONSE and self.handle.errnum:
            raise error(self.handle.errnum, self.handle.text or None)
        return self.type, self.topic, self.payload_str
