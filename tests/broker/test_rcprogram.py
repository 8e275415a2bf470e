# SPDX-License-Identifier: LGPL-3.0-or-later
"""rc1 and rc3 as commands: their output, their end, and what they have in common with other programs."""

import asyncio
import os
import signal

import pytest

from rosin.broker import rcprogram
from rosin.broker.rcprogram import RcProgram, is_builtin
from rosin.rfc.syslog import LogLine
from rosin.testing import Instance


class Zygote:
    """Notes which programs it is to look after."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []

    def guard(self, pid: int) -> None:
        self.calls.append(("guard", os.path.exists(f"/proc/{pid}")))

    def unguard(self, pid: int) -> None:
        self.calls.append(("unguard", os.path.exists(f"/proc/{pid}")))


def told(inst):
    entries = [LogLine(line) for line in inst.broker.ring.lines]
    return [(entry.severity, entry.text) for entry in entries if entry.appname == "broker"]


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("name", ["rc1", "rc3"])
def test_what_the_broker_does_by_itself(name):
    other = "rc3" if name == "rc1" else "rc1"
    assert is_builtin(f"flux modprobe {name}", name)
    assert is_builtin(f"rosin modprobe {name}", name)
    assert not any(is_builtin(command, name) for command in ("", f"flux modprobe {other}", name))


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("modprobe.d/x.toml", ["rc1", "rc3"]),
        ("rc1.d/x.py", ["rc1"]),
        ("rc3.d/x.py", ["rc3"]),
        ("modprobe.d/x.toml.rpmsave", []),
        ("rc1.d/README", []),
        ("x.toml", []),
    ],
)
def test_what_a_site_has_is_for_the_command_to_read(file, names, tmp_path, monkeypatch):
    monkeypatch.setattr(rcprogram, "SITE", str(tmp_path))
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    assert [name for name in ("rc1", "rc3") if not is_builtin(f"flux modprobe {name}", name)] == names


async def test_output_and_end():
    async with Instance() as inst:
        before = descriptors()
        program = RcProgram(inst.broker, "rc1", 'echo "uri $FLUX_URI"; echo bad >&2; read x || echo end')
        running = asyncio.ensure_future(program.run())
        await asyncio.sleep(0)
        assert [(label, own.argv[0]) for label, own in inst.broker.programs.items()] == [("rc1", "/bin/sh")]
        assert await running == 0
        assert not inst.broker.programs
        *lines, last = told(inst)
        uri = inst.broker.attrs.value("local-uri")
        assert sorted(lines) == [(3, "rc1.0: bad"), (6, "rc1.0: end"), (6, f"rc1.0: uri {uri}")]
        assert last[0] == 6
        assert last[1].startswith('rc1.0: echo "uri')
        assert "Exited (rc=0) 0." in last[1]
        assert descriptors() == before


async def test_much_output_is_read_as_it_comes():
    async with Instance() as inst:
        command = "yes 0123456789 | head -c 200000"  # more than a pipe holds
        assert await RcProgram(inst.broker, "rc1", command).run() == 0
        (last,) = told(inst)[-1:]
        assert last[1].startswith(f"rc1.0: {command} Exited (rc=0)")


@pytest.mark.parametrize(("command", "code", "how"), [("exit 3", 3, "Exited"), ("kill -9 $$", 137, "Killed")])
async def test_a_failure(command, code, how):
    async with Instance() as inst:
        assert await RcProgram(inst.broker, "rc3", command).run() == code
        ((severity, text),) = told(inst)
        assert severity == 3
        assert text.startswith(f"rc3.0: {command} {how} (rc={code}) ")


async def test_a_shell_that_cannot_be_started(monkeypatch):
    def fail(*_args, **_options):
        raise FileNotFoundError(2, "No such file or directory")

    async with Instance() as inst:
        monkeypatch.setattr(rcprogram, "spawn", fail)
        before = descriptors()
        assert await RcProgram(inst.broker, "rc1", "true").run() == 1
        assert told(inst) == [(3, "rc1.0: true: No such file or directory")]
        assert descriptors() == before


async def test_who_keeps_the_pipe_is_not_waited_for(tmp_path):
    """A daemon that it leaves behind has its standard output still open."""
    os.mkfifo(tmp_path / "end")
    async with Instance() as inst:
        command = f"(read x <{tmp_path}/end) & echo started"
        assert await RcProgram(inst.broker, "rc1", command).run() == 0
        assert (6, "rc1.0: started") in told(inst)
        await asyncio.to_thread((tmp_path / "end").write_text, "\n")


async def test_output_that_ends_early_costs_nothing(tmp_path):
    """The end of a pipe is readable for ever: it must not keep the loop busy."""
    os.mkfifo(tmp_path / "go")
    async with Instance() as inst:
        program = RcProgram(inst.broker, "rc1", f"exec >&- 2>&-; read x <{tmp_path}/go")
        run = asyncio.create_task(program.run())
        writer = await asyncio.to_thread(os.open, tmp_path / "go", os.O_WRONLY)
        await inst.settle()
        assert not any("Pump" in repr(key) for key in _readers())
        os.write(writer, b"\n")
        os.close(writer)
        assert await run == 0


def _readers() -> list[object]:
    loop = asyncio.get_running_loop()
    selector = loop._selector  # type: ignore[attr-defined]
    return [argument for key in selector.get_map().values() for argument in key.data[0]._args or ()]


async def test_it_is_guarded_as_long_as_it_has_its_id():
    zygote = Zygote()
    async with Instance(zygote=zygote) as inst:
        assert await RcProgram(inst.broker, "rc1", "true").run() == 0
    assert zygote.calls == [("guard", True), ("unguard", True)]


@pytest.mark.parametrize("stopped", [False, True])
async def test_hanging_up(tmp_path, stopped):
    os.mkfifo(tmp_path / "up")
    stop = "kill -STOP $$; " if stopped else ""
    command = f'trap "exit 9" TERM; echo up >{tmp_path}/up; {stop}while :; do sleep 0.01; done'
    async with Instance() as inst:
        program = RcProgram(inst.broker, "rc1", command)
        program.hang_up()  # there is nothing yet
        run = asyncio.create_task(program.run())
        assert await asyncio.to_thread((tmp_path / "up").read_text) == "up\n"
        if stopped:
            await asyncio.to_thread(os.waitid, os.P_PID, program._child.pid, os.WSTOPPED | os.WNOWAIT)
        program.hang_up()
        assert await run == 9
        program.hang_up()  # it is over


async def test_its_process_group_ends_with_it(tmp_path):
    os.mkfifo(tmp_path / "up")
    command = f"sh -c 'echo up >{tmp_path}/up; while :; do sleep 0.01; done'; exit 4"
    async with Instance() as inst:
        program = RcProgram(inst.broker, "rc1", command)
        run = asyncio.create_task(program.run())
        assert await asyncio.to_thread((tmp_path / "up").read_text) == "up\n"
        program.hang_up()
        assert await run == 128 + signal.SIGTERM
