"""Commands for tokens: what a program shows to call the API."""

from datetime import datetime
from typing import Annotated, Any

import typer

from coordinator.cli.application import app
from coordinator.cli.base import JsonOption, opened
from coordinator.cli.output import fail, say, show_json
from coordinator.tokens import LONGEST_DAYS, READ, SCOPES, USUAL_DAYS, TokenRefused, make_token, state_of
from pathway.calendar import show_instant
from persistence.tokens import Tokens

token_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke tokens of programs.", rich_markup_mode=None)
app.add_typer(token_app, name="token")

BY = "command line"
SHOWN = ("id", "email", "name", "prefix", "scopes", "created_at", "created_by", "expires_at", "last_used_at")


@token_app.command()
def add(
    email: Annotated[str, typer.Argument(help="Address of the colleague for whom the program acts.")],
    name: Annotated[str, typer.Option("--name", help="What it is for, such as the name of the program.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help=f"One of {', '.join(SCOPES)}; may be repeated; default read.")
    ] = None,
    days: Annotated[int, typer.Option("--days", help=f"How long it lasts, 1 to {LONGEST_DAYS} days.")] = USUAL_DAYS,
    as_json: JsonOption = False,
) -> None:
    """Make a token for a program. Its secret is shown now and never again.

    Example: pathway token add a.sample@example.org --name "ward board" --scope read --days 30
    """
    with opened() as (store, settings, now):
        try:
            made = make_token(store, email.lower(), name, scope or [READ], days=days, at=now, by=BY)
        except TokenRefused as error:
            fail(str(error))
    if as_json:
        show_json({"id": made.id, "secret": made.secret, "expires_at": made.expires_at})
        return
    say(made.secret)
    say(f"Keep it now: it is not shown again. It ends on {show_instant(made.expires_at, settings.zone)}.")


@token_app.command(name="list")
def list_tokens(
    email: Annotated[str | None, typer.Option("--email", help="Only those of one colleague.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List tokens, the newest first, with when each ends and was last used.

    Example: pathway token list --email a.sample@example.org
    """
    with opened() as (store, settings, now):
        found = [_shown(row, now) for row in Tokens(store.database).all(email and email.lower())]
    if as_json:
        show_json(found)
        return
    for row in found:
        used = show_instant(row["last_used_at"], settings.zone) if row["last_used_at"] else "never"
        ends = show_instant(row["expires_at"], settings.zone)
        say(
            f"{row['id']}  {row['state']:<8}  {row['prefix']}…  {row['name']} ({row['email']}; {row['scopes']}), "
            f"ends {ends}, last used {used}"
        )
    if not found:
        say('There are no tokens. Make one: pathway token add NAME@HOSPITAL --name "what it is for"')


def _shown(row: Any, now: datetime) -> dict[str, Any]:
    return {**{name: getattr(row, name) for name in SHOWN}, "state": state_of(row, now)}


@token_app.command()
def revoke(
    token: Annotated[str, typer.Argument(help="The id of the token, as `pathway token list` says it.")],
) -> None:
    """End a token at once and for good.

    Example: pathway token revoke 5f0c2a9d71e4
    """
    with opened() as (store, _settings, now):
        if not Tokens(store.database).revoke(token, now, BY):
            fail(f"{token!r} is no standing token; `pathway token list` names them; nothing was changed.")
    say("It opens nothing any more.")
