#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-3.0-or-later
"""Start an instance from Python, run jobs in it, and end it. Needs no running instance."""

import rosin
from rosin.job import JobspecV1, job_output, result, submit

with rosin.Instance() as instance, instance.connect() as h:
    jobs = [submit(h, JobspecV1.from_command(["sh", "-c", f"echo $((6 * {n}))"])) for n in range(1, 4)]
    for job in jobs:
        print(job_output(h, job).stdout.strip(), result(h, job).returncode)
