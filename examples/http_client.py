# SPDX-License-Identifier: LGPL-3.0-or-later
"""Submit and follow a job over HTTP with httpx; needs a server: make run, or rosin start rosin serve.

URL=http://127.0.0.1:5000 python examples/http_client.py
"""

import os

import httpx

credentials = (os.environ["FLUX_USER"], os.environ["FLUX_TOKEN"]) if "FLUX_TOKEN" in os.environ else None
base = os.environ.get("URL", "http://127.0.0.1:5000")
with httpx.Client(base_url=base, auth=credentials, timeout=30) as http:
    job = http.post("/jobs/submit", json={"command": "seq 3", "runtime": 60}).raise_for_status().json()
    jobid = job["id_str"]
    print("submitted", job["jobid"])
    with http.stream("GET", f"/jobs/{jobid}/output/stream") as answer:
        for line in answer.raise_for_status().iter_lines():
            print(line)
    print(http.get(f"/jobs/{jobid}").raise_for_status().json()["job"]["status"])
