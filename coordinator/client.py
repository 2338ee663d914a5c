"""A client of the API, typed and thin: `from coordinator.client import PathwayClient`.

It needs httpx and pydantic, and nothing of the server. Every write gets an Idempotency-Key, so one whose answer was
lost is sent again under the same key and happens once.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from pydantic import BaseModel

from coordinator.api.house_shapes import CensusShape, GuidelineShape, Me, MessageShape, WebhookMade
from coordinator.api.shapes import (
    ChoiceShape,
    EntryShape,
    EpisodeShape,
    EpisodeWhole,
    Firing,
    Foreseen,
    Line,
    PatientShape,
    Recorded,
    TaskShape,
    WorkItemShape,
)

Shape = TypeVar("Shape", bound=BaseModel)
BUSY = (429, 503)
LONGEST_WAIT = 60.0


class PathwayProblem(Exception):
    """The API refused: what was wrong, what was expected, what was not saved.

    `status` of HTTP; `type` of docs/api.md; `code` of the engine, where the pathway refused; `missing`: what the
    record lacks; `saved_since`: who saved what first (412).
    """

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(body.get("type", "about:blank"))
        self.title = str(body.get("title", ""))
        self.detail = str(body.get("detail", ""))
        self.code: str | None = body.get("code")
        self.missing: list[str] = body.get("missing") or []
        self.faults: list[dict[str, str]] = body.get("faults") or []
        self.saved_since: list[dict[str, Any]] = body.get("saved_since") or []
        super().__init__(f"{status} {self.title}: {self.detail}")


class PathwayClient:
    """`url`: of the site, such as https://pathway.example.org; `token`: of `pathway token add`.

    `tries`: how often a call is sent where the network fails or the server is busy; `wait`: how it waits meanwhile,
    in seconds. Raises PathwayProblem, and httpx.TransportError when nobody answered.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = 30.0,
        tries: int = 3,
        wait: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "pathway-client"}
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1", headers=headers, timeout=timeout, transport=transport
        )
        self._tries, self._wait = tries, wait

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # ---------------------------------------------------------------- reading

    def me(self) -> Me:
        return self._one(Me, "/me")

    def patients(self, q: str = "") -> Iterator[PatientShape]:
        return self._all(PatientShape, "/patients", q=q)

    def patient(self, patient: str) -> PatientShape:
        return self._one(PatientShape, f"/patients/{_part(patient)}")

    def episodes(
        self, *, patient: str | None = None, state: str | None = None, owner: str | None = None, open: bool = False
    ) -> Iterator[EpisodeShape]:
        return self._all(EpisodeShape, "/episodes", patient=patient, state=state, owner=owner, open=open)

    def episode(self, episode: str, *, as_of: datetime | None = None) -> EpisodeWhole:
        """Its `version` is what a write on it names as `seen`."""
        return self._one(EpisodeWhole, _of(episode), as_of=as_of)

    def entries(self, episode: str, *, as_of: datetime | None = None) -> Iterator[EntryShape]:
        return self._all(EntryShape, _of(episode, "entries"), as_of=as_of)

    def timeline(self, episode: str, *, as_of: datetime | None = None) -> Iterator[Line]:
        return self._all(Line, _of(episode, "timeline"), as_of=as_of)

    def choices(self, episode: str) -> list[ChoiceShape]:
        """What may be decided now; `possible` is false where it would be refused, with why."""
        return [ChoiceShape.model_validate(row) for row in self._get(_of(episode, "choices"))]

    def preview(self, episode: str, *, days: int = 30) -> list[Firing]:
        return [Firing.model_validate(row) for row in self._get(_of(episode, "preview"), days=days)]

    def worklist(
        self,
        tab: str = "now",
        *,
        role: str | None = None,
        owner: str | None = None,
        state: str | None = None,
        red_only: bool = False,
        q: str = "",
    ) -> Iterator[WorkItemShape]:
        """Most urgent first."""
        asked = {"tab": tab, "role": role, "owner": owner, "state": state, "red_only": red_only, "q": q}
        return self._all(WorkItemShape, "/worklist", **asked)

    def tasks(
        self, *, status: str | None = None, role: str | None = None, due_until: date | None = None
    ) -> Iterator[TaskShape]:
        return self._all(TaskShape, "/tasks", status=status, role=role, due_until=due_until)

    def outbox(self, *, outcome: str | None = None, patient: str | None = None) -> Iterator[MessageShape]:
        return self._all(MessageShape, "/outbox", outcome=outcome, patient=patient)

    def census(self, *, as_of: datetime | None = None) -> CensusShape:
        return self._one(CensusShape, "/census", as_of=as_of)

    def guideline(self) -> GuidelineShape:
        return self._one(GuidelineShape, "/guideline")

    # ---------------------------------------------------------------- writing

    def register(self, patient: str, level: str, *, key: str | None = None, **more: Any) -> Recorded:
        """A new patient with a first fracture. `more`: the other names of the body, such as fracture_date."""
        return self._record("/patients", {"patient": patient, "level": level, **more}, key)

    def further_fracture(self, patient: str, level: str, *, key: str | None = None, **more: Any) -> Recorded:
        return self._record(f"/patients/{_part(patient)}/episodes", {"level": level, **more}, key)

    def observe(
        self, episode: str, kind: str, data: Mapping[str, Any], *, seen: int, key: str | None = None, **more: Any
    ) -> Recorded:
        """`seen`: the version of the episode that was read."""
        return self._record(_of(episode, "observations"), {"kind": kind, "data": dict(data), **more}, key, seen)

    def decide(self, episode: str, kind: str, *, seen: int, key: str | None = None, **more: Any) -> Recorded:
        return self._record(_of(episode, "decisions"), {"kind": kind, **more}, key, seen)

    def close_task(
        self, episode: str, code: str, *, seen: int, how: str = "done", key: str | None = None, **more: Any
    ) -> Recorded:
        return self._record(_of(episode, f"tasks/{_part(code)}/close"), {"how": how, **more}, key, seen)

    def correct(self, episode: str, what: str, *, seen: int, key: str | None = None, **more: Any) -> Recorded:
        return self._record(_of(episode, "corrections"), {"what": what, **more}, key, seen)

    def administer(self, episode: str, kind: str, *, seen: int, key: str | None = None, **more: Any) -> Recorded:
        return self._record(_of(episode, "administration"), {"kind": kind, **more}, key, seen)

    def foresee(self, path: str, body: Mapping[str, Any], *, seen: int | None = None) -> Foreseen:
        """What a write would do; nothing is saved. `path` and `body` as in docs/api.md."""
        return Foreseen.model_validate(self._post(path, body, None, seen, dry_run=True))

    def add_webhook(self, url: str, *, key: str | None = None) -> WebhookMade:
        """Its `secret` is shown with this answer only."""
        return WebhookMade.model_validate(self._post("/webhooks", {"url": url}, key, None))

    # ---------------------------------------------------------------- calling

    def _record(self, path: str, body: Mapping[str, Any], key: str | None, seen: int | None = None) -> Recorded:
        return Recorded.model_validate(self._post(path, body, key, seen))

    def _post(self, path: str, body: Mapping[str, Any], key: str | None, seen: int | None, **asked: Any) -> Any:
        headers = {"Idempotency-Key": key or str(uuid4())}
        if seen is not None:
            headers["If-Match"] = f'"{seen}"'
        plain = {name: _plain(value) for name, value in body.items() if value is not None}
        return self._send("POST", path, params=_query(asked), json=plain, headers=headers)

    def _one(self, shape: type[Shape], path: str, **asked: Any) -> Shape:
        return shape.model_validate(self._get(path, **asked))

    def _all(self, shape: type[Shape], path: str, **asked: Any) -> Iterator[Shape]:
        """Page after page, as far as the caller reads."""
        cursor = None
        while True:
            page = self._get(path, **asked, cursor=cursor)
            yield from (shape.model_validate(row) for row in page["items"])
            cursor = page["next"]
            if cursor is None:
                return

    def _get(self, path: str, **asked: Any) -> Any:
        return self._send("GET", path, params=_query(asked))

    def _send(self, method: str, path: str, **call: Any) -> Any:
        for left in reversed(range(self._tries)):
            try:
                answer = self._http.request(method, path, **call)
            except httpx.TransportError:
                if not left:
                    raise
                self._wait(1.0)
                continue
            if answer.status_code not in BUSY or not left:
                break
            self._wait(_asked_to_wait(answer))
        if answer.is_success:
            return answer.json()
        raise PathwayProblem(answer.status_code, _body(answer))


def _asked_to_wait(answer: httpx.Response) -> float:
    told = answer.headers.get("Retry-After", "")
    return min(float(told), LONGEST_WAIT) if told.isdigit() else 1.0


def _body(answer: httpx.Response) -> Mapping[str, Any]:
    """Something between us and the server may have answered in its own form."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"title": answer.reason_phrase, "detail": answer.text[:200]}


def _query(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asked.items() if value is not None}


def _plain(value: Any) -> Any:
    """Dates and instants as text, also those inside."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _part(text: str) -> str:
    return quote(text, safe="")


def _of(episode: str, what: str = "") -> str:
    return f"/episodes/{_part(episode)}" + (f"/{what}" if what else "")
