# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-info service (RFC 41): a job's keys and event logs, for its owner and the instance owner."""
