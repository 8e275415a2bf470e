# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is declared is what is imported, where it is used, and the other way round."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ..imports import modules, named

ROOT = Path(__file__).parents[2]
ROSIN = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DROPIN = tomllib.loads((ROOT / "dropin" / "pyproject.toml").read_text())["project"]

#: Packages that are imported by another name than that of their distribution.
NAMES = {"jwt": "pyjwt", "re2": "google-re2", "yaml": "pyyaml", "zmq": "pyzmq"}
#: Where the packages of an extra are imported, and nowhere else unless they are part of a plain installation.
PLACES = {
    "rest": "rosin.rest",
    "cloudpickle": "rosin.executor",
    "curve": "rosin.security.curve",
    "lz4": "rosin.modules.content_sqlite",
    "overlay": "rosin.broker.overlay",
    "pytest": "rosin.fixtures",
}
#: What another package imports for us.
INDIRECT = {
    "python-multipart": "starlette, when a form is read",
    "wsproto": "uvicorn, for WebSockets",
}


def name_of(requirement):
    return re.split("[^a-z0-9-]", requirement)[0]


def names(requirements):
    return {name_of(requirement) for requirement in requirements}


def imported(root):
    """Distributions by the modules that import them."""
    own = {path.name for path in root.iterdir()}
    found = {}
    for module, path in modules(root).items():
        for name, _ in named(path):
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in own:
                found.setdefault(NAMES.get(top, top), set()).add(module)
    return found


def used_in(place, found):
    return {
        name
        for name, users in found.items()
        if any(user == place or user.startswith(f"{place}.") for user in users)
    }


def test_what_is_imported_is_declared():
    extras = ROSIN["optional-dependencies"]
    base = names(ROSIN["dependencies"])
    missing = [
        f"{module}: {name}"
        for name, users in imported(ROOT / "src").items()
        for module in users
        if name not in base
        if not any(
            name in names(extras[extra]) and (module == place or module.startswith(f"{place}."))
            for extra, place in PLACES.items()
        )
    ]
    assert missing == []


def test_what_is_declared_is_imported():
    found = {*imported(ROOT / "src"), *INDIRECT}
    extras = ROSIN["optional-dependencies"]
    optional = [line for extra in extras if extra != "dev" for line in extras[extra]]
    assert sorted(names([*ROSIN["dependencies"], *optional]) - found) == []


@pytest.mark.parametrize(("extra", "place"), PLACES.items())
def test_an_extra_is_what_its_place_imports(extra, place):
    used = used_in(place, imported(ROOT / "src"))
    if extra == "rest":
        used |= set(INDIRECT)
    assert names(ROSIN["optional-dependencies"][extra]) == used - {"orjson", "pybase64", "pyyaml"}


def test_extras_are_named_here():
    assert set(ROSIN["optional-dependencies"]) == {*PLACES, "dev"}


@pytest.mark.parametrize("extra", ["rest", "overlay"])
def test_a_plain_installation_has_it(extra):
    """As the README promises; who asks for the extra gets the same versions."""
    assert set(ROSIN["optional-dependencies"][extra]) <= set(ROSIN["dependencies"])


def test_the_dropin():
    found = imported(ROOT / "dropin" / "src")
    assert names(DROPIN["dependencies"]) == set(found)
    (yaml,) = (line for line in DROPIN["dependencies"] if name_of(line) == "pyyaml")
    assert yaml in ROSIN["dependencies"]
    for field in ("authors", "maintainers", "urls", "requires-python", "version"):
        assert DROPIN[field] == ROSIN[field]


def without(package, code):
    """Run a program where a package is not installed."""
    program = f"import sys\nsys.modules[{package!r}] = None\n{code}"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_server_without_its_packages_names_the_extra():
    done = without("fastapi", "from rosin.cli.main import main\nsys.exit(main(['serve', '--port=0']))")
    text = "rosin-serve: ERROR: the server needs the Python package fastapi: pip install 'rosin[rest]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", text)


def test_compressed_content_without_its_package_names_the_extra():
    code = (
        "from rosin.modules.content_sqlite.database import _decompress\n"
        "try:\n    _decompress(b'x', 1, 'content.sqlite')\n"
        "except OSError as error:\n    print(error.strerror)\n"
    )
    assert without("lz4.block", code).stdout == (
        "content-sqlite: content.sqlite: content that flux-core has compressed needs the Python package lz4: "
        "pip install 'rosin[lz4]'\n"
    )


def test_brokers_without_their_package():
    """One alone does not need it; several, and their certificate, name the extra."""
    run = "import sys\nfrom rosin.cli.main import main\nsys.exit(main({}))"
    done = without("zmq", run.format(["start", "true"]))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = "needs the Python package pyzmq: pip install 'rosin[overlay]'\n"
    done = without("zmq", run.format(["start", "--test-size=2", "true"]))
    assert (done.returncode, done.stderr) == (1, f"rosin-start: ERROR: an instance of several brokers {text}")
    done = without("zmq", run.format(["keygen", "/nonexistent/cert"]))
    assert (done.returncode, done.stderr) == (1, f"rosin-keygen: a certificate {text}")
