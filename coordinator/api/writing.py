"""A write that happens once: its key and its answer are saved in the transaction that saves the write itself."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import Connection

from coordinator.api.door import Caller
from coordinator.api.problems import MEDIA_TYPE, Problem
from persistence.journal import dumps
from persistence.repeated import Answered, answered, keep_answer

REPEATED = "Idempotency-Replayed"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered to a write, and saved with it. A problem among them is one of which something was saved."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


def once(
    caller: Caller, request: Request, key: str, asked: BaseModel | None, write: Callable[[Connection], Answer]
) -> Response:
    """Do it, or repeat what was answered when it was done. What `write` raises undoes it all, and frees the key."""
    mark = _fingerprint(request, asked)
    with caller.store.database.writing() as connection:
        known = answered(connection, caller.token, key)
        if known is not None:
            _same_request(known, mark)
            return _response(known.status, known.body, {**known.headers, REPEATED: "true"})
        answer = write(connection)
        kept = Answered(mark, answer.status, answer.headers, answer.body)
        keep_answer(connection, caller.token, key, kept, caller.now)
    return _response(answer.status, answer.body, answer.headers)


def _fingerprint(request: Request, asked: BaseModel | None) -> str:
    """Of what was asked, not of how it was spelt: the order of names and the spaces between them do not count."""
    said = asked.model_dump(mode="json", exclude_unset=True) if asked is not None else None
    whole = dumps([request.method, request.url.path, sorted(request.query_params.multi_items()), said])
    return hashlib.sha256(whole.encode()).hexdigest()


def _same_request(known: Answered, mark: str) -> None:
    if known.fingerprint != mark:
        detail = (
            "This Idempotency-Key was used for another request; use a new one for a new request. Nothing was saved."
        )
        raise Problem("key-used", detail)


def _response(status: int, body: Any, headers: Mapping[str, str]) -> Response:
    # Spelt in one way, so that an answer that is repeated is the same to the byte.
    return Response(dumps(body), status, dict(headers), MEDIA_TYPE if status >= 400 else "application/json")
