# SPDX-License-Identifier: LGPL-3.0-or-later
"""The job table (RFC 43): what is known of every job, kept from the job manager's event journal.

Pure: who follows the journal passes its responses to a :class:`~rosin.job.table.table.JobTable`. The job-list
service answers from one, and so does the REST server.
"""
