# SPDX-License-Identifier: LGPL-3.0-or-later
"""Writing resources as R, version 1 (RFC 20), and in flux-core's short form.

Ranks with equal resources share an entry; entries come in the order of their lowest rank.
"""

from __future__ import annotations

from rosin.rfc.idset import Idset, encode_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    Node = tuple[int, int]  # core mask, GPU mask


def groups(nodes: dict[int, Node]) -> list[tuple[Node, list[int]]]:
    """Return the distinct resources with their ranks, by lowest rank."""
    found: dict[Node, list[int]] = {}
    for rank in sorted(nodes):
        node = nodes[rank]
        ranks = found.get(node)
        if ranks is None:
            found[node] = [rank]
        else:
            ranks.append(rank)
    return list(found.items())


def lite(nodes: dict[int, Node]) -> list[dict[str, object]]:
    """Return ``R_lite``."""
    return [
        {"rank": encode_ids(ranks), "children": _children(cores, gpus)}
        for (cores, gpus), ranks in groups(nodes)
    ]


def short(nodes: dict[int, Node]) -> str:
    """Return ``rank[0-1]/core[0-3],gpu0 rank2/core[0-1]``."""
    texts = []
    for (cores, gpus), ranks in groups(nodes):
        ids = encode_ids(ranks)
        text = f"rank{ids}" if ids.isdigit() else f"rank[{ids}]"
        parts = [
            f"{name}{Idset.from_mask(mask).encode(brackets=True)}"
            for name, mask in (("core", cores), ("gpu", gpus))
            if mask
        ]
        texts.append(f"{text}/{','.join(parts)}" if parts else text)
    return " ".join(texts)


def _children(cores: int, gpus: int) -> dict[str, str]:
    children = {}
    if cores or not gpus:
        children["core"] = Idset.from_mask(cores).encode()
    if gpus:
        children["gpu"] = Idset.from_mask(gpus).encode()
    return children
