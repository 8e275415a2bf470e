# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a user installs: both wheels, built from this tree and put into a new environment, all offline."""

import contextlib
import email
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from rosin.cli.main import COMMANDS

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]


def _run(*command, **kwargs):
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=120, cwd="/", **kwargs
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """The two wheels by their distribution's name."""
    out = tmp_path_factory.mktemp("wheels")
    build = ["wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", out]
    _run(sys.executable, "-m", "pip", *build, ROOT, ROOT / "dropin")
    return {path.name.split("-")[0]: path for path in out.glob("*.whl")}


def _files(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


@pytest.mark.parametrize(
    ("distribution", "package", "source"), [("rosin", "rosin", "src"), ("rosin_flux", "flux", "dropin/src")]
)
def test_wheel_holds_the_whole_package(wheels, distribution, package, source):
    base = ROOT / source
    tree = {
        str(path.relative_to(base))
        for path in (base / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    files = _files(wheels[distribution])
    script = f"{wheels[distribution].name.partition('-py3')[0]}.data/scripts/{package}"
    manual = {name for name in files if "/share/man/man1/rosin-" in name}
    assert {name for name in files if ".dist-info/" not in name} - manual == tree | {
        script.replace("/rosin_flux", "/flux")
    }
    assert len(manual) == (len(COMMANDS) if distribution == "rosin" else 0)
    assert f"{package}/py.typed" in tree
    for name in ("LICENSE", "COPYING"):
        assert any(path.endswith(f".dist-info/licenses/{name}") for path in files)


def test_dropin_asks_for_rosin_of_its_version(wheels):
    rosin, dropin = _metadata(wheels["rosin"]), _metadata(wheels["rosin_flux"])
    assert dropin["Version"] == rosin["Version"]
    assert f"rosin=={rosin['Version']}" in dropin.get_all("Requires-Dist")


def test_the_page_of_a_package_leads_somewhere(wheels):
    """A package index has no docs/ beside it."""
    rosin = _metadata(wheels["rosin"])
    text = rosin.get_payload()
    assert text.startswith("<p align=")
    targets = re.findall(r'\]\(([^)\s]+)|src="([^"]+)', text)
    assert len(targets) > 10
    assert [a or b for a, b in targets if not (a or b).startswith("https://")] == []
    assert f"({REPOSITORY}/raw/main/docs/images/page-overview.png)" in text
    assert f"({REPOSITORY}/blob/main/docs/index.md#how-to)" in text


@pytest.mark.parametrize("name", ["LICENSE", "COPYING"])
def test_dropin_carries_the_same_licence(name):
    assert (ROOT / "dropin" / name).read_bytes() == (ROOT / name).read_bytes()


@pytest.fixture(scope="module")
def installed(wheels, tmp_path_factory):
    """The commands' directory of a new environment with both wheels."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    _run(
        *(sys.executable, "-m", "pip", "--python", python),
        *("install", "--quiet", "--no-index", "--no-deps", *wheels.values()),
    )
    # The libraries come from the environment of the tests: those that are declared, with what they need.
    site = Path(_run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    for name in _needed(wheels.values()):
        for file in metadata.files(name) or ():
            top = Path(metadata.distribution(name).locate_file(file.parts[0]))
            if file.parts[0] != ".." and not (site / top.name).exists():
                (site / top.name).symlink_to(top)
    return home / "bin"


def _needed(wheels):
    """The distributions that come with a plain installation of these, as far as they are needed here."""
    found = set()
    left = [line for wheel in wheels for line in _metadata(wheel).get_all("Requires-Dist")]
    while left:
        line = left.pop()
        name = re.split("[^A-Za-z0-9._-]", line)[0]
        if name in found or name == "rosin" or "extra ==" in line:
            continue
        with contextlib.suppress(metadata.PackageNotFoundError):  # for another Python, or another system
            left += metadata.requires(name) or ()
            found.add(name)
    return found


def test_import_names(installed):
    code = "import flux, flux.job, rosin; print(flux.__file__, rosin.__file__, flux.job.JobID.__module__)"
    where = _run(installed / "python", "-c", code).split()
    assert where[0].startswith(str(installed.parent))
    assert where[1].startswith(str(installed.parent))
    assert where[2].startswith("rosin.")


def test_commands_tell_their_version(installed, wheels):
    from rosin.constants import FLUX_CORE_VERSION

    assert _run(installed / "rosin", "--version") == f"rosin {_metadata(wheels['rosin'])['Version']}\n"
    words = ["commands:", FLUX_CORE_VERSION, "libflux-core:", FLUX_CORE_VERSION]
    assert _run(installed / "flux", "--version").split() == words


@pytest.mark.parametrize("command", ["rosin", "flux"])
def test_instance_runs_a_job(installed, command):
    """The name is found inside without help, whatever PATH the user has."""
    script = f"{command} run -n2 echo $((40 + 2))"
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    assert _run(installed / command, "start", "sh", "-c", script, env=env) == "42\n42\n"


def test_web_page_has_its_files(installed):
    code = (
        "from rosin.rest.app import create_app\n"
        "from rosin.rest.settings import Settings\n"
        "import pathlib, rosin.rest\n"
        "base = pathlib.Path(rosin.rest.__file__).parent\n"
        "create_app(Settings(uri='local:///nowhere'))\n"
        "print(len(list(base.glob('templates/*.html'))), len(list(base.glob('static/**/*.*'))))\n"
    )
    templates, static = map(int, _run(installed / "python", "-c", code).split())
    assert templates == len(list((ROOT / "src/rosin/rest/templates").glob("*.html"))) > 0
    assert static == len(list((ROOT / "src/rosin/rest/static").glob("**/*.*"))) > 0


def test_job_that_is_an_instance(installed):
    """A nested instance, as executorlib asks for: it has what its job was given."""
    code = (
        "import flux, flux.job\n"
        "h = flux.Flux()\n"
        "spec = flux.job.JobspecV1.from_nest_command(\n"
        "    ['sh', '-c', 'flux getattr instance-level; flux resource list -no {ncores} -s up'])\n"
        "id = flux.job.submit(h, spec, waitable=True)\n"
        "print(flux.job.wait(h, id).success)\n"
        "print(''.join(flux.job.job_output(h, id).stdout))\n"
    )
    env = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    done = _run(installed / "flux", "start", installed / "python", "-c", code, env=env)
    assert done.split() == ["True", "1", "1"]
