# SPDX-License-Identifier: LGPL-3.0-or-later
"""Nodes and resources as the scheduler sees them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from rosin.resource.list import SchedResourceList
from rosin.resource.rset import ResourceSet
from rosin.rest.context import PROBLEMS, Here, answer
from rosin.rest.instance import InstanceLink
from rosin.rest.models import Nodes, Resources

router = APIRouter(tags=["nodes"], default_response_class=Response)


async def scheduler_view(instance: InstanceLink) -> SchedResourceList:
    """All, down and allocated resources. Raises Problem."""
    return SchedResourceList(await instance.resources())


@router.get("/nodes", responses={200: {"model": Nodes}, **PROBLEMS})
async def nodes(instance: Here) -> Response:
    """Names of the hosts that are up."""
    return answer({"nodes": up_hosts(await scheduler_view(instance))})


def up_hosts(view: SchedResourceList) -> list[str]:
    """Names of the hosts that are up, each once."""
    return list(dict.fromkeys(str(host) for host in view.up.nodelist))


def _amount(rset: ResourceSet) -> dict[str, int]:
    return {"nodes": rset.nnodes, "cores": rset.ncores, "gpus": rset.ngpus}


def _per_rank(rset: ResourceSet) -> dict[int, tuple[int, int]]:
    """Numbers of cores and GPUs of every rank."""
    return {rank: (cores.bit_count(), gpus.bit_count()) for rank, (cores, gpus) in rset.impl.items()}


@router.get("/resources", responses={200: {"model": Resources}, **PROBLEMS})
async def resources(instance: Here) -> Response:
    """Nodes, cores and GPUs: all, up, allocated, free, and each node."""
    view = await scheduler_view(instance)
    used, down = _per_rank(view.allocated), set(view.down.ranks)
    rows: list[dict[str, Any]] = []
    for rank, (cores, gpus) in _per_rank(view.all).items():
        busy, gpus_busy = used.get(rank, (0, 0))
        rows.append(
            {
                "rank": rank,
                "host": view.all.impl.host(rank),
                "state": "down" if rank in down else _state(busy, cores),
                "cores": cores,
                "cores_used": busy,
                "gpus": gpus,
                "gpus_used": gpus_busy,
            }
        )
    parts = {name: _amount(view[name]) for name in ("all", "up", "allocated", "free", "down")}
    return answer({**parts, "nodes": rows})


def _state(used: int, cores: int) -> str:
    return "free" if not used else "full" if used >= cores else "busy"
