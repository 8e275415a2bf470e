# SPDX-License-Identifier: LGPL-3.0-or-later
"""Replacement fields of submit and bulksubmit."""

from __future__ import annotations

import io

import pytest

from rosin.cli import bulksubmit, submit
from rosin.cli.bulk import copies
from rosin.cli.bulksubmit import combine, make_commands, split_inputs
from rosin.cli.template import InputText, compile_methods, describe, has_fields, substitute


def arguments(*argv):
    return submit.parser("rosin-submit").parse_command(argv)


def commands(*argv):
    return make_commands(bulksubmit.parser("rosin-bulksubmit").parse_command(argv))


def test_methods_of_an_input():
    text = InputText("/dir/file.tar.gz", compile_methods(["up=x.upper()"]))
    assert "{0}|{0.%}|{0./}|{0.//}|{0./%}|{0.up}".format(text) == (  # type: ignore[str-format]
        "/dir/file.tar.gz|/dir/file.tar|file.tar.gz|/dir|file.tar|/DIR/FILE.TAR.GZ"
    )
    assert f"{text:>18}" == "  /dir/file.tar.gz"
    with pytest.raises(ValueError, match=r"Unknown input string method '.foo'"):
        f"{text.foo}"


def test_definitions_may_hold_equal_signs():
    methods = compile_methods(["same=x == 'a'"])
    assert InputText("a", methods).same == "True"
    for text in ("x", "=1", "a=1+"):
        with pytest.raises(ValueError, match="--define"):
            compile_methods([text])


def test_copies_substitute_options_and_command():
    args = arguments("--cc=1-2", "--output=out{cc}", "--env=A={cc}", "echo", "{cc:02}", "{{id}}")
    assert has_fields(args)
    copy = substitute(args, cc=7)
    assert (copy.output, copy.env, copy.command) == ("out7", ["A=7"], ["echo", "07", "{{id}}"])
    assert args.output == "out{cc}"
    assert not has_fields(arguments("--cc=1-2", "echo", "x"))


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["echo", "{5}"], r"Invalid replacement string in command: '\{5\}'"),
        (["echo", "{foo}"], r"Invalid replacement string in command: '\{foo\}'"),
        (["-n", "{5}", "x"], r"Invalid replacement index in -n\{5\}'"),
        (["-n", "{x}", "x"], r"Replacement key 'x' not found in '-n\{x\}'"),
    ],
)
def test_bad_fields(argv, text):
    with pytest.raises(ValueError, match=text):
        substitute(arguments(*argv), [InputText("a", {})], cc=1)


def test_ids_of_copies():
    assert copies(arguments("x")) is None
    assert copies(arguments("--cc=1-3", "x")) == [1, 2, 3]
    assert copies(arguments("--bcc=5", "x")) == [5]
    with pytest.raises(ValueError, match="specify only one of --cc or --bcc"):
        copies(arguments("--cc=1", "--bcc=1", "x"))
    with pytest.raises(ValueError, match="idset"):
        copies(arguments("--cc=a", "x"))


def test_inputs_are_combined():
    command, lists, links = split_inputs(["echo", "{}", ":::", "a", "b", ":::", "1", "2"])
    assert (command, lists, links) == (["echo", "{}"], [["a", "b"], ["1", "2"]], [])
    assert combine(lists, links) == [["a", "1"], ["a", "2"], ["b", "1"], ["b", "2"]]


def test_linked_inputs_go_along():
    _, lists, links = split_inputs(["x", ":::", "a", "b", "c", ":::+", "1", "2"])
    assert combine(lists, links) == [["a", "1"], ["b", "2"], ["c", "1"]]


def test_inputs_from_files(tmp_path, monkeypatch):
    (tmp_path / "in").write_text("a b\nc\n\n")
    assert split_inputs(["x", "::::", f"{tmp_path}/in"])[1] == [["a b", "c"]]
    assert split_inputs(["x", "::::", f"{tmp_path}/in"], None)[1] == [["a", "b", "c"]]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"1\n2\n")))
    assert split_inputs(["x", "::::", "-"])[1] == [["1", "2"]]
    with pytest.raises(ValueError, match="Multiple args not allowed after ::::"):
        split_inputs(["x", "::::", "a", "b"])
    with pytest.raises(ValueError, match="no file after ::::"):
        split_inputs(["x", "::::"])


@pytest.mark.parametrize(
    ("argv", "lines"),
    [
        (["echo", "{}", ":::", "a", "b"], ["echo a", "echo b"]),
        (["-n", "{1}", "echo", "{0}", ":::", "a", ":::+", "2"], ["-n2 echo a"]),
        (["echo", "{seq}", "{seq1}", ":::", "a", "b"], ["echo 0 1", "echo 1 2"]),
        (["--cc=1-2", "echo", "{}", "{cc}", ":::", "a"], ["--cc=1-2 echo a {cc}"]),
        (["--define=two=[x, x]", "echo", "{.two}", ":::", "a"], ["echo a a"]),
        (["--job-name=j{}", "--env=A={}", "x", ":::", "1"], ["--env=['A=1'] --job-name=j1 x"]),
        (["echo", "{{id}}", ":::", "1"], ["echo {{id}}"]),
    ],
)
def test_commands(argv, lines):
    assert [describe(command) for command in commands(*argv)] == lines


def test_inputs_from_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"1 2\n3")))
    assert [command.command for command in commands()] == [["1 2"], ["3"]]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"1,2,,3")))
    assert [command.command for command in commands("--sep=,", "echo", "{}")] == [
        ["echo", "1"],
        ["echo", "2"],
        ["echo", "3"],
    ]


def test_empty_words_of_a_command_stay():
    assert substitute(arguments("--cc=1", "test", "", "{cc}"), cc=1).command == ["test", "", "1"]
