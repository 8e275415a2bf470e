# SPDX-License-Identifier: LGPL-3.0-or-later
"""hpc-connect's Flux backend: 20 submissions, one that fails, one cancelled, and a launch."""

import tempfile
from pathlib import Path

import hpc_connect


def main() -> None:
    here = Path(tempfile.mkdtemp(prefix="hpc-connect-"))
    backend = hpc_connect.get_backend("flux")
    manager = backend.submission_manager()

    def submit(name: str, *commands: str) -> object:
        spec = hpc_connect.JobSpec(
            name=name,
            commands=list(commands),
            cpus=1,
            time_limit=300.0,
            workspace=here,
            output=str(here / f"{name}.out"),
            env={"WORD": name},
        )
        return manager.submit(spec, exclusive=False)

    jobs = {f"job{number}": submit(f"job{number}", "echo $WORD") for number in range(20)}
    failing = submit("failing", "exit 7")
    for name, job in jobs.items():
        assert job.result() == 0, (name, job.result())
        assert (here / f"{name}.out").read_text() == f"{name}\n"
    assert failing.result() == 7, failing.result()
    endless = submit("endless", "sleep 600")
    endless.cancel()
    assert endless.result() != 0
    done = backend.launcher()(["-n", "1", "true"])
    assert done.returncode == 0
    print("20 jobs succeeded, one failed with 7, one was cancelled, one was launched")


if __name__ == "__main__":
    main()
