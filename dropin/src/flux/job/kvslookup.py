# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.job.kvslookup."""

from flux._elsewhere import elsewhere
from rosin.job.lookup import (
    JobInfoLookupRPC,
    JobKVSLookup,
    JobKVSLookupFuture,
    decode_special_data,
    job_info_lookup,
    job_kvs_lookup,
)

__all__ = [
    "JobInfoLookupRPC",
    "JobKVSLookup",
    "JobKVSLookupFuture",
    "decode_special_data",
    "job_info_lookup",
    "job_kvs_lookup",
]

__getattr__ = elsewhere(__name__)
