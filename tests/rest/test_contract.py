# SPDX-License-Identifier: LGPL-3.0-or-later
"""The OpenAPI description: complete, and kept by the server for whatever schemathesis thinks of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from rosin.rest.app import create_app
from rosin.testing.process import RealInstance

# Jobs are submitted but never run: what a fuzzer thinks of as a command is not for running.
_EXAMPLES = 12


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with RealInstance() as instance:
        assert instance.run("queue", "stop").returncode == 0
        command = [sys.executable, "-m", "rosin", "serve", "--port", "0"]
        env = {**os.environ, "FLUX_URI": instance.uri}
        server = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
        assert server.stderr is not None
        try:
            yield server.stderr.readline().split()[-1].rstrip("/")
        finally:
            server.send_signal(signal.SIGTERM)
            _, log = server.communicate(timeout=30)
            assert "Traceback" not in log, log


description = schemathesis.openapi.from_dict(create_app().openapi())
# Nor are queues started, nor files written.
fuzzed = description.exclude(
    path_regex="service/stop|/events$|output/stream|^/v1/jobs/.jobid./output$|/queues/|/files/"
)


@fuzzed.parametrize()
@settings(max_examples=_EXAMPLES, derandomize=True, suppress_health_check=list(HealthCheck))
@pytest.mark.system
def test_answers_are_as_described(case, url):
    response = case.call(base_url=url)
    assert response.status_code < 500, response.text
    case.validate_response(response, checks=[content_type_conformance, response_schema_conformance])


def test_every_answer_has_a_model():
    document = create_app().openapi()
    names = set()
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            code = min(about["responses"])
            good = about["responses"][code]
            described = good.get("content") or code == "202" or path.endswith("/jobspec") or code == "204"
            assert described, f"{method} {path} describes no answer"
            assert about["description"], f"{method} {path} says nothing"
            assert about["operationId"] not in names
            names.add(about["operationId"])


def test_who_may_and_where_is_described():
    document = create_app().openapi()
    assert document["openapi"].startswith("3.1")
    assert document["servers"][0]["url"] == "/"
    assert set(document["components"]["securitySchemes"]) == {"basic", "bearer", "session"}
    assert len(document["security"]) == 3
    assert document["paths"]["/health"]["get"]["security"] == []
    assert "security" not in document["paths"]["/rosin/v1/jobs"]["get"]


def references(obj):
    if isinstance(obj, dict):
        if isinstance(obj.get("$ref"), str):
            yield obj["$ref"]
        for value in obj.values():
            yield from references(value)
    elif isinstance(obj, list):
        for value in obj:
            yield from references(value)


def test_what_is_referred_to_is_there():
    document = create_app().openapi()
    found = {name for name in references(document) if name.startswith("#/components/schemas/")}
    assert found
    assert {name.rpartition("/")[2] for name in found} <= document["components"]["schemas"].keys()
