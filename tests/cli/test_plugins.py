# SPDX-License-Identifier: LGPL-3.0-or-later
"""Plugins of the commands that submit jobs: where they are found, what they see, what they change."""

from __future__ import annotations

import json

import pytest

PLUGIN = """
from rosin.cli.plugin import CLIPlugin

class Mode(CLIPlugin):
    '''Takes care of modes.'''

    def __init__(self, prog):
        super().__init__(prog, prefix="site")
        self.add_option("--node-mode", metavar="MODE", help="how nodes are set up")
        if prog == "alloc":
            self.add_option("--flag", action="store_true", help="for alloc alone")

    def preinit(self, args):
        if args.node_mode == "whole":
            args.nodes = 2
        if args.node_mode == "conf":
            args.conf.update("a.b=1")

    def modify_jobspec(self, args, jobspec):
        if args.node_mode:
            jobspec.setattr("system.mode", args.node_mode)
        if getattr(args, "flag", False):
            jobspec.setattr_shell_option("flag", 1)
        if args.node_mode == "divide":
            1 / 0

    def validate(self, jobspec):
        if jobspec.attributes["system"].get("mode") == "bad":
            raise ValueError("mode bad is not permitted")
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write a plugin into a directory of the search path."""
    monkeypatch.setenv("FLUX_CLI_PLUGINPATH", f"{tmp_path}/none::{tmp_path}")

    def write(text=PLUGIN, name="mode.py"):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


@pytest.fixture
def jobspec(command):
    def run(*words):
        result = command(words[0], "--dry-run", *words[1:])
        assert (result.code, result.err) == (0, "")
        return json.loads(result.out)

    return run


def test_options_and_what_they_change(plugin, jobspec):
    plugin()
    assert jobspec("run", "--site-node-mode=x", "true")["attributes"]["system"]["mode"] == "x"
    assert "mode" not in jobspec("run", "true")["attributes"]["system"]
    for words in (["submit", "--cc=0-1"], ["run"]):
        (node,) = jobspec(*words, "--site-node-mode", "whole", "true")["resources"]
        assert (node["type"], node["count"]) == ("node", 2)


def test_instances(plugin, jobspec):
    plugin()
    spec = jobspec("batch", "-n1", "--site-node-mode=conf", "--wrap", "true")
    assert spec["attributes"]["system"]["files"]["conf.json"]["data"] == {"a": {"b": 1}}
    spec = jobspec("alloc", "-n1", "--site-flag", "true")
    assert spec["attributes"]["system"]["shell"]["options"]["flag"] == 1


def test_each_job_of_bulksubmit(plugin, command, monkeypatch, tmp_path):
    """Whatever a plugin refuses stays an error of one line."""
    plugin()
    result = command("submit", "--dry-run", "--site-node-mode=bad", "true")
    assert result == (1, "", "rosin-submit: ERROR: mode bad is not permitted\n")
    result = command("run", "--dry-run", "--site-node-mode=divide", "true")
    text = f"plugin {tmp_path}/mode.py: Mode.modify_jobspec: ZeroDivisionError: division by zero\n"
    assert result == (1, "", f"rosin-run: ERROR: {text}")


def test_help(plugin, command):
    path = plugin()
    text = command("submit", "--help").out
    assert "--site-node-mode MODE" in text
    assert "--site-flag" not in text
    assert "Takes care of modes." in command("run", "--help=site-node-mode").out
    result = command("run", "--help=nosuch")
    assert result == (1, "", "rosin-run: ERROR: --help: no such option nosuch: there is --site-node-mode\n")
    listed = command("alloc", "--list-plugins").out
    assert f"Mode loaded from {path}\n  --site-node-mode      how nodes are set up\n  --site-flag" in listed


def test_without_plugins(command, monkeypatch):
    monkeypatch.setenv("FLUX_CLI_PLUGINPATH_OVERRIDE", "")
    assert command("run", "--list-plugins").out == "Options provided by plugins:\n  Search path: (none)\n\n"


def test_one_directory_alone(plugin, command, tmp_path, monkeypatch):
    plugin()
    monkeypatch.setenv("FLUX_CLI_PLUGINPATH_OVERRIDE", f"{tmp_path}/none")
    assert command("run", "--site-node-mode=x", "true").code == 2


def test_the_first_of_an_option_is_taken(plugin, jobspec):
    plugin()
    plugin(PLUGIN.replace('"system.mode", args.node_mode', '"system.mode", "second"'), "other.py")
    assert jobspec("run", "--site-node-mode=x", "true")["attributes"]["system"]["mode"] == "x"


def test_a_plugin_that_puts_another_jobspec_in_place(plugin, jobspec):
    plugin(PLUGIN.replace("1 / 0", 'jobspec.jobspec = {**jobspec.jobspec, "version": 9}'))
    assert jobspec("run", "--site-node-mode=divide", "true")["version"] == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1 / 0",
            "ZeroDivisionError: division by zero: FLUX_CLI_PLUGINPATH_OVERRIDE= submits",
        ),
        ("def", "SyntaxError: invalid syntax"),
        ("import flux.no_such", "ModuleNotFoundError: No module named 'flux"),
        (PLUGIN.replace('"--node-mode"', '"-m"'), "ValueError: Plugins must register only long options."),
        (PLUGIN.replace("(self, prog)", "(self)"), "TypeError: "),
    ],
)
def test_files_that_are_no_plugins(plugin, command, text, message):
    path = plugin(text)
    result = command("run", "true")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"rosin-run: ERROR: plugin {path}: {message}")
    assert result.err.count("\n") == 1


def test_one_of_flux_core(plugin, jobspec):
    """The module that such plugins import is there with the drop-in."""
    pytest.importorskip("flux.cli.plugin")
    plugin(PLUGIN.replace("rosin.cli.plugin", "flux.cli.plugin"))
    assert jobspec("run", "--site-node-mode=x", "true")["attributes"]["system"]["mode"] == "x"


def test_in_the_api(plugin):
    flux_job = pytest.importorskip("flux.job")
    plugin()
    spec = flux_job.JobspecV1.from_submit(["true"], site_node_mode="x")
    assert spec.getattr("system.mode") == "x"
    with pytest.raises(TypeError, match="unexpected keyword"):
        flux_job.JobspecV1.from_submit(["true"], site_other="x")
    with pytest.raises(ValueError, match="not permitted"):
        flux_job.JobspecV1.from_submit(["true"], site_node_mode="bad")
