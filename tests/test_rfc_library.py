# SPDX-License-Identifier: LGPL-3.0-or-later
"""`rosin.rfc` as a library: its page shows each module with an example, and it needs no other package."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "rfc-library.md"
RFC = ROOT / "src" / "rosin" / "rfc"
MODULES = sorted(
    ".".join(path.relative_to(RFC).with_suffix("").parts).removesuffix(".__init__")
    for path in RFC.rglob("*.py")
    if path.parent != RFC or path.stem != "__init__"
)

PROGRAM = """
import sys
sys.path.append(sys.argv[1])
__import__(sys.argv[2])
allowed = sys.stdlib_module_names | {"rosin", "__main__"}
print(*sorted(name for name in sys.modules if name.partition(".")[0] not in allowed))
print(*sorted({"asyncio", "socket", "subprocess", "threading"} & set(sys.modules)))
"""


def test_every_module_has_its_example():
    """A part of what is shown, ``hostlist.text`` of ``hostlist``, may do without."""
    prefix = "### `rosin.rfc."
    shown = {line[len(prefix) : -1] for line in PAGE.read_text().splitlines() if line.startswith(prefix)}
    assert shown <= set(MODULES)
    beginnings = {name: re.split(r"[._]", name)[0] for name in MODULES}
    words = [word for name in shown for word in re.split(r"[._]", name)]
    assert [name for name in MODULES if not any(word.startswith(beginnings[name]) for word in words)] == []


def test_examples_run_as_shown():
    text = PAGE.read_text()
    blocks = [block.partition("```")[0] for block in text.split("```pycon\n")[1:]]
    assert len(blocks) == text.count("\n### ")
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 2 * len(blocks)
    report: list[str] = []
    failed, _ = doctest.DocTestRunner(verbose=False).run(test, out=report.append)
    assert failed == 0, "".join(report)


@pytest.mark.parametrize("name", [f"rosin.rfc.{name}" for name in MODULES])
def test_the_standard_library_is_enough(name):
    """Without site-packages, so that a package which is missing cannot be there by accident."""
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(ROOT / "src"), name]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.stderr, result.stdout) == ("", "\n\n")
