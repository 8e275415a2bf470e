# SPDX-License-Identifier: LGPL-3.0-or-later
"""How the brokers of an instance find each other: by a process manager (RFC 13), or by the configuration."""

from rosin.broker.overlay.bootstrap.card import Card
from rosin.broker.overlay.bootstrap.find import METHODS, find
from rosin.broker.overlay.bootstrap.protocol import Bootstrap

__all__ = ["METHODS", "Bootstrap", "Card", "find"]
