# SPDX-License-Identifier: LGPL-3.0-or-later
"""JSON text that is kept."""

import subprocess
import sys

PROGRAM = """
import resource
from rosin import _json
_json.accelerate()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
kept = [_json.dumps_to_keep({"number": number}) for number in range(20000)]
assert kept[7] == b'{"number":7}'
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_text_to_keep_has_no_spare_room():
    """20,000 texts with 4 KiB of spare room each would be 80 MB."""
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 20000  # KiB
