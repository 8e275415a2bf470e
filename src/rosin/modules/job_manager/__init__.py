# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job manager: the state machine of every job and the queue of pending ones (RFC 21, 27, 30, 32, 33)."""
