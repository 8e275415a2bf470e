# SPDX-License-Identifier: LGPL-3.0-or-later
"""Submit a thousand jobs without waiting for each answer, then collect their results.

rosin start python examples/many.py [COUNT]
"""

import sys
from collections import Counter

from rosin import job
from rosin.handle import Flux

count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
with Flux() as h:
    spec = job.JobspecV1.from_command(["true"])
    # All requests are on their way before the first answer is read.
    pending = [job.submit_async(h, spec, waitable=True) for _ in range(count)]
    ids = {future.get_id() for future in pending}
    # Without an id, wait() returns whichever waitable job ends next.
    results = Counter(job.wait(h).success for _ in ids)
    print(f"{len(ids)} jobs, {results[True]} succeeded")
