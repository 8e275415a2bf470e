# SPDX-License-Identifier: LGPL-3.0-or-later
"""The journal: every event of every job in one stream, with history first.

rosin start python examples/journal.py
"""

from rosin import job
from rosin.handle import Flux

with Flux() as h:
    ids = {job.submit(h, job.JobspecV1.from_command(["true"])) for _ in range(3)}
    journal = job.JournalConsumer(h).start()
    while ids:
        # An event is a dictionary too: event["context"].
        event = journal.poll(timeout=30)
        print(f"{event.timestamp:.3f} {event.jobid.f58} {event.name}")
        if event.name == "clean":
            ids.discard(event.jobid)
    journal.stop()
