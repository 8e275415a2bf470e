# SPDX-License-Identifier: LGPL-3.0-or-later
"""Ask a server for a login link, with nothing but the standard library."""

from __future__ import annotations

import http.client
import json
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

_PATIENCE = 30.0
_LARGEST = 1 << 16


def ask(base: str, token: str) -> str:
    """A link of the server at *base*. Raises OSError that names it."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = Request(f"{base}/rosin/v1/login-links", b"", headers, method="POST")
    try:
        # No proxy: it would be another user's connection, and would see the link.
        with build_opener(ProxyHandler({})).open(request, timeout=_PATIENCE) as answer:
            path = json.loads(answer.read(_LARGEST))["path"]
    except HTTPError as exc:
        raise OSError(f"{base}: {_detail(exc)}") from None
    except URLError as exc:
        reason = exc.reason
        raise OSError(f"{base}: {getattr(reason, 'strerror', None) or reason}") from None
    except (http.client.HTTPException, ValueError, KeyError, TypeError) as exc:
        raise OSError(f"{base}: this is no server of rosin serve: {exc!r}") from None
    return base + str(path)


def _detail(exc: HTTPError) -> str:
    """What a refusal says."""
    with exc:
        try:
            return str(json.loads(exc.read(_LARGEST))["detail"])
        except (OSError, ValueError, KeyError, TypeError):
            return f"it answered {exc.code}: is it rosin serve?"
