# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job-list service (RFC 43): fast summaries of jobs, kept from the job manager's event journal."""
