# SPDX-License-Identifier: LGPL-3.0-or-later
"""A Python client of ``rosin serve``: :class:`Client` blocks, :class:`AsyncClient` is awaited.

>>> from rosin.client import Client
>>> with Client("http://127.0.0.1:5000") as client:
...     job = client.submit(command=["hostname"], ntasks=2)
...     client.wait(job["id"])["result"]
'COMPLETED'

It needs nothing but the standard library (and h11 for the asynchronous one), and knows no instance: all goes
through the REST API (``/rosin/v1``).
"""

from __future__ import annotations

from rosin._lazy import on_first_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rosin.client.aio import AsyncClient as AsyncClient
    from rosin.client.blocking import Client as Client
    from rosin.client.errors import ApiError as ApiError

__all__ = ["ApiError", "AsyncClient", "Client"]

_WHERE = {"ApiError": "errors", "AsyncClient": "aio", "Client": "blocking"}

__getattr__, __dir__ = on_first_use(__name__, _WHERE)
