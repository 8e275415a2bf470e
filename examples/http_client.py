# SPDX-License-Identifier: LGPL-3.0-or-later
"""Submit and follow a job over HTTP, with Python's library alone; needs a server: make run, or
rosin start rosin serve.

URL=http://127.0.0.1:5000 python examples/http_client.py
"""

import json
import os
import sys
from http.client import HTTPResponse
from urllib.error import URLError
from urllib.request import Request, urlopen

base = os.environ.get("URL", "http://127.0.0.1:5000").rstrip("/")
headers = {"Authorization": f"Bearer {os.environ['FLUX_TOKEN']}"} if "FLUX_TOKEN" in os.environ else {}


def call(path: str, fields: dict[str, object] | None = None) -> HTTPResponse:
    """GET, or POST with fields; the answer can be read and iterated over as a file."""
    body = None if fields is None else json.dumps(fields).encode()
    kind = {} if fields is None else {"Content-Type": "application/json"}
    try:
        answer: HTTPResponse = urlopen(Request(base + path, body, {**headers, **kind}), timeout=30)
    except URLError as exc:
        sys.exit(
            f"{base}{path}: {getattr(exc, 'reason', exc)}: is a server there (make run), does URL name it?"
        )
    return answer


job = json.load(call("/jobs/submit", {"command": "seq 3", "runtime": 60}))
print("submitted", job["jobid"])
with call(f"/jobs/{job['id_str']}/output/stream") as lines:
    for line in lines:
        print(line.decode().rstrip("\n"))
print(json.load(call(f"/jobs/{job['id_str']}"))["job"]["status"])
