# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.validator: plugins that say whether a job may be submitted."""

from flux.job.validator.validator import JobValidator, ValidatorPlugin

__all__ = ["JobValidator", "ValidatorPlugin"]
