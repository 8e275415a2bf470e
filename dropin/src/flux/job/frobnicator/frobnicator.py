# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.frobnicator.frobnicator."""

from rosin.job.frobnicator import FrobnicatorPlugin, JobFrobnicator

__all__ = ["FrobnicatorPlugin", "JobFrobnicator"]
