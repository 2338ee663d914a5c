"""Commands for webhooks: addresses of other systems that are called for each state change."""

from typing import Annotated, Any

import typer

from coordinator.cli.application import app
from coordinator.cli.base import JsonOption, opened
from coordinator.cli.output import fail, say, show_json
from coordinator.cli.running import EVERYTHING, believe
from coordinator.web.access import May, refusal
from coordinator.webhooks import WebhookRefused, new_webhook
from pathway.calendar import show_instant
from persistence.accounts import Accounts
from persistence.store import Store
from persistence.webhooks import EVENTS, Webhooks
from scheduler import jobs

webhook_app = typer.Typer(no_args_is_help=True, help="Tell other systems of state changes.", rich_markup_mode=None)
app.add_typer(webhook_app, name="webhook")

SHOWN = ("id", "url", "events", "email", "created_at", "stopped_at", "failures", "try_at")


@webhook_app.command()
def add(
    url: Annotated[str, typer.Argument(help="https, or http on this machine itself.")],
    email: Annotated[str, typer.Option("--owner", help="Address of the lead or administrator who answers for it.")],
    as_json: JsonOption = False,
) -> None:
    """Call an address for each state change from now on. The secret that signs the calls is shown now.

    Example: pathway webhook add https://interface.example.org/pathway --owner lead@example.org
    """
    with opened() as (store, _settings, now):
        _answerable(store, email.lower())
        try:
            row = new_webhook(url, EVENTS, email.lower(), now)
        except WebhookRefused as error:
            fail(str(error))
        Webhooks(store.database).add(row)
    if as_json:
        show_json({"id": row["id"], "secret": row["secret"]})
        return
    say(row["secret"])
    say(f"Keep it for the receiver: it is not shown again. The webhook is {row['id']}.")


def _answerable(store: Store, email: str) -> None:
    account = Accounts(store.database).find(email)
    if account is None or not account.active:
        fail(f"{email!r} has no open account; expected a lead or an administrator; nothing was saved.")
    because = refusal(account.role, May.CONNECT)
    if because:
        fail(f"{because} Nothing was saved.")


@webhook_app.command(name="list")
def list_webhooks(as_json: JsonOption = False) -> None:
    """List webhooks with how their calls went. Secrets are not shown.

    Example: pathway webhook list
    """
    with opened() as (store, settings, _now):
        hooks = Webhooks(store.database)
        found: list[dict[str, Any]] = [
            {**{name: getattr(row, name) for name in SHOWN}, "deliveries": hooks.counts(row.id)} for row in hooks.all()
        ]
    if as_json:
        show_json(found)
        return
    for row in found:
        counts = (
            ", ".join(f"{count} {outcome}" for outcome, count in sorted(row["deliveries"].items())) or "no calls yet"
        )
        rests = f"; {row['failures']} tries failed, the next after {show_instant(row['try_at'], settings.zone)}"
        state = "stopped" if row["stopped_at"] else f"standing{rests if row['failures'] else ''}"
        say(f"{row['id']}  {row['url']} ({row['email']}): {state}; {counts}")
    if not found:
        say("No other system is told. Begin: pathway webhook add https://HOST/PATH --owner LEAD@HOSPITAL")


@webhook_app.command()
def stop(webhook: Annotated[str, typer.Argument(help="Its id, as `pathway webhook list` says it.")]) -> None:
    """Call it no more; what still waits is closed.

    Example: pathway webhook stop 0a1b2c3d4e5f
    """
    with opened() as (store, _settings, now):
        if not Webhooks(store.database).stop(webhook, now, "command line"):
            fail(f"{webhook!r} is no standing webhook; `pathway webhook list` names them; nothing was changed.")
    say("It is called no more.")


@webhook_app.command()
def deliver(as_json: JsonOption = False) -> None:
    """Call every webhook with what waits for it. For cron; `pathway run` does it by itself.

    Example: pathway webhook deliver
    """
    with opened() as (store, settings, now):
        believe(store, now)
        done = jobs.run_webhooks(store, now, detail=settings.event_detail, zone=settings.zone, limit=EVERYTHING)
    if as_json:
        show_json({"delivered": done.delivered, "refused": done.refused, "given_up": done.given_up})
    else:
        say(f"{done.line()}.")
