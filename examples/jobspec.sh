#!/bin/sh
# SPDX-License-Identifier: LGPL-3.0-or-later
# A jobspec (RFC 25) written by hand: check it, submit it, follow it.
#
#     rosin start examples/jobspec.sh
set -eu

spec=$(dirname "$0")/jobspec.json
rosin jobspec validate "$spec"
id=$(rosin job submit "$spec")
rosin job attach "$id"
rosin jobs --no-header --format='{name} {ntasks} {status} {returncode}' "$id"
