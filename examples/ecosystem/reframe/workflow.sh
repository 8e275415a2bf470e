#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# Run the checks in a directory of their own.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
cd "$work"
reframe -C "$here/settings.py" -c "$here/checks.py" --prefix "$work" -r >reframe.log 2>&1 || { cat reframe.log >&2; exit 1; }
grep -q 'Ran 21/21 test case(s)' reframe.log || { cat reframe.log >&2; exit 1; }
echo "21 checks of ReFrame passed"
