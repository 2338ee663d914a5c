"""The OpenAPI document says what the API does: each operation is described, and no answer comes that is not in it."""

import itertools
import os
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation.modes import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from coordinator.api.document import example_of
from coordinator.api.problems import KINDS
from coordinator.settings import Settings
from coordinator.web.app import create_app
from coordinator.web.house import House
from persistence.verify import verify
from scheduler.census import census
from tests.api.calls import VALUES
from tests.api.conftest import FIRST, NOW, token, version

# Of each operation in each way; PATHWAY_FUZZ=200 looks longer.
EXAMPLES = int(os.environ.get("PATHWAY_FUZZ", "4"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
WAYS = {
    "as described": (GenerationMode.POSITIVE, False),
    "at what is there": (GenerationMode.POSITIVE, True),
    "otherwise": (GenerationMode.NEGATIVE, False),
}


@pytest.fixture
def document(nobody) -> dict[str, Any]:
    """Anybody may read it: it names no patient."""
    answer = nobody.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json()


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    found = [(f"{method} {path}", op) for path, item in document["paths"].items() for method, op in item.items()]
    assert len(found) > 30
    return found


def test_it_is_of_version_3_1_and_fetches_nothing(document):
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/api/v1"}]
    assert "http://" not in str(document)
    assert {part for part in str(document).split("'") if part.startswith("https://")} == {
        "https://interface.example.org/pathway"
    }


def test_every_operation_is_described_with_an_example_of_every_answer(document):
    offenders = []
    for name, op in operations(document):
        if not op.get("description"):
            offenders.append(f"{name}: no description")
        for status, answer in op["responses"].items():
            for media in answer.get("content", {}).values():
                if "example" not in media and not media.get("examples"):
                    offenders.append(f"{name} {status}: no example")
        body = op.get("requestBody")
        if body and "example" not in body["content"]["application/json"]:
            offenders.append(f"{name}: no example of its body")
    assert not offenders, "\n".join(offenders)


def test_every_problem_is_in_it_with_what_to_do_about_it(document):
    named = {
        code
        for _name, op in operations(document)
        for answer in op["responses"].values()
        for code in answer.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    assert named == set(KINDS)
    for name, op in operations(document):
        codes = {status for status in op["responses"] if not status.startswith("2")}
        assert {"405", "422", "500"} <= codes, name
        if name != "get /problems":
            assert {"401", "403", "429"} <= codes, name
        if "If-Match" in {p["name"] for p in op.get("parameters", ())}:
            assert {"409", "412", "413", "415", "428"} <= codes, name


def test_every_list_of_things_that_grow_is_read_page_by_page(document):
    """A list without a cursor is one whose length the guideline, or one patient, bounds."""
    whole = {"get /episodes/{episode}/choices", "get /episodes/{episode}/preview", "get /webhooks", "get /problems"}
    found = {
        name
        for name, op in operations(document)
        if op["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {}).get("type")
        == "array"
    }
    assert found == whole


def test_an_example_is_made_of_those_of_the_fields():
    schemas = {"Inner": {"properties": {"a": {"type": "integer", "examples": [7]}}, "required": ["a"]}}
    schema = {"properties": {"list": {"type": "array", "items": {"$ref": "#/components/schemas/Inner"}}}}
    assert example_of(schema, schemas) == {"list": [{"a": 7}]}


# ---------------------------------------------------------------- the running application


@pytest.fixture
def app(store, clock) -> FastAPI:
    return create_app(House(store, Settings(api_per_minute=1_000_000), clock))


@pytest.mark.parametrize("way", WAYS)
def test_no_call_breaks_it_or_gets_an_answer_that_is_not_described(app, store, way):
    mode, aimed = WAYS[way]
    described = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    shown, keys, statuses = {"Authorization": f"Bearer {token(store, 'lead')}"}, itertools.count(), set()

    def call(case: schemathesis.Case) -> None:
        if aimed:
            known = {name: VALUES[name] for name in case.path_parameters}
            case.path_parameters.update(known)
            if case.method == "POST":
                case.headers.update({"Idempotency-Key": f"k-{next(keys)}", "If-Match": f'"{version(store, FIRST)}"'})
        answer = case.call(headers=shown)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    for found in described.get_all_operations():
        _try(call, found.ok().as_strategy(generation_mode=mode))
    assert {"as described": 200, "at what is there": 201, "otherwise": 422}[way] in statuses
    assert census(store, NOW).adds_up
    assert not verify(store).problems


def _try(call, cases) -> None:
    quiet = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )

    @quiet
    @given(case=cases)
    def each(case: schemathesis.Case) -> None:
        call(case)

    try:
        each()
    except Unsatisfiable:
        # There is no wrong way to call what takes nothing.
        return
