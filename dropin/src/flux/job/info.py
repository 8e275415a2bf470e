# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.info."""

from rosin.job.fields import (
    job_fields_to_attrs,
)
from rosin.job.info import JobInfo
from rosin.job.info_values import (
    AnnotationsInfo,
    DependencyList,
    EmptyObject,
    ExceptionInfo,
    InfoList,
    get_username,
    resulttoemoji,
    resulttostr,
    statetoemoji,
    statetostr,
    statustoemoji,
    statustostr,
)

__all__ = [
    "AnnotationsInfo",
    "DependencyList",
    "EmptyObject",
    "ExceptionInfo",
    "InfoList",
    "JobInfo",
    "get_username",
    "job_fields_to_attrs",
    "resulttoemoji",
    "resulttostr",
    "statetoemoji",
    "statetostr",
    "statustoemoji",
    "statustostr",
]
