# SPDX-License-Identifier: LGPL-3.0-or-later
"""Formats and templates of users end in text or in a ValueError, whatever they are."""

from __future__ import annotations

import json
from argparse import Namespace
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.cli.jobformat import job_format
from rosin.cli.template import OPTIONS, InputText, compile_methods, substitute
from rosin.job.fields import HEADINGS
from rosin.job.info import JobInfo

JOB = {
    "id": 17,
    "userid": 1,
    "name": "n",
    "state": 16,
    "t_submit": 5.5,
    "t_run": 1e300,
    "urgency": 16,
    "annotations": {"user": {"a": 1, "b": [1]}, "sched": 3},
}
fields = st.one_of(st.sampled_from(sorted(HEADINGS)), st.text("abiduser.[]0_", max_size=8))
specs = st.text("dxsfeG%0123456789.,<>^=+-h:%FTb _{}", max_size=8)
part = st.builds(
    lambda mark, field, conv, spec: f"{mark}{{{field}{conv}{spec}}}",
    st.sampled_from(["", "?:", "+:", "?+:", "sort:id "]),
    fields,
    st.sampled_from(["", "!d", "!D", "!F", "!H", "!P", "!r", "!s", "!q", "!"]),
    specs.map(lambda text: text and f":{text}"),
)


@given(st.lists(part, max_size=3).map("".join) | st.text(max_size=20))
def test_formats_of_jobs(source):
    with suppress(ValueError):
        fmt = job_format(source)
        items = [JobInfo(JOB)]
        final = type(fmt)(fmt.filter(items))
        final.header(40)
        list(final.lines(final.sort_items(items), 40))


texts = st.text(max_size=12)
uris = st.builds("{}:{}".format, st.sampled_from(["local", "ssh", "foo", ""]), texts)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 1 << 53) | st.floats(allow_nan=False) | texts | uris,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
COLUMNS = job_format(
    "{id} {user} {sched} {uri} {uri.local} {user.uri} {user.x} {user.x:>9} {contextual_info}"
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "user": st.dictionaries(st.sampled_from(["uri", "x", ""]) | texts, values) | values,
            "sched": st.dictionaries(st.sampled_from(["t_estimate", "x"]), values) | values,
        },
    )
)
def test_what_users_write_into_annotations_is_listed(annotations):
    job = {**JOB, "state": 8, "annotations": annotations}
    json.loads(json.dumps(JobInfo(job).to_dict()))
    items = [JobInfo(job)]
    final = type(COLUMNS)(COLUMNS.filter(items))
    assert len(list(final.lines(items, 40))) == 1


def arguments(*command, **options):
    return Namespace(command=list(command), changed=set(), **{**dict.fromkeys(OPTIONS), **options})


@given(st.text("{}[]!:.0123456789abcx/%", max_size=12), st.text(max_size=5))
def test_templates(word, text):
    methods = compile_methods(["a=1/0", "b=x.nosuch", "c=x*2", "x=[x, x]"])
    for args in (arguments("echo", word), arguments("echo", job_name=word)):
        with suppress(ValueError):
            substitute(args, [InputText(text, methods)], seq=0, seq1=1, cc="{cc}")


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("{[0]}", "Invalid replacement string in command: '{[0]}' (fields are {}, {0}"),
        ("{0.z}", "--define=z: ZeroDivisionError: division by zero (for input 'i')"),
        ("{0:999999999999999999999}", "Invalid replacement string in command: '{0:9"),
        ("{print $1}", "a command with braces of its own goes into a script"),
    ],
)
def test_a_failing_field_is_named(word, text):
    with pytest.raises(ValueError, match=r".") as failure:
        substitute(arguments("echo", word), [InputText("i", compile_methods(["z=1/0"]))])
    assert text in str(failure.value)


def test_empty_fields_stay_arguments():
    found = substitute(arguments("echo", "{.//}", "{}"), [InputText("a", {})])
    assert found.command == ["echo", "", "a"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{id:>99999999999}", "at most 4096"),
        ("{id!q}", "Unknown conversion specifier q"),
        ("{name:d}", "Error in format: {name:d}: "),
        ("{name!F}", "Error in format: {name!F}: "),
    ],
)
def test_a_format_that_does_not_fit_is_one_line(source, text):
    with pytest.raises(ValueError, match=r".") as failure:
        job_format(source).format(JobInfo(JOB))
    assert text in str(failure.value)
    assert "\n" not in str(failure.value)
