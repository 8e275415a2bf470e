# SPDX-License-Identifier: LGPL-3.0-or-later
"""Webhooks: events of jobs, sent to other servers, signed, again when they could not be delivered."""
