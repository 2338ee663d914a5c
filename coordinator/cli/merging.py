"""Commands that merge two records of one person, and take it back."""

from typing import Annotated

import typer

from coordinator.cli.base import ByOption, JsonOption, RoleOption, opened
from coordinator.cli.output import day, fail, refuse, say, show_json
from coordinator.cli.reading import patients
from coordinator.merging import Proposal, Side, join, joined_into, propose
from pathway import merging
from pathway.journal import Refusal
from persistence.merges import Merged
from persistence.merging import Asked, Undoing, unmerge

BecauseOption = Annotated[str, typer.Option("--because", help="Why it is one person, or is not after all.")]


@patients.command(name="merge")
def merge_records(
    surviving: Annotated[str, typer.Argument(help="The number under which the person goes on.")],
    retired: Annotated[str, typer.Argument(help="The number whose record goes on in the other one.")],
    because: BecauseOption = "",
    by: ByOption = "",
    role: RoleOption = "coordinator",
    goes_on: Annotated[
        list[str] | None,
        typer.Option("--goes-on", help="Where two episodes may be one fracture: which goes on; both, if they are two."),
    ] = None,
    although: Annotated[
        bool, typer.Option("--although-different", help="It is one person although the two records differ.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the two records; write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make two records of one person one. Both histories stay whole, and it can be taken back.

    Example: pathway patient merge 9991002375 MRN-77 --because "same person, two numbers" --by "C. Sample"
    """
    with opened() as (store, _settings, now):
        found = propose(store, surviving, retired)
        if isinstance(found, Refusal):
            fail(f"{found.because}.")
        if dry_run:
            _show(found)
            return
        asked = Asked(surviving, retired, because, by, role, frozenset(goes_on or ()))
        done = join(store, found, asked, now, although=although)
        if isinstance(done, Refusal):
            refuse(done, as_json=as_json)
        _told(done, "merged", as_json=as_json)


@patients.command(name="unmerge")
def unmerge_records(
    number: Annotated[str, typer.Argument(help="The number that was merged into another.")],
    because: BecauseOption = "",
    by: ByOption = "",
    role: RoleOption = "coordinator",
    as_json: JsonOption = False,
) -> None:
    """Take a merge back: both records are as they were, with what is owed. What was put to rest, a clinician reopens.

    Example: pathway patient unmerge MRN-77 --because "two people" --by "Dr C. Sample" --as clinician
    """
    with opened() as (store, _settings, now):
        found = next((each for each in joined_into(store, number) if each.retired == number), None)
        if found is None:
            fail(f"{number} was not merged into another record; nothing was saved.")
        done = unmerge(store, Undoing(found.id, because, by, role), now)
        if isinstance(done, Refusal):
            refuse(done, as_json=as_json)
        _told(done, "parted", as_json=as_json)


def _told(done: Merged, what: str, *, as_json: bool) -> None:
    if as_json:
        show_json({"accepted": True, "merge": done.id, "surviving": done.surviving, "retired": done.retired})
        return
    if what == "merged":
        say(f"{done.retired} goes on as {done.surviving}.", style="bold")
        for name in done.rested:
            say(f"{name} was put to rest; the other episode of that fracture goes on.")
        say(f"Take it back: pathway patient unmerge {done.retired} --because … --by …")
        return
    say(f"{done.retired} and {done.surviving} are two records again.", style="bold")
    for name in done.rested:
        say(f"{name} is open again, with what is owed.")


def _show(found: Proposal) -> None:
    say("Dry run: nothing is written.", style="bold")
    for side, word in ((found.surviving, "Goes on"), (found.retired, "Is retired")):
        _show_side(side, word)
    if found.differ:
        say(f"They differ in {' and '.join(found.differ)}: --although-different says that it is one person.")
    for one, other in found.pairs:
        say(f"Name what goes on with --goes-on: {merging.question(one, other)}.")
    if found.refusal:
        say(f"Not possible as things stand: {found.refusal.because}.")


def _show_side(side: Side, word: str) -> None:
    say(f"{word}: {side.name}  Born {day(side.birth_date)}  No. {side.number}", style="bold")
    for episode in side.episodes:
        say(f"  {episode.id}: {episode.level or 'level not known'}, onset {day(episode.onset)}, {episode.path}")
