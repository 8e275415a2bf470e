# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.frobnicator: plugins that change jobs as they are submitted."""

from flux.job.frobnicator.frobnicator import FrobnicatorPlugin, JobFrobnicator

__all__ = ["FrobnicatorPlugin", "JobFrobnicator"]
