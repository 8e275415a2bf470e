# SPDX-License-Identifier: LGPL-3.0-or-later
"""The output format mini-language."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.cli import fields
from rosin.cli.format import OutputFormat
from rosin.cli.formats import NamedFormats

HEADINGS = {"id": "JOBID", "id.f58": "JOBID", "name": "NAME", "t": "TIME", "queue": "QUEUE", "n": "N"}


def item(**values):
    return SimpleNamespace(**{"id": 1, "name": "", "t": 0.0, "queue": "", "n": "", **values})


def form(fmt):
    return OutputFormat(fmt, HEADINGS)


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    fields._EMPTY = ()
    yield
    monkeypatch.undo()
    time.tzset()
    fields._EMPTY = ()


@pytest.mark.parametrize(
    ("fmt", "values", "line"),
    [
        ("{id:>4}|{name}", {"name": "x"}, "   1|x"),
        ("{name:<4.4}|", {"name": "abcdefgh"}, "abcd|"),
        ("{name:<4.4+}|", {"name": "abcdefgh"}, "abc+|"),
        ("{name:<4.4+}|", {"name": "abcd"}, "abcd|"),
        ("{n:>6h}|", {}, "     -|"),
        ("{n:>6h}|", {"n": 12}, "    12|"),
        ("{t!F:>8h}", {}, "       -"),
        ("{t!F:>8h}", {"t": 90.0}, "    1.5m"),
        ("{t!F}", {"t": ""}, ""),
        ("{t!d}", {"t": 86400.0}, "1970-01-02T00:00:00"),
        ("{t!d}|", {}, "|"),
        ("{t!d:%b%d %R::>14}", {"t": 86400.0}, "   Jan02 00:00"),
        ("{t!d:%b%d %R::>14h}", {}, "             -"),
        ("{t!D:h}", {}, "-"),
        ("{t!D}", {"t": 1.5}, "1970-01-01T00:00:01"),
        ("{t!H}", {"t": 0.2}, "0:00:01"),
        ("{t!H}", {"t": 3661.4}, "1:01:01"),
        ("{t!H}", {"t": 9e14}, "10416666666 days, 16:00:00"),
        ("{t!D}", {"t": 9e14}, "900000000000000"),
        ("{t!d:%F}", {"t": 9e14}, "900000000000000"),
        ("{t!F}", {"t": 9e14}, "1.042e+10d"),
        ("{t!P}", {"t": 0.5}, "50%"),
        ("{t!P}", {"t": 0.00123}, "0.12%"),
        ("{{{name}}}", {"name": "x"}, "{x}"),
        ("{name!r}", {"name": "x"}, "'x'"),
    ],
)
def test_one_line(fmt, values, line):
    assert form(fmt).format(item(**values)) == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.0005, "0s"),
        (0.0214, "0.021s"),
        (42.0, "42s"),
        (42.125, "42.12s"),
        (60.0, "1m"),
        (float("inf"), "inf"),
    ],
)
def test_durations(seconds, text):
    assert fields.duration(seconds) == text


def test_an_empty_column_is_dropped():
    fmt = form("{id} ?:{queue:<8.8} {name}")
    assert fmt.filter([item(name="a")]) == "{id} {name}"
    assert fmt.filter([item(name="a", queue="q")]) == "{id} {queue:<8.8} {name}"
    assert fmt.filter([]) == "{id} {name}"


def test_a_column_grows_to_its_widest_value():
    fmt = form("+:{name:<2.2}|{id}")
    jobs = [item(name="abcdef"), item(name="a")]
    assert fmt.filter(jobs) == "{name:<6.6}|{id}"
    assert fmt.filter([item(name="a")]) == "{name:<4.4}|{id}"
    assert fmt.filter([item(name="a")], no_header=True) == "{name:<2.2}|{id}"


def test_a_column_may_do_both():
    fmt = form("?+:{queue:>1}|{id}")
    assert fmt.filter([item()]) == "|{id}"
    assert fmt.filter([item(queue="batch-long")]) == "{queue:>10}|{id}"


def test_zero_durations_and_times_are_empty():
    fmt = form("{id} ?:{t!F:>8} ?:{t!d:%R::>4}")
    assert fmt.filter([item()]) == "{id}"


def test_print_items(capsys):
    fmt = form("sort:-n,id {id:>3} +:{name:>2} ?:{queue:>4}{n:>3h}")
    fmt.print_items([item(id=1, name="long", n=2), item(id=3, n=""), item(id=2, n="10")])
    assert capsys.readouterr().out == "JOBID NAME  N\n  2      10\n  1 long  2\n  3       -\n"


def test_header_keeps_alignment_and_width_only():
    assert form("{id:>8} {t!d:%b%d %R::>12h} {name:<6.6+}|").header() == "   JOBID         TIME NAME  |"
    assert form("{id:>8} {t!d:%b%d %R}|").header() == "   JOBID TIME|"


def test_lines_are_cut(capsys):
    form("{id:>8} {name}").print_items([item(name="abcdef"), item(name="ab")], width=12)
    assert capsys.readouterr().out == "   JOBID NA+\n       1 ab+\n       1 ab\n"


def test_sort_order_of_mixed_values():
    values = ["foo", 2, "", "10", None, True, "-", "bar"]
    assert sorted(values, key=fields.sort_key) == ["", None, "-", True, 2, "10", "bar", "foo"]


def test_sort_prefix_is_kept_apart_from_text():
    fmt = form("sort:id,{name}")
    assert (fmt.sort_keys, fmt.source) == ([("id", False)], "{name}")
    assert form("sort: {name}").format(item(name="x")) == "sort: x"
    assert fmt.fields == ["name", "id"]
    assert fmt.get_format() == "sort:id {name}"


def test_copy_without_fields():
    fmt = form("{id:>4} ?:{queue:>8} (+:{name:<4}")
    assert fmt.copy(["queue"]).get_format() == "{id:>4} (+:{name:<4}"
    assert fmt.copy(nullify_expansion=True).get_format() == "{id:>4} ?:{queue:>8}{name}"


@pytest.mark.parametrize("fmt", ["{nothing}", "{id", "id}", "sort:nothing {id}"])
def test_bad_formats(fmt):
    with pytest.raises(ValueError):
        form(fmt)


def test_bad_conversions():
    with pytest.raises(ValueError, match="Unknown conversion"):
        form("{id!x}").format(item())
    with pytest.raises(ValueError, match="number of seconds"):
        form("{name!F}").format(item(name="x"))


BUILTIN = {"default": ("The usual", "{id}"), "wide": ("More", "{id} {name}")}


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", f"{tmp_path}/one:{tmp_path}/two")
    for name in ("home", "one", "two"):
        (tmp_path / name / "flux").mkdir(parents=True)
    return tmp_path


def test_named_formats(config, monkeypatch):
    (config / "two/flux/flux-jobs.json").write_text('{"formats": {"a": {"format": "{two}"}}}')
    (config / "one/flux/flux-jobs.yaml").write_text("formats: {a: {format: '{one}'}, b: {format: '{one}'}}")
    (config / "home/flux/flux-jobs.toml").write_text('[formats.b]\nformat = "{home}"\n')
    names = NamedFormats(BUILTIN, "flux-jobs")
    assert [names.get(name) for name in ("a", "b", "wide", "default", "{x}")] == [
        "{one}",
        "{home}",
        "{id} {name}",
        "{id}",
        "{x}",
    ]
    monkeypatch.setenv("FLUX_JOBS_FORMAT_DEFAULT", "wide")
    assert names.get("default") == "{id} {name}"
    monkeypatch.setenv("FLUX_JOBS_FORMAT_DEFAULT", "{env}")
    assert names.get("default") == "{env}"
    with pytest.raises(ValueError, match=r"No such format status \(Did you mean '{status}'\?\)"):
        names.get("status")


def test_formats_of_a_subcommand(config, monkeypatch):
    (config / "home/flux/flux-resource.toml").write_text(
        '[list.formats.x]\nformat = "{a}"\n[status.formats.x]\nformat = "{b}"\n'
    )
    names = NamedFormats(BUILTIN, "flux-resource", table="list")
    assert names.get("x") == "{a}"
    monkeypatch.setenv("FLUX_RESOURCE_LIST_FORMAT_DEFAULT", "x")
    assert names.get("default") == "{a}"


def test_a_table_of_no_subcommand_is_refused(config):
    (config / "home/flux/flux-resource.toml").write_text("[lst]\n")
    names = NamedFormats(BUILTIN, "flux-resource", table="list")
    with pytest.raises(ValueError, match=r"flux-resource\.toml: invalid key lst; did you mean list\?"):
        names.get("default")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[formats.default]\nformat='x'", "override of builtin format 'default' not permitted"),
        ("[formats.x]\ndescription='x'", "formats.x: required key 'format' missing"),
        ("formats.x = 1", "'formats.x' must be a mapping"),
        ("formats = 1", "the 'formats' key must be a mapping"),
        ("[formats.x]\nformat = 1", "formats.x: 'format' key must be a string"),
        ("other = 1", "invalid key other"),
        ("syntax", "flux-jobs.toml: "),
    ],
)
def test_bad_configuration(config, text, error):
    path = config / "home/flux/flux-jobs.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"flux-jobs\.toml") as info:
        NamedFormats(BUILTIN, "flux-jobs").get("default")
    assert error in str(info.value)


def test_help_and_get_config(config, capsys):
    names = NamedFormats(BUILTIN, "flux-jobs")
    for name in ("help", "get-config=wide"):
        with pytest.raises(SystemExit):
            names.get(name)
    assert capsys.readouterr().out == (
        "\nConfigured flux-jobs output formats:\n\n  default      The usual\n  wide         More\n"
        '[formats.wide]\ndescription = "More"\nformat = "{id} {name}"\n'
    )


SPEC = r"((?:.?[<>=^])?)([- +]?z?\#?0?)(\d*)([_,]?)((?:\.\d+)?)([bcdeEfFgGnosxX%]?)(h?\+?)"


WORDS = [*"-+z#0_,.ds%h<^=x\n", "12", ".5", " ", "\u0663"]


@given(
    st.lists(st.sampled_from(WORDS), max_size=8).map("".join)
    | st.from_regex(SPEC, fullmatch=True)
    | st.text(max_size=6)
)
def test_parts_of_a_spec(spec):
    match = re.fullmatch(SPEC, spec, re.DOTALL)
    assert fields._spec_parts(spec) == (list(match.groups()) if match else [""] * 7)
