# SPDX-License-Identifier: LGPL-3.0-or-later
"""Submit one job, follow its events, print its output.

rosin start python examples/hello.py
"""

import os

from rosin import job
from rosin.handle import Flux

with Flux() as h:
    spec = job.JobspecV1.from_command(["sh", "-c", "echo hello from task $FLUX_TASK_RANK"], num_tasks=2)
    spec.environment = dict(os.environ)
    spec.cwd = os.getcwd()
    jobid = job.submit(h, spec)
    for event in job.event_watch(h, jobid):
        print(event.name)
    print(job.job_output(h, jobid).stdout, end="")
    print("exit code", job.result(h, jobid).returncode)
