# SPDX-License-Identifier: LGPL-3.0-or-later
"""What administrative commands print, without an instance."""

import argparse
import time

import pytest

from rosin.cli import config, module, overlay
from rosin.cli.dmesg import LogFormatter
from rosin.cli.event import line
from rosin.cli.eventlog import EventFormatter
from rosin.cli.exec import choose_ranks, make_command
from rosin.cli.exec.run import exit_code_of_error
from rosin.cli.kvs.get import link_text
from rosin.cli.kvs.listing import columns, value_line
from rosin.cli.ping import split_target
from rosin.cli.timestamps import HumanClock, iso, parse_iso
from rosin.cli.trace import TraceFormatter, type_mask
from rosin.rfc import fsd
from rosin.rfc.idset import Idset
from rosin.rfc.message import Message
from rosin.rfc.syslog import encode
from rosin.rfc.treeobj import val

T0 = 1700000000.25  # 2023-11-14T22:13:20.25Z


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class TestTimestamps:
    def test_iso(self):
        assert iso(T0) == "2023-11-14T22:13:20.250000Z"
        assert parse_iso("2023-11-14T22:13:20.250000Z") == T0

    def test_iso_has_the_offset_of_other_zones(self, monkeypatch):
        monkeypatch.setenv("TZ", "XYZ-5:30")
        time.tzset()
        assert iso(T0) == "2023-11-15T03:43:20.250000+05:30"

    def test_human_stamps_count_from_the_first_of_a_minute(self):
        clock = HumanClock()
        assert clock.stamp(T0) == "[Nov14 22:13]"
        assert clock.stamp(T0 + 1.5) == "[  +1.500000]"
        assert clock.stamp(T0 + 3) == "[  +3.000000]"
        assert clock.stamp(T0 + 60) == "[Nov14 22:14]"
        assert clock.stamp(T0 + 61) == "[  +1.000000]"

    def test_delta_counts_from_the_entry_before(self):
        clock = HumanClock(delta=True)
        stamps = [clock.stamp(T0 + n) for n in (0, 1.5, 3)]
        assert stamps == ["[Nov14 22:13]", "[  +1.500000]", "[  +1.500000]"]


EVENTS_ENTRY = {"timestamp": T0, "name": "foo", "context": {"a": 1, "b": "x y", "c": None, "d": True}}


class TestEvents:
    def test_text(self):
        expected = '1700000000.250000 foo a=1 b="x y" c=null d=true'
        assert EventFormatter().format(EVENTS_ENTRY) == expected

    def test_event_without_context(self):
        assert EventFormatter().format({"timestamp": 2.5, "name": "bar"}) == "2.500000 bar"

    def test_json(self):
        text = EventFormatter("json").format({"timestamp": 2.5, "name": "bar", "context": {"a": 1}})
        assert text == '{"timestamp":2.5,"name":"bar","context":{"a":1}}'

    def test_times(self):
        assert EventFormatter(times="iso").format(EVENTS_ENTRY).startswith("2023-11-14T22:13:20.250000Z foo")
        offset = EventFormatter(times="offset")
        assert offset.format(EVENTS_ENTRY).startswith("       0.000000 foo")
        assert offset.format({**EVENTS_ENTRY, "timestamp": T0 + 2}).startswith("       2.000000 foo")
        assert EventFormatter(times="reltime").format(EVENTS_ENTRY).startswith("[Nov14 22:13] foo")

    def test_colors_tell_numbers_and_exceptions_apart(self):
        text = EventFormatter(color=True).format(
            {"timestamp": 1.0, "name": "x", "context": {"a": 1, "b": "c"}}
        )
        assert text == (
            "\x1b[32m1.000000\x1b[0m \x1b[33mx\x1b[0m \x1b[34ma\x1b[0m=\x1b[37m1\x1b[0m "
            '\x1b[34mb\x1b[0m=\x1b[35m"c"\x1b[0m'
        )
        assert "\x1b[1m\x1b[31mexception" in EventFormatter(color=True).format(
            {"timestamp": 1.0, "name": "exception"}
        )

    @pytest.mark.parametrize(("form", "times"), [("xml", "raw"), ("text", "stardate")])
    def test_unknown_formats_are_named(self, form, times):
        with pytest.raises(ValueError, match=r"xml|stardate"):
            EventFormatter(form, times)


class TestLog:
    LINE = encode(6, "some text", appname="kvs", procid=77, hostname="3", timestamp=T0)

    def test_plain(self):
        assert LogFormatter().format(self.LINE) == "2023-11-14T22:13:20.250000Z kvs.info[3]: some text"

    def test_human(self):
        assert LogFormatter(human=True).format(self.LINE) == "[Nov14 22:13] kvs.info[3]: some text"

    def test_errors_are_red(self):
        line = encode(3, "some text", appname="kvs", procid=77, hostname="3", timestamp=T0)
        text = LogFormatter(color=True).format(line)
        assert text.endswith("\x1b[33mkvs.err[3]\x1b[0m: \x1b[31msome text\x1b[0m")

    def test_a_line_without_time(self):
        line = self.LINE.replace(b"2023-11-14T22:13:20.250000Z", b"-")
        assert LogFormatter(human=True).format(line) == "- kvs.info[3]: some text"

    def test_a_line_that_is_none(self):
        assert LogFormatter().format(b'{"x":\x1b[31m1}\xff\0') == '{"x":\\x1b[31m1}\N{REPLACEMENT CHARACTER}'


MODULE_STATS = {"tx": {"request": 3}, "a.b": {"c": 1.5}, "ok": True}


class TestModule:
    def test_dots_lead_into_objects_and_may_be_part_of_names(self):
        assert module.find_member(MODULE_STATS, "tx.request") == 3
        assert module.find_member(MODULE_STATS, "a.b.c") == 1.5
        with pytest.raises(KeyError):
            module.find_member(MODULE_STATS, "tx.request.x")

    @pytest.mark.parametrize(
        ("path", "scale", "kind", "text"),
        [
            ("tx.request", 1.0, None, "3"),
            ("tx.request", 2.5, "int", "7"),
            ("tx.request", 1.0, "double", "3.000000"),
            ("a.b.c", 2.0, None, "3.000000"),
            ("ok", 1.0, None, "true"),
            ("tx", 1.0, None, '{\n "request": 3\n}'),
        ],
    )
    def test_a_member_is_scaled_and_typed(self, path, scale, kind, text):
        assert module.format_stats(MODULE_STATS, path, scale, kind) == text

    def test_a_missing_member_is_named(self):
        with pytest.raises(ValueError, match=r"`tx\.nope' not found in response"):
            module.format_stats(MODULE_STATS, "tx.nope", 1.0, None)

    @pytest.mark.parametrize("path", ["kvs", "/x/kvs.so", "kvs.py", "./kvs.so.1"])
    def test_the_name_of_a_module_file(self, path):
        assert module.module_name(path) == "kvs"


TRACE_ENTRY = {
    "timestamp": T0,
    "prefix": "tx",
    "type": 2,
    "topic": "kvs.lookup",
    "payload_size": 12,
    "errnum": 0,
    "payload": {"a": 1},
}


class TestTrace:
    ARGS = argparse.Namespace(human=False, delta=False, color="never", full=False)

    def test_line(self):
        expected = "2023-11-14T22:13:20.250 kvs tx < kvs.lookup [12] success"
        assert TraceFormatter(self.ARGS).format(TRACE_ENTRY, "kvs") == expected

    def test_failure_and_payload(self):
        args = argparse.Namespace(**{**vars(self.ARGS), "full": True, "color": "always"})
        text = TraceFormatter(args).format({**TRACE_ENTRY, "errnum": 2, "errstr": "gone"}, "kvs")
        assert '\x1b[1m\x1b[31mkvs tx < kvs.lookup [12] gone\n{\n  "a": 1\n}\x1b[0m' in text

    def test_types(self):
        assert type_mask(["request", "event"]) == 5
        with pytest.raises(ValueError, match="'reply'"):
            type_mask(["reply"])


CONFIG_CONFIG = {"a": {"b": 1, "t": "90s", "f": 1.5, "l": [1], "y": True, "s": "x"}}


class TestConfig:
    @pytest.mark.parametrize(
        ("key", "kind", "text"),
        [
            ("a.b", "any", "1"),
            ("a.b", "integer", "1"),
            ("a.f", "real", "1.5"),
            ("a.f", "any", "1.5"),
            ("a.s", "string", "x"),
            ("a.y", "boolean", "true"),
            ("a.l", "array", "[1]"),
            ("a.t", "fsd", "90s"),
            ("a.t", "fsd-integer", "90"),
            ("a.t", "fsd-real", "90.000000"),
        ],
    )
    def test_values_by_type(self, key, kind, text):
        assert config.format_value(key, config.lookup(CONFIG_CONFIG, key), kind) == text

    @pytest.mark.parametrize(
        ("key", "kind"),
        [("a.s", "integer"), ("a.y", "integer"), ("a.b", "fsd"), ("a.b", "real"), ("a.s", "fsd")],
    )
    def test_a_value_of_another_type_is_refused(self, key, kind):
        with pytest.raises(ValueError, match="does not have the requested type"):
            config.format_value(key, config.lookup(CONFIG_CONFIG, key), kind)

    def test_new_values(self):
        assert config.convert("5", "string") == "5"
        assert config.convert("5", "real") == 5.0
        assert config.convert('{"x":1}', "object") == {"x": 1}
        assert [config.convert(text, "integer") for text in ("0x10", "010", "-5", " 7")] == [16, 8, -5, 7]
        assert [config.convert(text, "boolean") for text in ("TRUE", "1", "False", "0")] == [
            *(True, True, False, False)
        ]
        assert config.convert("5m", "FSD") == "5m"

    @pytest.mark.parametrize(
        ("text", "kind", "says"),
        [
            ("true", "integer", "Error parsing integer value: 'true'"),
            ("5.5", "integer", "Error parsing integer value: '5.5'"),
            ("9" * 20, "integer", "Error parsing integer value: 9+ does not fit"),
            ("x", "real", "Error parsing real value: 'x'"),
            ("nan", "real", "Error parsing real value: 'nan'"),
            ("yes", "boolean", "Error parsing boolean value: 'yes'"),
            ("[1]", "object", "Error parsing json object"),
            ("{}", "array", "Error parsing json array"),
            ("5x", "fsd", "Error parsing Flux Standard Duration"),
            ("5", "fsd-integer", "Invalid type for the set subcommand: fsd-integer"),
            ("5", "any", "Invalid type for the set subcommand: any"),
            ("5", "nosuch", "Unknown type: nosuch"),
        ],
    )
    def test_texts_that_are_no_values(self, text, kind, says):
        with pytest.raises(ValueError, match=rf"^{says}"):
            config.convert(text, kind)

    def test_an_endless_duration_is_no_integer(self):
        assert config.format_value("a", "infinity", "fsd-real") == "inf"
        with pytest.raises(ValueError, match=r"^a does not have"):
            config.format_value("a", "infinity", "fsd-integer")


class TestExec:
    def test_ranks(self):
        every = Idset("0-3")
        assert choose_ranks(every, "all", None, False) == every
        assert choose_ranks(every, "1-2", "2", False) == Idset("1")

    def test_ranks_of_a_job_are_positions(self):
        assert choose_ranks(Idset("4,7,9"), "0,2", None, True) == Idset("4,9")
        assert choose_ranks(Idset("4,7,9"), "all", "1", True) == Idset("4,9")

    @pytest.mark.parametrize(
        ("rank", "exclude", "text"),
        [
            ("9", None, "One or more invalid --ranks specified: 9"),
            ("x", None, "failed to decode idset 'x'"),
            ("0", "0-3", "No targets specified"),
        ],
    )
    def test_bad_ranks(self, rank, exclude, text):
        with pytest.raises(ValueError, match=text):
            choose_ranks(Idset("0-3"), rank, exclude, False)

    def test_positions_beyond_the_job(self):
        with pytest.raises(ValueError, match="One or more invalid --ranks specified: 3"):
            choose_ranks(Idset("4,7,9"), "3", None, True)

    @pytest.mark.parametrize(("errnum", "code"), [(2, 127), (13, 126), (113, 68), (38, 1)])
    def test_codes_of_what_could_not_start(self, errnum, code):
        assert exit_code_of_error(OSError(errnum, "")) == code

    def test_command(self, monkeypatch):
        monkeypatch.setenv("FLUX_PROXY_REMOTE", "x")
        monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
        args = argparse.Namespace(command=["a"], setopt=["k=v"], dir="none", label="l", bg=True)
        made = make_command(args, "7")
        assert made["opts"] == {"k": "v"}
        assert made["label"] == "l"
        assert "cwd" not in made
        assert "FLUX_PROXY_REMOTE" not in made["env"]
        assert made["env"]["DBUS_SESSION_BUS_ADDRESS"] == "unix:path=/run/user/7/bus"


class TestKvs:
    def test_names_fill_lines(self):
        assert columns(["a", "bb", "ccc"], 14, 3) == "a      bb\nccc\n"
        assert columns(["a", "bb"], 0, 2) == "a     bb\n"
        assert columns(["a", "bb"], 1, 2) == "a\nbb\n"
        assert columns([], 80, 0) == ""

    def test_values_are_one_line(self):
        assert value_line("k", val(b"abc"), 0) == "k = abc"
        assert value_line("k", val(b"a\nb\n"), 0) == "k = a\nb\n"
        assert value_line("k", val(b"a\nb\n"), 80) == "k = a..."
        assert value_line("k", val(b"a\n"), 80) == "k = a"
        assert value_line("k", val(b"a\nb"), 9) == "k = a..."
        assert value_line("k", val(b"0123456789"), 12) == "k = 01234..."
        assert value_line("k", val(b"0123456789"), 3) == "k = 0123456789"

    def test_links(self):
        data = {"target": "a.b", "namespace": "ns"}
        assert link_text(data) == "ns::a.b"
        assert link_text(data, namespace_only=True) == "ns"
        assert link_text(data, key_only=True) == "a.b"
        assert link_text(data, namespace_only=True, key_only=True) == "ns"
        assert link_text({"target": "a.b"}, namespace_only=True) == "a.b"


@pytest.mark.parametrize(
    ("target", "rank", "result"),
    [
        ("kvs", None, ("any", "kvs")),
        ("kvs", "2", ("2", "kvs")),
        ("2", None, ("2", "broker")),
        ("2!kvs", None, ("2", "kvs")),
        ("host!", None, ("host", "broker")),
    ],
)
def test_ping_targets(target, rank, result):
    assert split_target(target, rank) == result


def test_event_lines():
    assert line(Message.event("a.b", {"x": 1})) == 'a.b\t{"x":1}\n'
    assert line(Message.event("a.b")) == "a.b\t\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5s"), (90, "1.5m"), (2200, "37m"), (7200, "2h"), (8.64e7, "1000d")]
)
def test_uptime_durations(seconds, text):
    assert fsd.brief(seconds) == text


def test_parents_of_a_tree():
    leaf = {"rank": 3, "children": []}
    tree = {"rank": 0, "children": [{"rank": 1, "children": [leaf]}, {"rank": 2, "children": []}]}
    assert overlay.parents(tree) == {1: 0, 2: 0, 3: 1}
