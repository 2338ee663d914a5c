"""The board and the cohort on a screen: every number is what the episodes say, and opens the list of whom it counts."""

import re
import subprocess
import sys
from datetime import timedelta
from html import unescape
from statistics import median
from xml.etree import ElementTree

import pytest

from pathway.journal import Step
from persistence import reckonings
from persistence.episodes_where import Which, ended_stays, episodes_where
from tests.journeys.people import GUIDELINE
from tests.web.conftest import NOW

TODAY = NOW.date()


@pytest.fixture
def episodes(store):
    return list(store.episodes())


def late(episode) -> bool:
    return any(task.status == "open" and task.overdue_after < TODAY for task in episode.tasks)


def red(episode) -> bool:
    return any(task.status == "open" and GUIDELINE.tasks[task.code].red_flag for task in episode.tasks)


def card(page: str, state: str) -> str:
    return page.split(f'data-state="{state}"')[1].split("</article>", maxsplit=1)[0]


def linked(part: str) -> list[tuple[str, int]]:
    """Each address of a list with the number that it stands under."""
    found = re.findall(r'<a href="(/cohort/list\?[^"]+)">\D*?(\d+)[^<]*</a>', part)
    return [(unescape(address), int(number)) for address, number in found]


def listed(browser, address: str) -> int:
    """How many rows a list has, on all its pages together."""
    rows, page = 0, 1
    while True:
        found = browser.get(f"{address}&page={page}").text.count("data-episode=")
        rows, page = rows + found, page + 1
        if found < 50:
            return rows


def test_a_card_counts_who_is_there_who_is_late_and_who_is_red(coordinator, episodes):
    page = coordinator.get("/board").text
    for state in GUIDELINE.states.values():
        here = [e for e in episodes if e.state == state.id]
        numbers = dict(linked(card(page, state.id)))
        assert numbers[f"/cohort/list?state={state.id}"] == len(here)
        assert numbers.get(f"/cohort/list?state={state.id}&late=1", 0) == sum(map(late, here))
        assert numbers.get(f"/cohort/list?state={state.id}&red=1", 0) == sum(map(red, here))


def test_every_number_of_the_board_opens_a_list_of_that_many(coordinator):
    found = linked(coordinator.get("/board").text)
    assert len(found) > len(GUIDELINE.states)
    for address, number in found:
        assert listed(coordinator, address) == number, address


def test_every_number_of_the_cohort_opens_a_list_of_that_many(coordinator):
    found = linked(coordinator.get("/cohort").text)
    assert len(found) > 2 * len(GUIDELINE.states)
    for address, number in dict(found).items():
        assert listed(coordinator, address) == number, address


def test_a_target_is_said_with_its_source_and_marked_where_it_is_ours(coordinator):
    page = coordinator.get("/board").text
    for state in GUIDELINE.states.values():
        said = re.search(r"target (\d+) days?( <abbr class=\"e\")?", card(page, state.id))
        if said:
            task = next(GUIDELINE.tasks[code] for code in state.tasks)
            assert int(said[1]) == task.overdue_days
            assert bool(said[2]) is task.engineering
            assert all(cite in card(page, state.id) for cite in task.cites)
    assert "no target in the guideline" in page


def test_a_list_names_everybody_by_two_identifiers(coordinator):
    page = coordinator.get("/cohort/list?open=1").text
    for row in re.findall(r"<tr data-row.*?</tr>", page, re.S):
        assert "Born" in row
        assert "No." in row


def test_an_empty_list_says_so_and_gives_the_way_out(coordinator):
    page = coordinator.get("/cohort/list?dateless=1").text
    assert "Nobody is counted here." in page
    assert 'href="/cohort"' in page
    for odd in ("state=NOWHERE", "state=SURGICAL_REFERRAL.nowhere", "left=NOWHERE", "reached=NOWHERE"):
        assert coordinator.get(f"/cohort/list?{odd}").status_code == 404
    assert coordinator.get("/cohort/list?rule=TR-02&days=99999999999999").status_code == 200


@pytest.mark.parametrize(
    ("which", "wanted"),
    [
        (Which(open_only=True), lambda e: not GUIDELINE.is_terminal(e.state)),
        (Which(ended_only=True), lambda e: GUIDELINE.is_terminal(e.state)),
        (Which(late=True), late),
        (Which(red=True, states=("SURGICAL_REFERRAL",)), lambda e: red(e) and e.state == "SURGICAL_REFERRAL"),
        (Which(states=("AUGMENTATION_REFERRAL",), sub="sent"), lambda e: e.path == "AUGMENTATION_REFERRAL.sent"),
        (Which(unowned=True), lambda e: not e.owner),
        (Which(held=True), lambda e: any(t.status == "held" for t in e.timers)),
        (
            Which(dateless=True, open_only=True),
            lambda e: (
                not GUIDELINE.is_terminal(e.state)
                and not any(t.status == "open" for t in e.tasks)
                and not any(t.waiting for t in e.timers)
            ),
        ),
    ],
)
def test_the_lists_are_those_that_python_finds(store, episodes, which, wanted):
    found = episodes_where(store, NOW, which, size=1000)
    assert {line.episode for line in found.rows} == {e.id for e in episodes if wanted(e)}
    assert found.total == len(found.rows)


def moves_of(store, episode):
    """Arrivals in another state, from the journal."""
    for entry in store.journal(episode.id):
        for effect in entry.effects:
            if effect["event"] == "transition" and effect.get("from") != effect["to"]:
                yield effect["to"], entry.recorded_at


def test_stays_that_have_ended_are_those_of_the_journals(store, episodes):
    spans = []
    for episode in episodes:
        moves = list(moves_of(store, episode))
        pairs = zip(moves, moves[1:], strict=False)
        spans += [(after - at) / timedelta(days=1) for (state, at), (_, after) in pairs if state == "REASSESSMENT"]
    found = ended_stays(store, "REASSESSMENT", size=1000)
    assert sorted(round(stay.days, 3) for stay in found.rows) == sorted(round(span, 3) for span in spans)
    assert [stay.days for stay in found.rows] == sorted((stay.days for stay in found.rows), reverse=True)
    assert found.total == len(spans)


def numbers_of(page: str, chart: str) -> list[list[str]]:
    table = page.split(f'data-chart="{chart}"')[1].split("</table>", maxsplit=1)[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table.split("<tbody>")[1], re.S)
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.S)] for row in rows
    ]


def said_in(image: str) -> list[str]:
    return ["".join(text.itertext()) for text in ElementTree.fromstring(image).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("chart", ["patients", "stays", "reached"])
def test_a_chart_is_a_picture_without_script_or_style_and_another_in_the_dark(coordinator, chart):
    page = unescape(coordinator.get("/cohort").text)
    addresses = re.findall(rf'"(/cohort/chart/{chart}\.svg\?theme=(?:light|dark)&of=\w+)"', page)
    assert len(addresses) == 2
    dark, light = (coordinator.get(address) for address in addresses)
    assert {light.headers["content-type"], dark.headers["content-type"]} == {"image/svg+xml"}
    assert light.text != dark.text
    for image in (light.text, dark.text):
        tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(image).iter()}
        assert not tags & {"script", "style", "metadata", "foreignObject", "image"}
        assert 'style="' not in image
        assert "2026" not in image


def test_a_chart_shows_the_numbers_of_its_table_and_its_words(coordinator):
    page = unescape(coordinator.get("/cohort").text)
    patients = said_in(coordinator.get("/cohort/chart/patients.svg").text)
    rows = numbers_of(page, "patients")
    assert [text for text in patients if "overdue" in text] == [f"{here}, {over} overdue" for _, here, over in rows]
    reached = said_in(coordinator.get("/cohort/chart/reached.svg").text)
    alt = re.search(r'alt="([^"]*ever been[^"]*)"', page)[1]
    for title, count in numbers_of(page, "reached"):
        assert {title, count} <= set(reached)
        assert f"{title} {count}" in alt
    stays = said_in(coordinator.get("/cohort/chart/stays.svg").text)
    medians = [m for row in numbers_of(page, "stays") for m in (row[3], row[7]) if m != "–"]
    assert [text for text in stays if text.startswith("median")] == [f"median {m}" for m in medians]


def test_the_median_of_the_table_is_that_of_the_stays(coordinator, store):
    rows = {row[0]: row for row in numbers_of(coordinator.get("/cohort").text, "stays")}
    for state in ("CONSERVATIVE_CARE", "REASSESSMENT", "IMAGING_REVIEW"):
        found = [stay.days for stay in ended_stays(store, state, size=1000).rows]
        assert rows[GUIDELINE.states[state].title][1] == str(len(found))
        assert rows[GUIDELINE.states[state].title][3] == str(round(median(found)))


def test_numbers_are_reckoned_again_after_something_was_recorded(coordinator, store):
    before = re.search(r"of=(\w+)", coordinator.get("/cohort").text)[1]
    assert re.search(r"of=(\w+)", coordinator.get("/cohort").text)[1] == before
    line = episodes_where(store, NOW, Which(open_only=True)).rows[0]
    store.keep_user("new@example.org", "New", "coordinator", active=True)
    store.record(line.patient, Step("admin", "assign", {"owner": "New"}, actor="coordinator", by="X"), NOW)
    assert re.search(r"of=(\w+)", coordinator.get("/cohort").text)[1] != before


@pytest.mark.parametrize("page", ["/board", "/cohort", "/pathway", "/pathway/rules", "/census", "/ahead", "/reminders"])
def test_a_page_of_figures_that_were_kept_says_of_when_they_are_and_one_of_now_says_nothing(
    signed_in, store, clock, monkeypatch, page
):
    lead = signed_in("lead")
    assert "data-as-of" not in lead.get(page).text
    monkeypatch.setattr(reckonings, "LARGE", 0)
    monkeypatch.setattr(reckonings, "WORTH_KEEPING", 0)
    clock.now += timedelta(minutes=1)
    line = episodes_where(store, NOW, Which(open_only=True)).rows[0]
    store.record(line.patient, Step("admin", "contact", {"outcome": "reached"}, by="X"), clock.now)
    for minutes, said in ((1, False), (2, True), (7, False)):
        clock.now = NOW + timedelta(minutes=minutes)
        found = lead.get(page).text
        assert ("data-as-of" in found) is said
        assert ("As of 16-Mar-2026\N{NO-BREAK SPACE}07:31." in found) is said


def test_the_site_starts_without_the_library_that_draws():
    asked = "import sys, coordinator.web.app, coordinator.cli; print('matplotlib' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"


def test_nothing_on_the_cohort_page_promises_or_ranks(coordinator):
    page = coordinator.get("/cohort").text.lower()
    assert "as of 16-mar-2026" in page.replace("\xa0", " ")
    assert "probability" not in page
    assert "best" not in page
