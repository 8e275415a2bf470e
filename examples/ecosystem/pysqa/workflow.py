# SPDX-License-Identifier: LGPL-3.0-or-later
"""pysqa's Flux adapter: 20 batch jobs, their sum, one that is deleted, and the table."""

import tempfile
import time
from pathlib import Path

from pysqa import QueueAdapter


def main() -> None:
    here = Path(tempfile.mkdtemp(prefix="pysqa-"))
    queue = QueueAdapter(queue_type="flux")

    def submit(name: str, command: str, after: list[int] | None = None) -> int:
        directory = here / name
        directory.mkdir()
        job = queue.submit_job(
            job_name=name,
            working_directory=str(directory),
            cores=1,
            run_time_max=300,
            command=command,
            dependency_list=after,
        )
        assert job is not None
        return int(job)

    jobs = [submit(f"part{number}", f"echo {number} > result") for number in range(20)]
    last = submit("sum", "cat ../part*/result | awk '{s += $1} END {print s}' > result", jobs)
    endless = submit("endless", "sleep 600")
    queue.delete_job(process_id=endless)
    wanted = {last: "finished", endless: "error", **dict.fromkeys(jobs, "finished")}
    while True:
        states = {job: queue.get_status_of_job(process_id=job) for job in wanted}
        if not set(states.values()) & {"pending", "running"}:
            break
        time.sleep(0.5)
    assert states == wanted, states
    assert (here / "sum" / "result").read_text() == "190\n"
    table = queue.get_queue_status()
    print(table.tail(3).to_string(index=False))
    print(f"20 batch jobs and their sum, one deleted; {len(table)} jobs in the table")


if __name__ == "__main__":
    main()
