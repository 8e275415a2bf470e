#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Run the study in a directory of its own and wait for its end.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
cd "$work"
maestro run -fg --autoyes --sleeptime 1 -o study "$here/study.yaml" >maestro.log 2>&1 || { cat maestro.log >&2; exit 1; }
test "$(cat study/sum/sum)" = 650 || { cat maestro.log >&2; exit 1; }
flux jobs -a --count=3
echo "12 squares and their sum, 650, in jobs of Maestro"
