# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.validator.validator."""

from rosin.job.validator import JobValidator, ValidatorJobInfo, ValidatorPlugin, ValidatorResult

__all__ = ["JobValidator", "ValidatorJobInfo", "ValidatorPlugin", "ValidatorResult"]
