"""The OpenAPI document: FastAPI's own, with the problems of every operation and an example of every answer."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from coordinator.api.door import doors_of
from coordinator.api.problems import KINDS, MEDIA_TYPE, WHERE, ProblemBody
from coordinator.api.routes import ROUTERS

ALWAYS = ("no-such-method", "malformed", "broken", "away")
BEHIND_A_DOOR = ("no-token", "not-allowed", "too-many")
ON_WRITES = ("refused", "exists", "outrun", "too-large", "not-json", "bad-value", "key-used", "perhaps-saved")
ON_A_VERSION = ("overtaken", "condition-missing")
ABOUT = """
The same engine, store and permissions as the screens, for programs.

Every call shows a token (`Authorization: Bearer …`). A token acts for a colleague: it may what their role may and what
its scopes name (`read`, `record`, `webhooks`), until its end. Cookies open nothing here.

Every write carries an `Idempotency-Key`; a write on an episode also `If-Match` with the ETag that was read. What goes
wrong is `application/problem+json`: what was wrong, what was expected, what was not saved. Lists are read page by page
with `cursor`. Dates are local to the site, instants carry an offset. What is null is not known.
""".strip()


def document(app: FastAPI, place: str) -> dict[str, Any]:
    """The whole document. `place`: where the application is mounted."""
    found = get_openapi(
        title=app.title,
        version="1",
        openapi_version="3.1.0",
        description=ABOUT,
        routes=app.routes,
        servers=[{"url": place}],
    )
    schemas = found["components"]["schemas"]
    schemas["ProblemBody"] = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schemas["ProblemBody"].pop("$defs"))
    for method, path, route in operations():
        operation = found["paths"][path][method.lower()]
        operation["responses"].update(_problems(route, method, path))
        _exemplify(operation, schemas)
    return found


def operations() -> Iterator[tuple[str, str, APIRoute]]:
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)
            for method in sorted(route.methods or ()):
                yield method, route.path, route


def _problems(route: APIRoute, method: str, path: str) -> dict[str, Any]:
    codes = list(ALWAYS)
    codes += BEHIND_A_DOOR if any(doors_of(route.dependant)) else ()
    codes += ("not-found",) if "{" in path or "profile" in _parameters(route) else ()
    codes += ON_WRITES if method == "POST" else ()
    codes += ON_A_VERSION if "If-Match" in _parameters(route) else ()
    answers: dict[str, Any] = {}
    for code in codes:
        kind = KINDS[code]
        answer = answers.setdefault(str(kind.status), {"description": kind.title, "content": {MEDIA_TYPE: {}}})
        media = answer["content"][MEDIA_TYPE]
        media["schema"] = {"$ref": "#/components/schemas/ProblemBody"}
        media.setdefault("examples", {})[code] = {"summary": kind.remedy, "value": _example_problem(code)}
        if kind.status in (429, 503):
            answer["headers"] = {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds to wait"}}
    return answers


def _parameters(route: APIRoute) -> set[str]:
    dependant = route.dependant
    return {field.alias for field in (*dependant.header_params, *dependant.query_params)}


def _example_problem(code: str) -> dict[str, Any]:
    kind = KINDS[code]
    detail = f"{kind.title}. Nothing was saved."
    return {"type": f"{WHERE}#{code}", "title": kind.title, "status": kind.status, "detail": detail}


# ---------------------------------------------------------------- examples


def _exemplify(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """An example of the body and of each answer, put together from those of the fields."""
    bodies = [operation["requestBody"]] if "requestBody" in operation else []
    answers = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    for part in (*bodies, *answers):
        for media in part.get("content", {}).values():
            media.setdefault("example", example_of(media["schema"], schemas, whole=part not in bodies))


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], *, whole: bool = True) -> Any:
    """A value that fits. Not `whole`: of an object only what is required or has an example of its own."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, whole=whole)
    if schema.get("examples"):
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    if "anyOf" in schema:
        return _example_of_any(schema["anyOf"], schemas, whole=whole)
    if schema.get("type") == "array":
        return [example_of(schema["items"], schemas, whole=whole)]
    if "properties" in schema:
        needed = schema.get("required", ())
        shown = (
            (name, part) for name, part in schema["properties"].items() if whole or name in needed or _has_one(part)
        )
        return {name: example_of(part, schemas, whole=whole) for name, part in shown}
    return {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "object": {}}.get(schema.get("type", ""))


def _example_of_any(choices: list[Mapping[str, Any]], schemas: Mapping[str, Any], *, whole: bool) -> Any:
    real = [choice for choice in choices if choice.get("type") != "null"]
    shown = next((choice for choice in real if choice.get("examples")), real[0])
    return example_of(shown, schemas, whole=whole)


def _has_one(schema: Mapping[str, Any]) -> bool:
    return bool(schema.get("examples"))
