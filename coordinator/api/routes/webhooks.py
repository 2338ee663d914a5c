"""Webhooks: an address that is called for each state change, signed, at least once, until it answers."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy import Connection, Row

from coordinator.api.asked import WebhookAsked
from coordinator.api.asking import NO_NUL
from coordinator.api.door import Caller, needs
from coordinator.api.headers import Key
from coordinator.api.house_shapes import Again, DeliveryShape, WebhookMade, WebhookShape
from coordinator.api.paging import USUAL, Cursor, Limit, Page, opened, paged, sealed, text
from coordinator.api.problems import Problem
from coordinator.api.writing import Answer, once
from coordinator.tokens import WEBHOOKS
from coordinator.web.access import May
from coordinator.webhooks import WebhookRefused, new_webhook
from persistence.webhooks import Webhooks, add_webhook, stop_webhook, tell_again

router = APIRouter(tags=["webhooks"])
HookPath = Annotated[str, Path(max_length=64, pattern=NO_NUL, examples=["0a1b2c3d4e5f"])]
Outcome = Literal["waiting", "delivered", "failed", "stopped"]


@router.get("/webhooks")
def list_webhooks(caller: Caller = needs(May.CONNECT, WEBHOOKS)) -> list[WebhookShape]:
    """Every webhook, the newest first, with how its calls went. Secrets are not shown."""
    return [_shape(caller, row) for row in Webhooks(caller.store.database).all()]


@router.post("/webhooks", status_code=201, response_model=WebhookMade)
def add_a_webhook(
    request: Request, asked: WebhookAsked, key: Key, caller: Caller = needs(May.CONNECT, WEBHOOKS)
) -> Response:
    """Call this address for each state change from now on. Only https, or http on this machine itself."""
    row = _made(asked, caller)

    def write(connection: Connection) -> Answer:
        add_webhook(connection, row)
        body = WebhookMade(
            **{name: row[name] for name in ("id", "url", "created_at", "secret")},
            events=asked.events,
            created_by=caller.email,
            stopped_at=None,
            failures=0,
            next_try=None,
            deliveries={},
        )
        return Answer(201, body.model_dump(mode="json"), {"Location": f"/api/v1/webhooks/{row['id']}"})

    return once(caller, request, key, asked, write)


@router.get("/webhooks/{webhook}")
def get_webhook(webhook: HookPath, caller: Caller = needs(May.CONNECT, WEBHOOKS)) -> WebhookShape:
    """One webhook, with how its calls went."""
    return _shape(caller, _row(caller, webhook))


@router.post("/webhooks/{webhook}/stop", status_code=200, response_model=WebhookShape)
def stop_a_webhook(
    request: Request, webhook: HookPath, key: Key, caller: Caller = needs(May.CONNECT, WEBHOOKS)
) -> Response:
    """Call it no more; what still waits is closed as stopped."""
    shape = _shape(caller, _row(caller, webhook))

    def write(connection: Connection) -> Answer:
        if not stop_webhook(connection, webhook, caller.now, caller.email):
            raise Problem("exists", f"The webhook {webhook} was stopped before. Nothing was changed.")
        stopped = shape.model_copy(update={"stopped_at": caller.now})
        return Answer(200, stopped.model_dump(mode="json"))

    return once(caller, request, key, None, write)


@router.get("/webhooks/{webhook}/deliveries")
def list_deliveries(
    webhook: HookPath,
    outcome: Annotated[Outcome | None, Query(description="Leave out for all")] = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
    caller: Caller = needs(May.CONNECT, WEBHOOKS),
) -> Page[DeliveryShape]:
    """What the address must be or was told, in the order of the ids."""
    _row(caller, webhook)
    after = opened(cursor, text)
    rows = Webhooks(caller.store.database).deliveries_after(webhook, outcome, after[0] if after else None, limit + 1)
    return paged(rows, limit, _delivery, lambda row: sealed(row.id))


@router.post("/deliveries/{delivery}/again", status_code=200, response_model=Again)
def try_again(
    request: Request,
    delivery: Annotated[str, Path(max_length=64, pattern=NO_NUL, examples=["6e0f4f9a8f0b5b0f9a3c0b1d2e3f4a5b"])],
    key: Key,
    caller: Caller = needs(May.CONNECT, WEBHOOKS),
) -> Response:
    """Try once more what was given up."""

    def write(connection: Connection) -> Answer:
        if not tell_again(connection, delivery, caller.now):
            raise Problem("not-found", f"There is no delivery {delivery!r} that was given up. Nothing was changed.")
        return Answer(200, Again(id=delivery, outcome="waiting").model_dump(mode="json"))

    return once(caller, request, key, None, write)


def _made(asked: WebhookAsked, caller: Caller) -> dict[str, Any]:
    try:
        return new_webhook(asked.url, asked.events, caller.email, caller.now)
    except WebhookRefused as error:
        raise Problem("malformed", f"{error}. Nothing was saved.") from error


def _row(caller: Caller, webhook: str) -> Row:
    found = Webhooks(caller.store.database).find(webhook)
    if found is None:
        raise Problem("not-found", f"There is no webhook {webhook!r}. Nothing was changed.")
    return found


def _shape(caller: Caller, row: Row) -> WebhookShape:
    return WebhookShape(
        id=row.id,
        url=row.url,
        events=row.events.split(),
        created_by=row.email,
        created_at=row.created_at,
        stopped_at=row.stopped_at,
        failures=row.failures,
        next_try=row.try_at if row.failures else None,
        deliveries=Webhooks(caller.store.database).counts(row.id),
    )


def _delivery(row: Row) -> DeliveryShape:
    names = ("id", "event", "happened_at", "outcome", "because", "attempts", "settled_at")
    same = {name: getattr(row, name) for name in names}
    return DeliveryShape(episode=row.episode_id, patient=row.patient_id, version=row.seq, **same)
