# SPDX-License-Identifier: LGPL-3.0-or-later
"""The groups service: which brokers take part in what (``broker.online``, ``broker.torpid``, ...)."""
