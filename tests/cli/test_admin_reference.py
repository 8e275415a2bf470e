# SPDX-License-Identifier: LGPL-3.0-or-later
"""Completion scripts and reference pages, written from the parsers of all commands."""

import argparse
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rosin.cli.completion import bash, fish, vocabulary, zsh
from rosin.cli.main import COMMANDS
from rosin.cli.parsers import load, load_all, parser_of
from rosin.cli.reference import argument_name, option_name, pages

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def commands():
    return load_all()


def test_every_command_has_a_parser_and_a_page(commands):
    assert {command.words[0] for command in commands} == set(COMMANDS)
    assert set(pages()) == {f"{name}.md" for name in COMMANDS} | {"README.md"}


def test_every_option_is_explained(commands):
    for top in commands:
        for command in top.walk():
            for action in command.options():
                assert action.help, f"{' '.join(command.words)}: {action.option_strings}"


def test_pages_in_docs_are_current():
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.stale() == [], "run python docs/generate.py"


def test_subcommands_are_found(commands):
    kvs = load("kvs")
    eventlog = next(sub for sub in kvs.commands if sub.words[-1] == "eventlog")
    assert next(sub.words for sub in eventlog.commands) == ("kvs", "eventlog", "append")
    assert load("job").parser is None


def test_a_command_without_parser_is_noticed():
    with pytest.raises(LookupError, match="x y"):
        parser_of(lambda argv, prog: 0, ["y"], "x")
    # The class is as before.
    assert argparse.ArgumentParser.print_help.__name__ == "print_help"


def test_names():
    parser = argparse.ArgumentParser()
    add = parser.add_argument
    assert option_name(add("-a", "--all", action="store_true")) == "-a, --all"
    assert option_name(add("-n", "--name", metavar="NAME")) == "-n, --name=NAME"
    assert option_name(add("-c", "--color", nargs="?", choices=("x", "y"))) == "-c, --color[=x|y]"
    assert argument_name(add("one", metavar="ONE")) == "ONE"
    assert argument_name(add("maybe", metavar="MAYBE", nargs="?")) == "[MAYBE]"
    assert argument_name(add("more", metavar="MORE", nargs="+")) == "MORE..."


def test_vocabulary(commands):
    words = vocabulary("rosin", commands)
    assert set(COMMANDS) < set(words["rosin"])
    assert {"get", "put"} < set(words["rosin kvs"])
    assert "--waitcreate" in words["rosin kvs get"]
    assert "zsh" in words["rosin completion"]


def test_bash_completes(tmp_path, commands):
    path = tmp_path / "rosin.bash"
    path.write_text(bash("rosin", commands))
    program = (
        f'source {path}; complete_words() {{ COMP_WORDS=(rosin "$@"); COMP_CWORD=$#; _rosin; '
        'echo "${COMPREPLY[@]}"; }; complete_words kvs g; complete_words kvs get --w; complete_words -x reso'
    )
    result = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("get getroot\n--waitcreate --watch\nresource\n", "")


def test_bash_completes_values(tmp_path, commands):
    """What the instance knows is asked of it; an option is offered only where one begins."""
    path = tmp_path / "rosin.bash"
    path.write_text(bash("rosin", commands))
    program = (
        f"source {path}; "
        "rosin() { case $1 in jobs) echo f1 f2;; queue) echo batch;; *) echo 0-3;; esac; }; "
        'complete_words() { COMP_WORDS=(rosin "$@"); COMP_CWORD=$#; _rosin; echo "${COMPREPLY[@]}"; }; '
        "complete_words cancel ''; complete_words run -q b; complete_words jobs --queue ''; "
        "complete_words jobs -f pe; complete_words jobs -o l; complete_words resource list -s a; "
        "complete_words resource status -s dra; complete_words job attach f2; complete_words getattr ''; "
        "complete_words ping -r ''; complete_words jobs --since"
    )
    result = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=60)
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "f1 f2",
        "batch",
        "batch",
        "pending",
        "long",
        "allocated all",
        "drain draining drained",
        "f2",
        "",
        "0-3",
        "--since",
    ]


@pytest.mark.parametrize(("shell", "make"), [("zsh", zsh), ("fish", fish)])
def test_other_shells_accept_the_script(tmp_path, commands, shell, make):
    text = make("rosin", commands)
    assert "waitcreate" in text
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(text)
    subprocess.run([program, "-n", str(path)], check=True, timeout=60)


def test_fish_completes_values(tmp_path, commands):
    """The same candidates as in the other shells."""
    program = shutil.which("fish")
    if program is None:
        pytest.skip("fish is not installed")
    path = tmp_path / "rosin.fish"
    path.write_text(fish("rosin", commands))
    answers = "case jobs; echo f1; case queue; echo batch; case '*'; echo 0-3"
    fake = f"function rosin; switch $argv[1]; {answers}; end; end"
    lines = (
        *("cancel ", "run -q b", "jobs --queue ", "jobs -f pe", "jobs -o l", "resource list -s all"),
        *("resource status -s drain", "job attach f", "ping -r ", "completion z"),
    )
    asked = "; ".join(f"complete -C 'rosin {line}'" for line in lines)
    env = {**os.environ, "HOME": str(tmp_path)}
    text = f"source {path}; {fake}; {asked}"
    result = subprocess.run(
        [program, "-c", text], capture_output=True, text=True, timeout=60, env=env, cwd=tmp_path
    )
    assert result.stderr == ""
    found = [line.split("\t")[0] for line in result.stdout.splitlines()]
    assert found == [
        *("f1", "batch", "batch", "pending", "long", "all", "allocated"),
        *("drain", "drained", "draining", "f1", "0-3", "zsh"),
    ]


def test_completion_command(command):
    assert command("completion", "bash").out.startswith("declare -gA _rosin_words=(\n")
    assert command("completion", "csh").code == 2
