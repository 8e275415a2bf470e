#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Submit a job over HTTP with curl and wait for its output. Needs a running server: make run, or
#
#     rosin start rosin serve
#
# URL is the server's address. Credentials, where the server wants some: curl --user NAME:TOKEN.
set -eu

url=${URL:-http://127.0.0.1:5000}
json='Content-Type: application/json'

id=$(curl --fail --silent --show-error "$url/jobs/submit" -H "$json" \
    -d '{"command": "echo hello from a job", "runtime": 60}' \
    | sed -E 's/.*"id_str":"([0-9]+)".*/\1/')

# Plain bytes, as they come; the answer ends when the job does.
curl --fail --silent --show-error --no-buffer --max-time 60 "$url/jobs/$id/output/stream"
