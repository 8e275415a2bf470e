#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Run the study in a directory of its own. --local does without the servers of Merlin; its steps are jobs all the same.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
cd "$work"
HOME=$work merlin run --local "$here/study.yaml" >merlin.log 2>&1 || { cat merlin.log >&2; exit 1; }
test "$(cat studies/*/sum/sum)" = 1496 || { cat merlin.log >&2; exit 1; }
test "$(flux jobs -a --no-header | wc -l)" = 17
echo "16 squares and their sum, 1496, in 17 jobs of Merlin"
