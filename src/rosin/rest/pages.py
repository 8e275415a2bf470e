# SPDX-License-Identifier: LGPL-3.0-or-later
"""The HTML pages, and the forms that they send."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import ValidationError
from starlette.responses import HTMLResponse, Response

from rosin import __version__, _base64
from rosin.rest.auth.csrf import FIELD
from rosin.rest.models import Submission
from rosin.rest.problem import Problem

_FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_NUMBERS = ("num_tasks", "cores_per_task", "gpus_per_task", "num_nodes", "urgency")
_FLAGS = ("exclusive", "shell")

_templates = Environment(
    loader=PackageLoader("rosin.rest"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_templates.globals["version"] = __version__


def render(request: Request, name: str, status: int = 200, **context: Any) -> Response:
    """A page. Templates know the user as ``user`` (None without credentials), and as ``csrf`` what scripts
    send as X-CSRF-Token and forms in the field ``csrf`` (empty without a session)."""
    settings = request.app.state.settings
    session = request.scope.get("rosin.session")
    text = _templates.get_template(name).render(
        user=request.scope.get("rosin.user"),
        csrf="" if session is None else session.csrf,
        protected=settings.protected,
        path=request.url.path,
        **context,
    )
    return HTMLResponse(text, status)


#: The pages in the order of the menu: path, name and icon, title, and whether a phone's bar leaves it out.
_LINKS = tuple(
    {"path": path, "name": name, "icon": icon, "title": title, "extra": extra}
    for path, name, icon, title, extra in (
        ("/", "overview", "overview", "Overview", False),
        ("/jobs", "jobs", "jobs", "Jobs", False),
        ("/jobs/submit", "submit", "plus", "New job", False),
        ("/resources", "resources", "resources", "Resources", False),
        ("/queues", "queues", "queues", "Queues", False),
        ("/events", "events", "events", "Events", True),
        ("/tokens", "tokens", "tokens", "Tokens", True),
        ("/webhooks", "webhooks", "webhooks", "Webhooks", True),
        ("/about", "about", "about", "About", False),
    )
)


def shell(
    request: Request, title: str, name: str = "shell.html", status: int = 200, **context: Any
) -> Response:
    """The page that every view is shown in, or one with a content of its own."""
    context.update(title=f"{title} · Rosin", links=_LINKS, modules=_modules())
    page = render(request, name, status, **context)
    page.headers["Vary"] = "Accept"
    return page


@cache
def _modules() -> list[str]:
    """The scripts that every view needs, to be fetched at once and not one after the other."""
    return [path for path in scripts() if path.partition("/")[0] in ("net", "model", "view")] + ["router.js"]


def scripts() -> list[str]:
    """Paths of all scripts below ``static/js``."""
    base = files("rosin.rest") / "static" / "js"
    return sorted(
        entry.name if folder is base else f"{folder.name}/{entry.name}"
        for folder in (base, *(one for one in base.iterdir() if one.is_dir()))
        for entry in folder.iterdir()
        if entry.is_file() and entry.name.endswith(".js")
    )


def asset(name: str) -> str:
    """The text of a static file, to be put into a page."""
    return files("rosin.rest").joinpath("static", name).read_text()


_templates.globals["asset"] = asset


def welcome_policy() -> str:
    """What the open front page may load: nothing, it brings its style along."""
    digest = _base64.encode(sha256(asset("welcome.css").encode()).digest())
    style = f"style-src 'sha256-{digest}'"
    rest = "img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    return f"default-src 'none'; {style}; {rest}"


async def is_form(request: Request) -> bool:
    """Whether the body is a form. curl -d calls everything a form: JSON is told by its first character."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in _FORM_TYPES and not (await request.body()).lstrip().startswith(b"{")


async def form_fields(request: Request) -> dict[str, Any]:
    """The fields of the submit form that have a value. Raises Problem."""
    form = await request.form(max_files=0, max_fields=100)
    fields: dict[str, Any] = {
        name: value
        for name, value in form.items()
        if isinstance(value, str) and value.strip() and name != FIELD
    }
    for name in _NUMBERS:
        if name in fields:
            try:
                fields[name] = int(fields[name])
            except ValueError:
                raise Problem(422, f"{name}: expected a whole number, got '{fields[name][:40]}'") from None
    for name in _FLAGS:
        if name in fields:
            fields[name] = fields[name] in ("on", "true", "1")
    if "environment" in fields:
        fields["environment"] = _environment(fields["environment"])
    return fields


def _environment(text: str) -> dict[str, str]:
    """Lines of NAME=VALUE. Raises Problem."""
    found = {}
    for line in text.splitlines():
        if line.strip():
            name, equals, value = line.strip().partition("=")
            if not equals or not name:
                raise Problem(422, f"environment: expected NAME=VALUE, got '{line.strip()[:40]}'")
            found[name] = value
    return found


def validated(fields: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a submission. Raises Problem 422 that names the field."""
    try:
        return Submission.model_validate(fields).model_dump()
    except ValidationError as exc:
        errors = [
            {"field": ".".join(str(step) for step in error["loc"]), "problem": error["msg"]}
            for error in exc.errors(include_url=False, include_context=False, include_input=False)
        ]
        raise Problem(422, f"{errors[0]['field']}: {errors[0]['problem']}", errors=errors) from None
