"""The pathway on a screen: the picture and the tables say what the guideline says, no less and nothing else."""

import re
from datetime import timedelta
from html import unescape
from itertools import combinations

import pytest
from sqlalchemy import select

from coordinator.web import rule_words
from coordinator.web.diagram import diagram
from coordinator.web.diagram_nets import ANYWHERE, START, from_most, state_of
from pathway.guards import GUARDS
from persistence import models
from persistence.store import table
from tests.journeys.people import GUIDELINE
from tests.web.conftest import NOW

PAGES = ("rules", "timers", "conflicts", "profiles", "sources")


def shown(page) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def said_by_the_rules():
    """Every rule with every place it leaves and the one it enters."""
    return {
        (rule.id, source, rule.to)
        for rule in GUIDELINE.transitions
        for source in GUIDELINE.expanded(rule.sources) or (START,)
    }


def drawn(wires):
    """The same from the picture; an arrow from the common place stands for the open states that its rules leave."""
    found = set()
    for wire in wires:
        for rule_id in wire.rules:
            for source in wire.sources:
                if source == ANYWHERE:
                    for rule in GUIDELINE.transitions:
                        if rule.id == rule_id and rule.to == wire.target and from_most(GUIDELINE, rule):
                            places = GUIDELINE.expanded(rule.sources)
                            found |= {(rule_id, p, rule.to) for p in places if not GUIDELINE.is_terminal(state_of(p))}
                else:
                    found.add((rule_id, source, wire.target))
    return found


def test_the_picture_has_every_state_and_every_rule_and_nothing_else():
    picture = diagram(GUIDELINE)
    assert {box.state for box in picture.boxes} == set(GUIDELINE.states)
    assert [len(box.rooms) for box in picture.boxes] == [len(state.subs) for state in GUIDELINE.states.values()]
    assert drawn(picture.wires) == said_by_the_rules()


def test_the_numbers_on_the_arrows_are_those_of_the_table(coordinator):
    page = coordinator.get("/pathway").text
    table_says = set(re.findall(r'<tr data-rule="([^"]+)"', page))
    picture_says = {rule for rules in re.findall(r'data-rules="([^"]+)"', page) for rule in unescape(rules).split()}
    assert {unescape(name) for name in table_says} == picture_says == {rule.id for rule in GUIDELINE.transitions}
    for wire in diagram(GUIDELINE).wires:
        numbers = " ".join(" ".join(label.lines) for label in wire.labels[:1]).removeprefix("↩ ").split()
        assert [f"TR-{number}" for number in numbers] == list(wire.rules)


def test_the_table_says_what_the_picture_says(coordinator):
    page = coordinator.get("/pathway/rules").text
    rows = re.findall(r'<tr data-rule="([^"]+)" data-from="([^"]*)" data-to="([^"]+)"', page)
    found = {(unescape(r), place, to) for r, places, to in rows for place in places.split() or (START,)}
    assert found == said_by_the_rules()


def segments(wire):
    """The straight pieces of an arrow, as (horizontal?, where, from, to)."""
    for way in wire.ways:
        x = y = 0.0
        for letter, numbers in re.findall(r"([MHVh])([-\d. ]+)", way):
            values = [float(v) for v in numbers.split()]
            if letter == "M":
                x, y = values
                continue
            before = (x, y)
            x, y = (values[0], y) if letter == "H" else (x + values[0], y) if letter == "h" else (x, values[0])
            level = before[1] == y
            ends = sorted((before[0], x) if level else (before[1], y))
            yield level, (y if level else x), *ends


def test_no_two_arrows_run_over_each_other():
    picture = diagram(GUIDELINE)
    pieces = [list(segments(wire)) for wire in picture.wires]
    for (n, ours), (m, theirs) in combinations(enumerate(pieces), 2):
        for level, where, low, high in ours:
            for level2, where2, low2, high2 in theirs:
                together = min(high, high2) - max(low, low2)
                assert level != level2 or abs(where - where2) > 2 or together <= 0, (
                    picture.wires[n].says,
                    picture.wires[m].says,
                )


def test_no_box_of_the_picture_lies_on_another_and_no_label_on_a_label():
    picture = diagram(GUIDELINE)
    boxes = [(b.x, b.y, b.wide, b.high) for b in picture.boxes]
    labels = [(label.x, label.y, label.wide, label.high) for wire in picture.wires for label in wire.labels]
    for things in (boxes, labels):
        for (x, y, w, h), (x2, y2, w2, h2) in combinations(things, 2):
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y
    assert all(x >= 0 and x + w <= picture.wide and y + h <= picture.high for x, y, w, h in boxes + labels)


def test_only_what_this_patient_may_do_next_is_drawn_thick():
    picture = diagram(GUIDELINE, here="SURGICAL_REFERRAL.pending_ack", possible=("TR-20", "TR-20d", "TR-16", "TR-25"))
    thick = [wire for wire in picture.wires if wire.thick]
    assert {rule for wire in thick for rule in wire.rules} >= {"TR-20", "TR-20d", "TR-25"}
    assert all(wire.target != "SURGICAL_REFERRAL.sent" or ANYWHERE not in wire.sources for wire in thick)
    (box,) = [box for box in picture.boxes if box.here]
    assert [room.here for room in box.rooms] == [True, False]


def test_the_boxes_count_what_the_episodes_say(coordinator, store):
    page = coordinator.get("/pathway").text
    episodes, today = list(store.episodes()), NOW.date()
    for state in GUIDELINE.states:
        here = [e for e in episodes if e.state == state]
        late = [e for e in here if any(t.status == "open" and t.overdue_after < today for t in e.tasks)]
        box = page.split(f'data-state="{state}"')[1].split("</g>")[0]
        assert f"{len(here)} now" in box
        assert ("overdue" in box) is bool(late)
        assert not late or f"{len(late)} overdue" in box


def test_whoever_may_not_see_counts_sees_the_rules_without_them(signed_in):
    page = signed_in("administrator").get("/pathway")
    assert page.status_code == 200
    assert " now<" not in page.text
    assert "/?state=" not in page.text


@pytest.mark.parametrize("part", PAGES)
def test_every_citation_that_is_shown_resolves(coordinator, part):
    for cite in re.findall(r"<cite>([^<]+)</cite>", coordinator.get(f"/pathway/{part}").text):
        assert cite in GUIDELINE.sources
        assert not GUIDELINE.sources[cite].truncated


def test_every_line_of_every_source_is_there_and_those_cut_off_say_so(coordinator):
    page = coordinator.get("/pathway/sources").text
    for source in GUIDELINE.sources.values():
        row = page.split(f'<tr id="{source.id}">')[1].split("</tr>")[0]
        assert unescape(row).count(source.says) == 1
        assert ("cut off, never" in row) is source.truncated


def test_every_conflict_says_who_says_what_and_what_each_profile_chose(coordinator):
    page = coordinator.get("/pathway/conflicts").text
    for conflict in GUIDELINE.conflicts:
        part = unescape(page.split(f'id="{conflict["id"]}"')[1].split("</section>")[0])
        assert all(position["says"] in part for position in conflict["positions"])
        assert ("A clinician must confirm" in part) is conflict["needs_sign_off"]
        for name in conflict["parameters"]:
            chosen = [profile.parameters[name].value for profile in GUIDELINE.profiles.values()]
            row = part.split(f">{name}</th>")[1].split("</tr>")[0]
            assert row.count("≠") == sum(value != chosen[0] for value in chosen)


def test_no_profile_pretends_to_be_signed_off(coordinator):
    page = shown(coordinator.get("/pathway/profiles"))
    unsigned = [profile for profile in GUIDELINE.profiles.values() if not profile.sign_off]
    assert page.count("No clinician has signed this off.") == len(unsigned)


def test_everything_engineering_is_marked(coordinator):
    rules = unescape(coordinator.get("/pathway/rules").text)
    clocks = coordinator.get("/pathway/timers").text
    for rule in GUIDELINE.transitions:
        row = rules.split(f'<tr data-rule="{rule.id}"')[1].split("</th>")[0]
        assert ("[E]" in row) is rule.engineering
    for named in (GUIDELINE.timers, GUIDELINE.tasks):
        for code, row in named.items():
            head = clocks.split(f'<tr id="{code}">')[1].split("</th>")[0]
            assert ("[E]" in head) is row.engineering


def test_every_guard_of_the_rules_has_words():
    assert set(rule_words.guards()) == set(GUARDS)


def test_rules_say_how_often_they_fired_in_thirty_days(coordinator, store):
    moves = table(models.Move)
    with store.database.reading() as connection:
        fired = list(connection.scalars(select(moves.c.rule).where(moves.c.moved_at >= NOW - timedelta(days=30))))
    page = unescape(coordinator.get("/pathway/rules").text)
    for rule in {rule.id for rule in GUIDELINE.transitions}:
        group = page.split(f'<tbody id="{rule}">')[1].split("</tbody>")[0]
        (count,) = re.findall(r'rowspan="\d+">(?:<a [^>]+>)?(\d+)', group)
        assert int(count) == fired.count(rule)


def test_one_arrow_opens_its_own_rules_only(coordinator):
    page = coordinator.get("/pathway/rules?only=TR-06,TR-09,nonsense").text
    assert set(re.findall(r'<tr data-rule="([^"]+)"', page)) == {"TR-06", "TR-09"}


def test_clocks_are_shown_as_the_chosen_profile_has_them(coordinator):
    assert "3 calendar months after the start of conservative care" in shown(coordinator.get("/pathway/timers"))
    assert "21 days after the start of conservative care" in shown(coordinator.get("/pathway/timers?profile=seed-s0"))
