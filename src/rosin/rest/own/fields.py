# SPDX-License-Identifier: LGPL-3.0-or-later
"""What is wrong with the members of a request, each by its path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError

from rosin.rest.problem import Problem

#: Faults that an answer names.
_MOST = 20
_KIND = re.compile(r"str|int|float|bool|none|constrained-.*|.*\[.*")


def field_problem(field: str, detail: str) -> Problem:
    """A member of the body has a wrong value."""
    text = f"{field}: {detail}" if field else detail
    return Problem(422, text, errors=[{"field": field, "detail": detail}])


def parsed(model: type[BaseModel], obj: Any, where: str = "") -> Any:
    """An object as *model*. Raises Problem 422 that names the members which are wrong."""
    try:
        return model.model_validate(obj)
    except ValidationError as exc:
        faults = exc.errors(include_url=False, include_context=False, include_input=False)
        raise invalid(faults, where) from None


def invalid(found: Iterable[Any], where: str = "", skip: int = 0) -> Problem:
    """What pydantic has found, as a problem; *skip* steps of each path are not the caller's."""
    errors = [
        {"field": ".".join([*filter(None, [where]), *_path(error["loc"][skip:])]), "detail": error["msg"]}
        for error in islice(found, _MOST)
    ]
    first = errors[0]
    text = f"{first['field']}: {first['detail']}" if first["field"] else first["detail"]
    return Problem(422, text, errors=errors)


def _path(steps: tuple[int | str, ...]) -> Iterator[str]:
    """A path without the kinds of values that pydantic has tried."""
    for number, step in enumerate(steps):
        if not number or isinstance(step, int) or not _KIND.fullmatch(step):
            yield str(step)
