# SPDX-License-Identifier: LGPL-3.0-or-later
"""KVS, content, ids, configuration, groups and logs in trees of brokers of both kinds.

A part is a script and what its lines have to be; all parts run in one instance, since a start takes longer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .test_mixed_trees import SIZE, tree  # noqa: F401

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]
RANKS = [str(rank) for rank in range(SIZE)]


def everywhere(command: str, each: str) -> str:
    """A command on every rank, one after the other; ``$r`` is the rank."""
    return f"for r in {' '.join(RANKS)}; do {command} exec -r $r {each} || echo failed; done\n"


def commits(command: str, _folder: Path) -> tuple[str, list[str]]:
    """What is committed on any rank is read on all; they have the same root."""
    script = everywhere(command, f"{command} kvs put a.k$r=$r b.$r=$r")
    script += everywhere(command, f"{command} kvs get a.k0 a.k1 a.k2 a.k3 a.k4")
    script += everywhere(command, f"{command} kvs put --sync c=$r") + f"version=$({command} kvs version)\n"
    script += everywhere(command, f"timeout 20 {command} kvs wait $version")
    script += f"root=$({command} kvs getroot --blobref)\n"
    script += everywhere(command, f"sh -c 'test '$root' = $({command} kvs getroot --blobref)'")
    return script, RANKS * SIZE


def namespaces(command: str, _folder: Path) -> tuple[str, list[str]]:
    """They come and go everywhere."""
    script = f"{command} exec -r 3 {command} kvs namespace create ns\n"
    script += everywhere(command, f"{command} kvs put --namespace=ns n.k$r=$r")
    script += everywhere(command, f"{command} kvs get --namespace=ns n.k0 n.k4")
    script += f"{command} exec -r 4 {command} kvs namespace remove ns\n"
    gone = f"{command} kvs get --namespace=ns n.k0 2>&1 | grep -c 'Operation not supported'"
    return script + everywhere(command, f'sh -c "{gone}"'), ["0", "4"] * SIZE + ["1"] * SIZE


def logs_that_grow(command: str, folder: Path) -> tuple[str, list[str]]:
    """They are followed on all ranks."""
    script = f"{command} kvs eventlog append log first\n"
    for rank in RANKS:
        follow = f"{command} exec -r {rank} {command} kvs eventlog get -w -c 4 log"
        script += f"{follow} >{folder}/log.{rank} &\n"
    for rank, name in (("0", "second"), ("4", "third"), ("1", "fourth")):
        script += f"{command} exec -r {rank} {command} kvs eventlog append log {name}\n"
    script += f"wait; cat {folder}/log.* | cut -d' ' -f2; {command} kvs unlink log\n"
    return script, ["first", "second", "third", "fourth"] * SIZE


def blobs(command: str, folder: Path) -> tuple[str, list[str]]:
    """They pass all caches, in both directions."""
    (folder / "blob").write_bytes(bytes(range(256)) * 4000)
    script = f"ref=$({command} content store <{folder}/blob)\n"
    script += everywhere(command, f"sh -c 'test '$ref' = $({command} content store <{folder}/blob)'")
    script += everywhere(command, f"sh -c '{command} content flush && {command} content dropcache'")
    check = f"{command} content load $ref | cmp - {folder}/blob && echo same"
    return script + everywhere(command, f'sh -c "{check}"'), ["same"] * SIZE


def job_ids(command: str, folder: Path) -> tuple[str, list[str]]:
    """Each rank gives ids of its own."""
    script = everywhere(command, f"sh -c '{command} submit true | {command} job id --to=dec' >{folder}/id.$r")
    return (
        script + f"for r in {' '.join(RANKS)}; do echo $(($(cat {folder}/id.$r) >> 10 & 16383)); done\n",
        RANKS,
    )


def configuration(command: str, _folder: Path) -> tuple[str, list[str]]:
    """That of rank 0 reaches all, which cannot change theirs."""
    script = f"echo 'kvs.checkpoint-period = \"12s\"' | {command} config load\n"
    get = f"{command} config get kvs.checkpoint-period 2>/dev/null"
    script += everywhere(command, f"sh -c 'until {get} | grep -o 12s; do sleep 0.1; done'")
    reload = f"{command} exec -r 1,4 {command} config reload 2>&1"
    return script + f"{reload} | grep -c 'only be changed on rank 0'\n", ["12s"] * SIZE + ["2"]


def groups(command: str, _folder: Path) -> tuple[str, list[str]]:
    """Each rank knows those below it."""
    online = f"{command} module stats groups | grep -o 'online.*' | grep -o '[0-9][-,0-9]*'"
    return everywhere(command, f'sh -c "{online}"'), ["0-4", "1,3-4", "2", "3", "4"]


def lines_of_the_log(command: str, _folder: Path) -> tuple[str, list[str]]:
    """They are kept where they are from."""
    script = everywhere(command, f"{command} logger by $r")
    script += everywhere(command, f"sh -c \"{command} dmesg | grep -o 'logger.notice.*by .' | tail -1\"")
    return script, [f"logger.notice[{rank}]: by {rank}" for rank in RANKS]


PARTS = (commits, namespaces, logs_that_grow, blobs, job_ids, configuration, groups, lines_of_the_log)


@pytest.mark.parametrize("command", ["$ROSIN", "$FLUX"])
def test_data_and_ranks(tree: Any, tmp_path: Path, command: str) -> None:  # noqa: F811
    parts = {part.__name__: part(command, tmp_path) for part in PARTS}
    script = "".join(f"echo '## {name}'\n{script}" for name, (script, _) in parts.items())
    found: dict[str, list[str]] = {}
    for line in tree(script):
        if line.startswith("## "):
            lines = found[line[3:]] = []
        else:
            lines.append(line)
    assert found == {name: expected for name, (_, expected) in parts.items()}
