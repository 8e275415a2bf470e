# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a forge shows and runs: workflows, templates, and whom to turn to."""

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
TEAM = f"@{REPOSITORY.split('/')[-2]}/maintainers"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def load(*parts):
    return yaml.safe_load(ROOT.joinpath(".github", *parts).read_text())


def test_addresses_are_those_of_the_project():
    """There is one line to change when the project moves, and this says where else."""
    page = re.compile(r"https://github\.com/(?:orgs/)?([\w-]+)")
    names = [
        "README.md",
        "SECURITY.md",
        "MAINTAINERS.md",
        "CONTRIBUTING.md",
        "pyproject.toml",
        "dropin/pyproject.toml",
    ]
    files = [*(ROOT / name for name in names), *(ROOT / ".github").rglob("*.*")]
    owners = {owner for path in files for owner in page.findall(path.read_text())}
    assert owners == {REPOSITORY.split("/")[-2]}
    assert all(address.startswith(REPOSITORY) for address in PROJECT["urls"].values())


@pytest.mark.rfc(48, "maintainers", "response")
def test_maintainers():
    text = (ROOT / "MAINTAINERS.md").read_text()
    assert f"[{TEAM}](https://github.com/orgs/" in text
    assert "A change is merged after the review of a maintainer, who is not its author." in text
    assert "Issues and changes get a first answer within 72 hours." in text


@pytest.mark.rfc(48, "review")
def test_every_change_is_reviewed_by_a_maintainer():
    rules = [line for line in (ROOT / ".github" / "CODEOWNERS").read_text().splitlines() if line[:1] != "#"]
    assert rules == [f"* {TEAM}"]


def test_vulnerabilities_are_reported_in_private():
    address = f"{REPOSITORY}/security/advisories/new"
    assert f"]({address})" in (ROOT / "SECURITY.md").read_text()
    config = load("ISSUE_TEMPLATE", "config.yml")
    assert address in [link["url"] for link in config["contact_links"]]
    assert "SECURITY.md" in load("ISSUE_TEMPLATE", "problem.yml")["body"][0]["attributes"]["value"]


def test_tests_run_with_every_version_that_is_promised():
    ci = load("workflows", "ci.yml")
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert ci["jobs"]["test"]["strategy"]["matrix"]["python"] == versions
    assert PROJECT["requires-python"] == f">={versions[0]}"
    assert [step["run"] for step in ci["jobs"]["test"]["steps"] if "run" in step] == [".ci/run"]
    assert any("pre-commit run --all-files" in step.get("run", "") for step in ci["jobs"]["check"]["steps"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_only_read(path):
    """And run what is here, or a version of an action."""
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
            else:
                assert "${{" not in step["run"]  # what others may have written is no program
                program = step["run"].split()[0]
                assert program in ("make", ".venv/bin/pre-commit") or (ROOT / program).exists()


@pytest.fixture
def repository(tmp_path):
    """One with the list of contributors, and a way to commit to it."""
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*words, name="The Rosin developers"):
        who = {f"GIT_{role}_{part}": name for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
        subprocess.run(["git", *words], cwd=tmp_path, env=env | who, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    (tmp_path / "CONTRIBUTORS.md").write_text((ROOT / "CONTRIBUTORS.md").read_text())
    git("add", "CONTRIBUTORS.md")
    git("commit", "-q", "-m", "list")
    git("tag", "base")

    def commit(name):
        git("commit", "-q", "--allow-empty", "-m", "a change", name=name)

    def check(*words):
        command = [ROOT / ".ci" / "contributors", *words]
        return subprocess.run(command, cwd=tmp_path, env=env, text=True, capture_output=True, check=False)

    return tmp_path, commit, check


@pytest.mark.system
@pytest.mark.rfc(1, "contributors")
def test_contributors_are_asked_for_their_names(repository):
    tree, commit, check = repository
    commit("The Rosin developers")
    commit("updates[bot]")
    assert check("base").returncode == 0
    commit("Ann Example")
    commit("Ann")
    done = check("base")
    assert done.returncode == 1
    assert [line.partition(" is not in ")[0] for line in done.stderr.splitlines()] == ["Ann", "Ann Example"]
    assert "add the line '- Ann' in a commit of this change" in done.stderr
    with (tree / "CONTRIBUTORS.md").open("a") as file:
        file.write("- Ann Example\n- Ann\n")
    assert check("base").returncode == 0
    assert check().returncode == 2
