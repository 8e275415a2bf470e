# SPDX-License-Identifier: LGPL-3.0-or-later
"""The OpenAPI description: what FastAPI makes of the routes, and what it knows nothing of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rosin.rest.models import ProblemModel

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from fastapi import FastAPI

_SCHEMES: dict[str, Any] = {
    "basic": {"type": "http", "scheme": "basic", "description": "the owner's name and token, or a user's"},
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "the owner's token, one of `rosin token create`, or an access token of `/v1/token`",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "rosin-session",
        "description": "of a browser that has signed in; what changes something needs its CSRF token, too",
    },
}


def describe(app: FastAPI, cookie: str, open_paths: Collection[str]) -> None:
    """Add servers, security schemes and the schema of errors to the description of an application.

    *cookie*: the name of the session's cookie; *open_paths* need no credentials.
    """
    made: Callable[[], dict[str, Any]] = app.openapi

    def whole() -> dict[str, Any]:
        document = made()
        if "servers" not in document:
            schemes = {**_SCHEMES, "session": {**_SCHEMES["session"], "name": cookie}}
            parts = document.setdefault("components", {})
            parts["securitySchemes"] = schemes
            parts.setdefault("schemas", {}).setdefault("ProblemModel", ProblemModel.model_json_schema())
            document["servers"] = [{"url": "/", "description": "this server"}]
            document["security"] = [{name: []} for name in schemes]
            for path, methods in document["paths"].items():
                if path in open_paths:
                    for about in methods.values():
                        about["security"] = []
        return document

    app.openapi = whole  # type: ignore[method-assign]
