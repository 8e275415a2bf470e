#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Run the rules of the Snakefile as jobs, in a directory of their own.
set -eu
work=$(mktemp -d)
cp "$(dirname "$0")/Snakefile" "$work"
cd "$work"
snakemake --executor flux --jobs 8 --seconds-between-status-checks 1 2>snakemake.log || { cat snakemake.log >&2; exit 1; }
test "$(cat summary)" = 600
echo "600 words in ten texts, and one rule that failed was run again"
