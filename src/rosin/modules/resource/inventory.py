# SPDX-License-Identifier: LGPL-3.0-or-later
"""Deciding what the instance's resources are (RFC 44: the method of ``resource-define``)."""

from __future__ import annotations

import os
from contextlib import suppress
from errno import EINVAL, ENOENT
from typing import TYPE_CHECKING, Any

from rosin.errors import FormatError
from rosin.resource.definition import load_directory, load_file
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.rset import ResourceSet
from rosin.rfc.scheduling import of_instance

if TYPE_CHECKING:
    from rosin.resource.verify import Verification


class Choice:
    """The resources, how they were found, and what is wrong with this machine's part of them.

    Attributes:
        rset: the resources.
        method: ``configuration``, ``job-info``, ``kvs`` or ``dynamic-discovery``.
        fault: why this rank must be drained, or None.
    """

    __slots__ = ("fault", "method", "rset")

    def __init__(self, rset: ResourceSet, method: str, fault: str | None = None) -> None:
        self.rset = rset
        self.method = method
        self.fault = fault


def configured(rset: ResourceSet | None, config: dict[str, Any], hostlist: str) -> ResourceSet | None:
    """Return configured resources by rank; with ``[bootstrap]`` a host's rank is its place in the hostlist.

    Raises OSError EINVAL when the two name different hosts.
    """
    if rset is None or "bootstrap" not in config:
        return rset
    try:
        return rset.rerank(hostlist)
    except FormatError as error:
        raise OSError(EINVAL, f"error reranking R: {error}") from None


def mapped(job: ResourceSet, size: int, hostlist: str) -> ResourceSet | None:
    """Return the enclosing job's resources by the ranks of an instance of *size* brokers, a node each.

    None when they have not as many nodes; the brokers then look for themselves."""
    hosts = list(Hostlist(hostlist))
    if job.nnodes != size:
        return None
    if len(set(hosts)) == len(hosts):
        with suppress(FormatError):  # R may be made up
            job = job.rerank(hosts)
    rset = job.remap()
    rset.drop_local_properties()
    return rset


def inherited(job: ResourceSet, local: ResourceSet, rank: int) -> ResourceSet | None:
    """Return the part of the enclosing job's resources that the broker on *rank* has; None if that is none.

    A broker that is bound to its cores sees these and no others, and numbers them from 0; one that is not
    bound keeps the numbers, so that its jobs stay on the cores of the enclosing job."""
    host = local.host(rank) or ""
    ranks = list(job.ranks()) if job.nnodes == 1 else job.host_ranks(host, ignore_nomatch=True)
    if not ranks:
        return None
    part = job.copy_ranks(Idset(ranks[:1]))
    part.drop_local_properties()
    cores, gpus = part.core_mask(ranks[0]), part.gpu_mask(ranks[0])
    if cores.bit_count() == local.core_mask(rank).bit_count():
        cores = local.core_mask(rank)
    rset = ResourceSet()
    rset.add_rank(rank, host, cores, gpus)
    for name in part.get_properties():
        rset.set_property(name)
    rset.starttime, rset.expiration = part.starttime, part.expiration
    rset.scheduling = of_instance(part.scheduling, part)
    return rset


def placed(stored: ResourceSet, hostlist: str) -> ResourceSet | None:
    """Return the resources of an earlier run by the ranks that their hosts have now.

    None when the instance is on other hosts now."""
    hosts, known = list(Hostlist(hostlist)), list(stored.nodelist())
    if hosts == known:
        return stored
    return stored.rerank(hosts) if sorted(hosts) == sorted(known) else None


def choose(
    *,
    configured: ResourceSet | None,
    enclosing: ResourceSet | None = None,
    stored: ResourceSet | None,
    recorded: list[dict[str, Any]],
    local: ResourceSet,
    rank: int,
    hostlist: str | None = None,
    rediscover: bool = False,
    verify: Verification | None,
) -> Choice:
    """Choose among configured, inherited, stored (from an earlier run) and discovered resources.

    ``enclosing`` are those of the job that this instance is. ``recorded`` are the events of earlier runs.
    ``hostlist`` are the hosts by rank, None of a broker that is alone. With ``rediscover`` the machine counts
    and not what the enclosing job gave of it. ``verify`` is None when machines are not to be compared.
    Stored resources that had been discovered are discovered again when this is another machine, or when
    these are other hosts: drained nodes would help nobody.
    """

    def fault(rset: ResourceSet) -> str | None:
        return verify.check(rset, local, rank) if verify else None

    if configured is not None:
        return Choice(configured, "configuration", fault(configured))
    if enclosing is not None and rediscover:
        return Choice(local, "dynamic-discovery")
    if enclosing is not None:
        checked = verify is not None and verify.concerns("job-info")
        return Choice(enclosing, "job-info", fault(enclosing) if checked else None)
    if stored is None:
        return Choice(local, "dynamic-discovery")
    here = stored if hostlist is None else placed(stored, hostlist)
    other = here is None if hostlist is not None else bool(fault(stored))
    if other and verify and _was_discovered(recorded):
        return Choice(local, "dynamic-discovery")
    here = here or stored
    return Choice(here, "kvs", fault(here))


def _was_discovered(recorded: list[dict[str, Any]]) -> bool:
    methods = [
        (event.get("context") or {}).get("method") for event in recorded if event["name"] == "resource-define"
    ]
    origins = [method for method in methods if method != "kvs"]
    return bool(origins) and origins[-1] == "dynamic-discovery"


def load(path: str, *, xml: bool) -> ResourceSet:
    """Read resources for ``resource.reload``: a file of R, or with ``xml`` a directory of ``<rank>.xml``.

    Raises OSError ENOENT or EINVAL naming the file.
    """
    if not os.path.exists(path):
        raise OSError(ENOENT, f"unable to open {path}: No such file or directory")
    try:
        return load_directory(path) if xml else load_file(path)
    except FormatError as error:
        raise OSError(EINVAL, str(error)) from None
