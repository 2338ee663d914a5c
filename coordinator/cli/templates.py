"""Commands about the words of messages: which there are, how they read, what is wrong with them, who approved them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from coordinator.cli.application import app
from coordinator.cli.base import ByOption, JsonOption, opened
from coordinator.cli.output import errors, fail, grid, say, show_json
from pathway.calendar import show_instant
from persistence import models
from persistence.store import Store
from scheduler.placeholders import KINDS
from scheduler.words import Template, Words, WordsFaulty, approve, approved, load_words

template_app = typer.Typer(
    no_args_is_help=True, help="List, preview, check and approve the words of messages.", rich_markup_mode=None
)
app.add_typer(template_app, name="template")

NameArgument = Annotated[str, typer.Argument(help="The template's name, as `pathway template list` shows it.")]
APPROVER = "clinician"


@template_app.command("list")
def list_templates(as_json: JsonOption = False) -> None:
    """Every template: its version, whom it speaks to, what it serves, and who approved it.

    Example: pathway template list
    """
    with opened() as (store, settings, _now):
        words = load_words(settings.templates)
        found = [(words.templates[name], _approval(store, words, name)) for name in sorted(words.templates)]
        if as_json:
            show_json([_template_json(words, template, approval) for template, approval in found])
            return
        grid(
            f"{len(found)} templates",
            ("Name", "Version", "For", "Serves", "From", "Approved"),
            [_row(words, template, approval, settings.zone) for template, approval in found],
            "There is no template.",
        )


def _approval(store: Store, words: Words, name: str) -> models.Approval | None:
    with store.database.reading() as connection:
        return approved(connection, words.named(name))


def _row(words: Words, template: Template, approval: models.Approval | None, zone: str) -> tuple[str, ...]:
    served = ", ".join(words.kinds_of(template)) or "nothing: other templates took its kinds over"
    return (
        template.name,
        template.version,
        template.audience,
        served,
        template.place,
        _standing(template, approval, zone),
    )


def _standing(template: Template, approval: models.Approval | None, zone: str) -> str:
    if template.audience == "staff":
        return "needs no approval"
    if approval is None:
        return "not approved: it is not sent"
    return f"approved by {approval.approved_by}, {show_instant(approval.approved_at, zone)}"


def _template_json(words: Words, template: Template, approval: models.Approval | None) -> dict[str, Any]:
    return {
        "name": template.name,
        "version": template.version,
        "audience": template.audience,
        "kinds": words.kinds_of(template),
        "place": template.place,
        "site": template.site,
        "fingerprint": template.fingerprint,
        "approved_by": approval.approved_by if approval else None,
        "approved_at": approval.approved_at if approval else None,
    }


@template_app.command()
def preview(
    name: NameArgument,
    kind: Annotated[str | None, typer.Option("--kind", help="For which kind of message; default its first.")] = None,
    html: Annotated[bool, typer.Option("--html", help="Only the HTML, to be opened in a browser.")] = False,
) -> None:
    """How a template reads, with made-up facts.

    Example: pathway template preview work --kind escalation --html > letter.html
    """
    with opened() as (store, settings, _now):
        words = load_words(settings.templates)
        template = words.named(name)
        kind = kind or template.kinds[0]
        if kind not in template.kinds:
            fail(f"--kind {kind!r} is not served by {name}; expected one of {', '.join(template.kinds)}.")
        standing = _standing(template, _approval(store, words, name), settings.zone)
    said = template.rendered(KINDS[kind].sample())
    head = f"Made-up facts. {name}, version {template.version}, for {template.audience}, kind {kind}; {standing}."
    if html:
        errors.print(head, markup=False)
        print(said["html"])
        return
    say(head, style="bold")
    for title in ("subject", "brief", "text"):
        say()
        say(f"{title.capitalize()}:", style="bold")
        say(said[title].rstrip("\n"))


@template_app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="A folder with templates of the site's own.")],
    as_json: JsonOption = False,
) -> None:
    """Check the templates of a folder and report every fault at once; exit code 1 when there is one.

    Example: pathway template check our-words
    """
    faults: list[str] = []
    try:
        load_words(folder)
    except WordsFaulty as error:
        faults = [str(detail) for detail in error.details]
    if as_json:
        show_json({"faults": faults})
    else:
        for fault in faults:
            say(fault)
        say("Nothing of this folder can be used before this is mended." if faults else "No faults.")
    if faults:
        raise typer.Exit(1)


@template_app.command("approve")
def approve_template(
    name: NameArgument,
    by: ByOption = "",
    role: Annotated[str, typer.Option("--as", help="Role in which you act; only a clinician approves.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Approve the present wording of a template for patients; another wording needs another approval.

    Example: pathway template approve patient-review --by "Dr C. Sample" --as clinician
    """
    if role != APPROVER:
        fail(f"--as {role!r}: only a clinician approves words for patients (--as {APPROVER}); nothing was saved.")
    with opened() as (store, settings, now):
        words = load_words(settings.templates)
        approval = approve(store, words, name, by, now)
        if as_json:
            show_json(_template_json(words, words.named(name), approval))
            return
        standing = _standing(words.named(name), approval, settings.zone)
        say(f"{name}, version {approval.version}, is {standing} (wording {approval.fingerprint[:12]}).")
