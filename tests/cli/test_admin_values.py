# SPDX-License-Identifier: LGPL-3.0-or-later
"""Values and names that administrative commands take, refuse, or read in their own way."""

from __future__ import annotations

import errno
import json
import os
import socket

import pytest

from rosin.cli import event, kvs, module, ping
from rosin.cli.dmesg import LogFormatter
from rosin.cli.ping import size
from rosin.cli.resource.eventlog import Targets
from rosin.cli.subcommands import about, errno_text
from rosin.rfc.syslog import encode

HOST = socket.gethostname()
needs_instance = pytest.mark.system


def log(rosin):
    return [line.partition("]: ")[2] for line in rosin("dmesg").out.splitlines()]


@needs_instance
class TestLogger:
    def test_each_line_is_an_entry(self, rosin):
        rosin("dmesg", "-C")
        assert rosin("logger", stdin="one\ntwo\n\nthree") == (0, "", "")
        assert rosin("logger", "four\nfive", "six").code == 0
        assert log(rosin) == ["one", "two", "three", "four", "five six"]

    def test_bytes_that_are_no_text(self, rosin):
        rosin("dmesg", "-C")
        assert rosin("logger", stdin=b"a\xff\r\nb").code == 0
        assert log(rosin) == ["a�", "b"]


def test_no_line_of_an_entry_looks_like_another_entry():
    data = encode(5, "good\n2026-01-01 forged\x1b[2J\tx", appname="app", procid=1, hostname="0")
    lines = LogFormatter().format(data).split("\n")
    assert lines[0].endswith("app.notice[0]: good")
    assert lines[1].startswith("    2026-01-01 forged\\x1b[2J ")
    assert len(lines) == 2


@needs_instance
class TestPing:
    @pytest.mark.parametrize("target", [HOST, f"{HOST}!broker", f"{HOST}!"])
    def test_a_host_is_its_broker(self, rosin, target):
        code, out, err = rosin("ping", "-c1", target)
        assert (code, err) == (0, "")
        assert out.startswith(f"rosin-ping {HOST}!broker (rank 0)\n0!broker.ping ")

    def test_the_rank_of_a_service_on_a_host(self, rosin):
        assert rosin("ping", "-c1", "-r", HOST, "kvs").out.startswith(f"rosin-ping {HOST}!kvs (rank 0)\n")

    def test_sizes_and_times(self, rosin):
        assert " pad=10240 " in rosin("ping", "-c1", "--pad", "10K", "-i", "10ms", "broker").out

    def test_no_such_service(self, rosin):
        err = rosin("ping", "-c1", "nosuch").err
        assert err == (
            f"rosin-ping: nosuch.ping: {os.strerror(errno.ENOSYS)}: "
            "No service matching nosuch.ping is registered\n"
        )


def test_pads_have_an_end(capsys):
    with pytest.raises(SystemExit) as caught:
        ping.main(["-p", "2G", "kvs"], "rosin-ping")
    assert caught.value.code == 2
    assert "value 2G too large (must be < 2G)" in capsys.readouterr().err


def test_a_rank_is_named_once(capsys):
    assert ping.main(["-r", "0", "1!kvs"], "rosin-ping") == 1
    assert capsys.readouterr().err == "rosin-ping: --rank and TARGET both try to specify a nodeid\n"


@pytest.mark.parametrize("words", [("-f", "foo"), ("-T", "foo")])
def test_formats_of_the_resource_eventlog(words, command):
    done = command("resource", "eventlog", *words)
    assert done.code == 2
    assert "invalid choice: 'foo' (choose from" in done.err


def test_size():
    assert [size(text) for text in ("0", "7", "2k", "3M", "1.5G")] == [0, 7, 2048, 3 << 20, 3 << 29]
    for text in ("", "K", "-1", "1KB"):
        with pytest.raises(Exception, match="expected one such as"):
            size(text)


def test_targets_that_there_are_not():
    assert Targets("0,3", "n[0-3]").match({"ranks": "3"})
    with pytest.raises(ValueError, match="rank 4 is out of range: ranks are 0 to 3"):
        Targets("0,4", "n[0-3]")


@needs_instance
class TestValues:
    def test_a_label_has_a_name(self, rosin):
        for options in ([], ["--bg"]):
            result = rosin("exec", "--label=", *options, "true")
            assert result.code == 1
            assert os.strerror(errno.EINVAL) in result.err

    def test_strings_of_the_configuration(self, rosin):
        result = rosin("config", "set", "--type=string", "tbon.interface-hint", '"hello')
        assert (result.code, result.out) == (1, "")
        assert result.err.startswith("rosin-config: Error parsing string: ")

    def test_states_are_listed(self, rosin):
        code, out, err = rosin("resource", "status", "--states=help")
        assert (code, out) == (0, "")
        assert err.startswith("rosin-resource: INFO: valid states: all,online,")

    def test_options_of_a_sum(self, rosin):
        expected = rosin("resource", "info")
        assert rosin("resource", "info", "--no-skip-empty") == expected
        assert rosin("resource", "info", "--skip-empty") == expected

    def test_colours_that_a_format_asks_for(self, rosin, monkeypatch):
        monkeypatch.delenv("NO_COLOR", raising=False)
        colored = ("queue", "list", "-n", "-o", "{color_started}x{color_off}")
        assert rosin(*colored).out == "\x1b[01;32mx\x1b[0;0m\n"
        assert "\x1b" not in rosin("queue", "list").out
        monkeypatch.setenv("NO_COLOR", "1")
        assert rosin(*colored).out == "x\n"

    def test_version_of_the_library(self, rosin):
        assert rosin("version").out.splitlines()[1].startswith("libflux-core:\t\t")


def test_config_strings():
    from rosin.cli.config import convert

    assert [convert(text, "string") for text in ("a", '"a b"', "'a'")] == ["a", "a b", "'a'"]
    for text in ('"a', '"a" b', '"'):
        with pytest.raises(ValueError, match="Error parsing string"):
            convert(text, "string")


def test_lines_that_are_shown_alike_are_joined(command):
    rlite = [{"rank": "0-2", "children": {"core": "0"}}]
    rset = {
        "version": 1,
        "execution": {"R_lite": rlite, "starttime": 0, "expiration": 0, "nodelist": ["n[0-2]"]},
    }
    drain = {str(rank): {"timestamp": 1e9 + rank, "reason": "r"} for rank in (0, 1)}
    drain["2"] = {"timestamp": 2e9, "reason": "r"}
    status = {"R": rset, "online": "0-2", "offline": "", "exclude": "", "drain": drain}
    fmt = "{timestamp!d:%F} {state} {ranks}"
    given = ("resource", "status", "--from-stdin", "-n", "--skip-empty", "--states=drain", "-o", fmt)
    result = command(*given, stdin=json.dumps(status))
    assert result == (0, "2001-09-09 drained 0-1\n2033-05-18 drained 2\n", "")


@pytest.mark.parametrize("words", [("uri", "schemes:\n  jobid "), ("hostlist", "include:\n  instance ")])
def test_help_keeps_its_lines(command, words):
    assert words[1] in command(words[0], "--help").out


class TestErrnoText:
    def test_what_strerror_says_comes_first(self):
        assert errno_text(OSError(errno.EISDIR, "a is a key")) == "Is a directory: a is a key"
        assert errno_text(OSError(errno.EISDIR, "is a directory")) == "is a directory"
        assert errno_text(OSError(errno.EPERM, "not for guests")) == "not for guests"
        assert errno_text(OSError("no number")) == "no number"

    @pytest.mark.parametrize("own", ["a: unknown", "unknown"])
    def test_about(self, own):
        with pytest.raises(OSError) as raised, about("a"):
            raise OSError(errno.ENOENT, own)
        assert raised.value.strerror == "a: No such file or directory: unknown"


@needs_instance
class TestReload:
    def test_a_module_from_a_file(self, rosin, tmp_path):
        path = tmp_path / "reloaded.py"
        path.write_text(
            "from rosin.broker.module import BrokerModule\n"
            "class Reloaded(BrokerModule):\n    name = 'reloaded'\n"
        )
        assert rosin("module", "load", str(path)).code == 0
        assert rosin("module", "reload", "reloaded") == (0, "", "")
        assert str(path) in rosin("module", "list", "-l").out
        path.unlink()
        result = rosin("module", "reload", "reloaded")
        assert result.code == 1
        assert result.err.endswith("No such file or directory: reloaded is left as it is\n")
        assert "reloaded" in rosin("module", "list").out
        assert rosin("module", "remove", "reloaded").code == 0

    def test_arguments_that_are_refused_leave_it_as_it_was(self, rosin):
        result = rosin("module", "reload", "heartbeat", "perid=1s")
        assert result.code == 1
        assert "unknown option 'perid=1s'; did you mean period?; heartbeat is left as it is" in result.err
        assert "heartbeat" in rosin("module", "list").out

    def test_an_error_of_a_start_is_told(self, rosin, tmp_path):
        path = tmp_path / "broken.py"
        path.write_text(
            "from rosin.broker.module import BrokerModule\n"
            "class Broken(BrokerModule):\n    name = 'broken'\n\n"
            "    async def start(self):\n        raise ValueError('no such moon')\n"
        )
        result = rosin("module", "load", str(path))
        assert result.code == 1
        assert "no such moon" in result.err

    def test_a_second_scheduler(self, rosin):
        result = rosin("module", "load", "--name=other", "sched-simple")
        assert result.code == 1
        assert "sched-simple" in result.err


class WithoutReload:
    """A broker that has two requests for it, and a module that does not start any more."""

    def __init__(self):
        self.sent = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def rpc(self, topic, payload=None):
        self.sent.append(topic)
        self.asked = {**getattr(self, "asked", {}), topic: payload}
        errnum = {"module.reload": errno.ENOSYS, "module.load": errno.EINVAL}.get(topic)

        class Answer:
            def get(self):
                if errnum:
                    raise OSError(errnum, "no such option")
                return {"mods": [{"name": "heartbeat", "path": "/usr/lib/heartbeat.so"}]}

        return Answer()


def test_reload_where_the_broker_cannot_bring_it_back(monkeypatch, capsys):

    h = WithoutReload()
    monkeypatch.setattr(module, "connect", lambda: h)
    monkeypatch.setattr("os.path.exists", lambda path: True)
    assert module.main(["reload", "heartbeat", "x=1"], "flux-module") == 1
    assert h.sent == ["module.list", "module.reload", "module.remove", "module.load"]
    assert not {"cancel", "exec"} & set(h.asked["module.reload"])
    text = "no such option; heartbeat is not loaded now, 'flux module load heartbeat' loads it\n"
    assert capsys.readouterr().err.endswith(text)


def test_how_it_is_to_be_replaced_is_told(monkeypatch):
    h = WithoutReload()
    monkeypatch.setattr(module, "connect", lambda: h)
    monkeypatch.setattr("os.path.exists", lambda path: True)
    module.main(["reload", "--exec", "--cancel", "--loader=/l", "heartbeat"], "flux-module")
    wanted = {"exec": True, "loader": "/l", "name": "heartbeat"}
    assert {**h.asked["module.reload"], **wanted, "cancel": True} == h.asked["module.reload"]
    assert h.asked["module.remove"] == {"name": "heartbeat", "cancel": True}
    assert h.asked["module.load"]["exec"] is True


@pytest.mark.parametrize(("text", "mask"), [("8", 8), ("010", 8), ("0x10", 16), ("0", 0), ("00", 0)])
def test_masks_are_read_as_in_c(text, mask):
    assert module._mask(text) == mask


@pytest.mark.parametrize("option", ["--set", "--setbit", "--clearbit"])
@pytest.mark.parametrize("mask", ["x", "-1", "08", "0x100000000"])
def test_masks_of_debug_flags(option, mask, capsys):
    with pytest.raises(SystemExit) as caught:
        module.main(["debug", f"{option}={mask}", "kvs"], "rosin-module")
    assert caught.value.code == 2
    assert f"invalid mask '{mask}': expected a number below 2^32, as in 0x10" in capsys.readouterr().err


@needs_instance
class TestBlobsToLoad:
    def test_none(self, rosin):
        code, out, err = rosin("content", "load", stdin="")
        assert (code, out) == (1, "")
        assert "no blobrefs were specified" in err

    def test_those_of_standard_input(self, rosin):
        refs = "".join(rosin("content", "store", stdin=text).out for text in ("a", "b"))
        assert rosin("content", "load", stdin=refs) == (0, "ab", "")


@pytest.mark.parametrize(
    ("main", "line", "missing"),
    [
        (module.main, ["load"], "MODULE"),
        (event.main, ["pub"], "TOPIC"),
        (kvs.main, ["eventlog", "append"], "KEY, NAME"),
    ],
)
def test_what_may_be_left_out_is_not_missing(main, line, missing, capsys):
    with pytest.raises(SystemExit) as caught:
        main(line, "rosin-test")
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith(f"the following arguments are required: {missing}\n")
