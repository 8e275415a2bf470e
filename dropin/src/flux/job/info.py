# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.info."""

from flux._elsewhere import elsewhere
from flux.util import OutputFormat
from rosin.cli.jobformat import JobInfoFormat as _JobInfoFormat
from rosin.job.counts import JobStats
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
from rosin.job.instance import InstanceInfo, StatsInfo
from rosin.job.jobid import JobID
from rosin.job.uri import JobURI
from rosin.resource.list import SchedResourceList

__all__ = [
    "AnnotationsInfo",
    "DependencyList",
    "EmptyObject",
    "ExceptionInfo",
    "InfoList",
    "InstanceInfo",
    "JobID",
    "JobInfo",
    "JobInfoFormat",
    "JobStats",
    "JobURI",
    "SchedResourceList",
    "StatsInfo",
    "get_username",
    "job_fields_to_attrs",
    "resulttoemoji",
    "resulttostr",
    "statetoemoji",
    "statetostr",
    "statustoemoji",
    "statustostr",
]

__getattr__ = elsewhere(__name__)


class JobInfoFormat(OutputFormat):
    """A format of :class:`JobInfo` objects. Raises ValueError."""

    headings = _JobInfoFormat.headings
