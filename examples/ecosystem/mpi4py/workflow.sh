#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# An allreduce over one rank, two and eight; the eight share what cores there are.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
for shape in "-n1" "-n2" "-N1 --tasks-per-core=$(( (8 + $(nproc) - 1) / $(nproc) ))"; do
  flux run $shape -o cpu-affinity=off python "$here/allreduce.py"
done
