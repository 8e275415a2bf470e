# SPDX-License-Identifier: LGPL-3.0-or-later
"""Webhooks: registered, listed, tried, deleted."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Request
from pydantic import ValidationError
from starlette.responses import Response

from rosin import _json
from rosin.rest import jobview
from rosin.rest.auth.identity import ADMIN
from rosin.rest.auth.models import NewWebhook, Retried, WebhookInfo, WebhookList, WebhookSecret
from rosin.rest.context import PROBLEMS, answer
from rosin.rest.problem import Problem
from rosin.rest.routes.session import identity_of
from rosin.rest.webhooks import signature
from rosin.rest.webhooks.dispatcher import Webhooks
from rosin.rest.webhooks.hook import Delivery, Webhook, check_events, message
from rosin.rest.webhooks.target import parse_url
from rosin.rfc import fluid

router = APIRouter(prefix="/rosin/v1/webhooks", tags=["webhooks"], default_response_class=Response)

Ident = Annotated[str, Path(max_length=64, description="a webhook's id")]


def _all(request: Request) -> Webhooks:
    found = cast(Webhooks, request.app.state.webhooks)
    found.begin()
    return found


def _known(request: Request, ident: str) -> Webhook:
    """A webhook of who asks. Raises Problem 404."""
    hook, identity = _all(request).found.get(ident), identity_of(request)
    if hook is None or (hook.user != identity.name and not identity.allows(ADMIN)):
        raise Problem(404, f"there is no webhook with the id '{ident}'")
    return hook


def _dead(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.ident,
        "type": delivery.type,
        "time": delivery.time,
        "attempts": delivery.attempts,
        "error": delivery.error,
    }


def _info(hook: Webhook) -> dict[str, Any]:
    return {
        "id": hook.id,
        "user": hook.user,
        "url": hook.target.url,
        "events": sorted(hook.events),
        "job": None if hook.jobid is None else fluid.encode(hook.jobid, "f58"),
        "created": hook.created,
        "state": "stopped" if hook.stopped else "failing" if hook.failures else "active",
        "reason": hook.stopped or (hook.dead[-1].error if hook.failures else ""),
        "waiting": len(hook.queue),
        "delivered": hook.delivered,
        "lost": hook.lost,
        "dead": [_dead(delivery) for delivery in hook.dead],
    }


@router.get("", responses={200: {"model": WebhookList}, **PROBLEMS})
async def list_webhooks(request: Request) -> Response:
    """One's own webhooks; with the scope admin everybody's. Nobody sees their secrets."""
    identity = identity_of(request)
    found = _all(request).of(None if identity.allows(ADMIN) else identity.name)
    return answer({"webhooks": [_info(hook) for hook in found]})


@router.post(
    "",
    status_code=201,
    responses={201: {"model": WebhookSecret}, **PROBLEMS},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": NewWebhook.model_json_schema()}},
        }
    },
)
async def create_webhook(request: Request) -> Response:
    """Send events of jobs to a URL from now on, signed as Standard Webhooks are.

    The secret is told only here. An address that is not one of the internet is refused, unless the server was
    started with `--allow-webhook`.
    """
    given = await _given(request)
    secret = given.secret or signature.new_secret()
    try:
        target, key, events = parse_url(given.url), signature.key(secret), check_events(given.events)
        await _all(request).check(target)
    except ValueError as exc:
        raise Problem(422, str(exc)) from None
    except OSError as exc:
        raise Problem(422, f"url: {exc}") from None
    jobid = jobview.parse_id(given.job) if given.job else None
    hook = Webhook(identity_of(request).name, target, key, events, jobid)
    _all(request).add(hook)
    return answer({**_info(hook), "secret": secret}, 201, {"Location": f"{router.prefix}/{hook.id}"})


async def _given(request: Request) -> NewWebhook:
    """What was sent. Raises Problem 400 and 422."""
    try:
        return NewWebhook.model_validate(_json.loads(await request.body()))
    except ValidationError as exc:
        error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, error["loc"])) or "the request"
        raise Problem(422, f"{where}: {error['msg']}") from None
    except (ValueError, RecursionError) as exc:
        raise Problem(400, f"the request is not JSON: {exc}") from None


@router.get("/{ident}", responses={200: {"model": WebhookInfo}, **PROBLEMS})
async def webhook(request: Request, ident: Ident) -> Response:
    """A webhook, with what could not be delivered."""
    return answer(_info(_known(request, ident)))


@router.delete("/{ident}", status_code=204, responses={204: {"description": "deleted"}, **PROBLEMS})
async def delete_webhook(request: Request, ident: Ident) -> Response:
    """Send nothing any more, also not what waits."""
    _all(request).remove(_known(request, ident).id)
    return Response(None, 204)


@router.post("/{ident}/ping", status_code=202, responses={202: {"model": WebhookInfo}, **PROBLEMS})
async def ping_webhook(request: Request, ident: Ident) -> Response:
    """Send a message of the type `ping`, to try."""
    import time

    hook = _known(request, ident)
    hook.add(message("ping", time.time(), {"webhook": hook.id}))
    return answer(_info(hook), 202)


@router.post("/{ident}/retry", status_code=202, responses={202: {"model": Retried}, **PROBLEMS})
async def retry_webhook(request: Request, ident: Ident) -> Response:
    """Try once more what could not be delivered, and go on with what waits."""
    return answer({"messages": _known(request, ident).retry()}, 202)
