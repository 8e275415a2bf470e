# SPDX-License-Identifier: LGPL-3.0-or-later
"""Where a broker listens that a process manager started: on its host's network, on a UNIX socket, or both."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from rosin.broker.overlay.bootstrap import interface
from rosin.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Bytes of a socket's path, which ZeroMQ does not lengthen.
_PATH = 107


def one_each(size: int) -> str:
    """``broker.mapping`` of an instance with one broker on each host (RFC 34)."""
    return f"[[0,{size},1,1]]"


def prefers_ipc(rank: int, other: int, attrs: Mapping[str, str]) -> bool:
    """Whether two brokers are on one host (``broker.mapping``) and may use that (``tbon.prefertcp``)."""
    return bool(_local(rank, [other], attrs)) and not _prefers_tcp(attrs)


def of_program(
    rank: int, children: Sequence[int], attrs: Mapping[str, str], environ: Mapping[str, str]
) -> list[str]:
    """Addresses for the brokers below: ``ipc`` for those on this host, ``tcp`` for others, which goes first.

    Raises OSError if there is no network to be found by, or the run directory is too deep for a socket.
    """
    if not children:
        return []
    local = [] if _prefers_tcp(attrs) else _local(rank, children, attrs)
    uris = []
    if len(local) < len(children):
        uris.append(_tcp(attrs, environ))
    if local:
        uris.append(_ipc(rank, attrs["rundir"]))
    return uris


def _prefers_tcp(attrs: Mapping[str, str]) -> bool:
    return attrs.get("tbon.prefertcp", "0") != "0"


def _local(rank: int, others: Sequence[int], attrs: Mapping[str, str]) -> list[int]:
    """Those that are on the host of *rank*."""
    from rosin.rfc.taskmap import TaskMap

    mapping = TaskMap.decode(attrs.get("broker.mapping") or "[]")
    node = mapping.nodeid(rank)
    return [] if node is None else [other for other in others if mapping.nodeid(other) == node]


def _tcp(attrs: Mapping[str, str], environ: Mapping[str, str]) -> str:
    from rosin.process import network

    name = attrs["hostname"]
    host = interface.HostNetwork(
        network.addresses, network.default_interface, name, lambda: network.resolve(network.hostname())
    )
    hint = attrs.get(interface.NAME) or interface.DEFAULT_ROUTE
    try:
        return interface.tcp_uri(interface.choose(hint, host, ipv6="FLUX_IPADDR_V6" in environ))
    except FormatError as exc:
        raise OSError(errno.EADDRNOTAVAIL, str(exc)) from None


def _ipc(rank: int, rundir: str) -> str:
    path = f"{rundir}/tbon-{rank}"
    if len(path.encode()) > _PATH:
        raise OSError(
            errno.ENAMETOOLONG,
            f"rundir {rundir} is too long for the path of a UNIX socket: name a shorter one, "
            "or use the network with -Stbon.prefertcp=1",
        )
    return f"ipc://{path}"
