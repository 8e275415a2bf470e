#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Run a command for every line of a list, keep each job's output in a file, and stop at the first failure.
#
#     rosin start examples/bulk.sh
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s\n' alpha beta gamma >"$work/words"

# {} is the line; {{id}} in --output is the job's id. --wait makes the exit code that of the worst job.
rosin bulksubmit --quiet --wait --job-name=upper --output="$work/{}.out" \
    sh -c 'echo {} | tr a-z A-Z' :::: "$work/words"

cat "$work"/*.out
rosin jobs -a --name=upper --no-header --format='{name} {status} {returncode}'
