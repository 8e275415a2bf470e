# SPDX-License-Identifier: LGPL-3.0-or-later
"""Configuration files: TOML, JSON, directories of them, and what is said of those that cannot be read."""

import pytest

from rosin.configfile import load, merge, parse, parse_json
from rosin.errors import FormatError


def test_tables_are_merged_and_all_else_replaced():
    base = {"a": {"x": 1, "y": [1]}, "b": 1}
    assert merge(base, {"a": {"y": [2], "z": 3}, "b": {"c": 4}}) == {
        "a": {"x": 1, "y": [2], "z": 3},
        "b": {"c": 4},
    }
    assert base == {"a": {"x": 1, "y": [1]}, "b": 1}


def test_dates_become_text():
    text = "day = 2026-01-02\n[table]\nlist = [07:30:00, 1.5, true]"
    assert parse(text) == {"day": "2026-01-02", "table": {"list": ["07:30:00", 1.5, True]}}


def test_a_directory_is_read_in_the_order_of_its_names(tmp_path):
    (tmp_path / "b.toml").write_text("x.one = 2\nx.two = 3\n")
    (tmp_path / "a.toml").write_text("x.one = 1\ny = 1\n")
    (tmp_path / "c.txt").write_text("not read")
    assert load(str(tmp_path)) == {"x": {"one": 2, "two": 3}, "y": 1}


def test_json_by_its_name(tmp_path):
    path = tmp_path / "conf.json"
    path.write_text('{"a": {"b": 1}}')
    assert load(str(path)) == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.toml", b"x = ", "a.toml: Invalid value"),
        ("a.toml", b"x = " + b"[" * 100_000, "a.toml: "),
        ("a.toml", b"x = '\xff'", "a.toml: not UTF-8 text"),
        ("a.json", b"{", "a.json: not valid JSON: "),
        ("a.json", b"[]", "a.json: expected a JSON object"),
        ("none.toml", None, "none.toml: No such file or directory"),
    ],
)
def test_what_is_wrong_is_told_with_the_place(tmp_path, name, content, text):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FormatError) as info:
        load(str(path))
    assert str(info.value).startswith(f"{tmp_path}/{text}")


def test_text_of_no_file_has_a_name_too():
    with pytest.raises(FormatError, match=r"^configuration: "):
        parse("x")
    with pytest.raises(FormatError, match=r"^--config: not valid JSON"):
        parse_json("x", "--config")
