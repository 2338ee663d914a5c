"""The worklist on a screen: its order, its filters, why a row is there, and what is done for many rows at once."""

import gzip
import re
from datetime import timedelta
from html import unescape

import pytest

from coordinator.web.pages import today
from pathway.journal import Step
from persistence.changes import MOST
from persistence.work_page import View, work_page
from tests.web.conftest import NOW


def shown(page) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def keys(page) -> list[str]:
    return re.findall(r'name="row" value="([^"]+)"', page.text)


def rows(store, **view):
    return work_page(store, NOW, View(**view)).rows


def test_red_flags_stand_first_and_then_what_is_most_overdue(coordinator, store):
    found = keys(coordinator.get("/"))
    expected = [f"{r.item.episode} {r.item.code} {r.task_n} {r.version}" for r in rows(store)]
    assert found == expected
    assert rows(store)[0].item.red_flag


def test_each_row_names_the_patient_by_two_identifiers_and_says_when_it_was_due(coordinator, store):
    page = shown(coordinator.get("/?due=overdue"))
    item = rows(store, tab="overdue")[0].item
    assert item.name in page
    assert f"{item.patient[:3]}\N{NO-BREAK SPACE}{item.patient[3:6]}" in coordinator.get("/?due=overdue").text
    assert f"▲ {item.days_overdue} day" in page


def test_why_stands_in_the_row_with_rule_closing_and_sources_and_needs_no_script(coordinator, store):
    page = coordinator.get("/")
    (first, *_more) = re.findall(r"<details class=\"why\">.*?</details>", page.text, re.DOTALL)
    item = rows(store)[0].item
    said = unescape(first)
    assert f"Rule {item.code}" in said
    assert "closes when" in said
    for cite in item.cites:
        assert cite in said
        assert store.engine.guideline.sources[cite].says in said


def test_the_tabs_count_what_they_open(coordinator):
    page = coordinator.get("/?due=all&size=200")
    for href, count in re.findall(r'href="(/\?due=\w+&amp;size=200)"[^>]*>[^<]+<b>(\d+)</b>', page.text):
        opened = coordinator.get(unescape(href))
        assert len(keys(opened)) == min(int(count), 200)


@pytest.mark.parametrize("query", ["state=SURVEILLANCE", "owner=B.+Hughes+%28demo%29", "role=clinician", "red=1"])
def test_a_filter_is_in_the_address_and_in_words_on_the_page(coordinator, store, query):
    name, value = query.split("=")
    page = coordinator.get(f"/?due=all&size=200&{query}")
    view = {"state": {"state": value}, "role": {"role": value}, "red": {"red_only": True}}
    view["owner"] = {"owners": ("B. Hughes (demo)",)}
    expected = work_page(store, NOW, View("all", **view[name]), size=200)
    assert len(keys(page)) == expected.total > 0
    assert len(keys(page)) < work_page(store, NOW, View("all")).total


def test_a_patient_is_found_by_part_of_the_name_by_number_and_by_birth_date(coordinator, store):
    item = rows(store)[0].item
    for typed in (item.name.split(",")[0].lower(), item.patient, item.birth_date.strftime("%d-%b-%Y")):
        found = keys(coordinator.get("/", params={"due": "all", "q": typed}))
        assert any(key.startswith(item.episode) for key in found), typed


def test_what_an_address_asks_for_and_nobody_understands_is_said(coordinator):
    page = shown(coordinator.get("/?due=yesterday&state=NOWHERE&size=7"))
    for value in ("yesterday", "NOWHERE", "7"):
        assert f"“{value}” is not known here, so it was left out." in page


def test_a_clinician_begins_with_the_work_of_clinicians_and_can_see_all_of_it(clinician, store):
    answer = clinician.get("/")
    assert answer.headers["location"] == "/?due=now&role=clinician"
    page = clinician.get(answer.headers["location"])
    assert "work of the clinician" in shown(page)
    assert len(keys(page)) == work_page(store, NOW, View(role="clinician")).total
    assert len(keys(clinician.get("/?due=now"))) == min(50, work_page(store, NOW, View()).total)


@pytest.mark.parametrize(
    ("address", "said", "way_out"),
    [
        ("/?due=aside", "Nothing is set aside until a later day.", "/?due=all"),
        ("/?due=all&q=nobodyhasthisname", "No open work fits these filters.", "/?due=all"),
        ("/?due=all&page=900", "This page is after the last", "/?due=all"),
        ("/?due=week&state=DECEASED", "No open work fits these filters.", "/?due=all"),
    ],
)
def test_an_empty_list_says_why_and_gives_the_way_out(coordinator, address, said, way_out):
    page = coordinator.get(address)
    assert said in shown(page)
    assert f'href="{way_out}"' in page.text


def test_a_list_of_more_than_a_page_goes_on(coordinator, store):
    first, second = coordinator.get("/?due=all&size=25"), coordinator.get("/?due=all&size=25&page=2")
    assert len(keys(first)) == 25
    assert not set(keys(first)) & set(keys(second))
    assert 'href="/?due=all&amp;size=25&amp;page=2"' in first.text


def test_somebody_with_a_namesake_carries_a_name_alert(coordinator, store):
    item = rows(store)[0].item
    assert "Name alert" not in coordinator.get("/", params={"q": item.patient}).text
    person = store.person(item.patient)
    other = next(p for p in store.patients() if p != item.patient)
    with store.database.writing() as connection:
        values = {"surname": person.surname, "given": person.given, "name_key": person.name_key, "other": other}
        said = "UPDATE patient SET surname = :surname, given = :given, name_key = :name_key WHERE id = :other"
        connection.exec_driver_sql(said, values)
    assert "Name alert: another patient has this name" in coordinator.get("/", params={"q": item.patient}).text


# ---------------------------------------------------------------- why not?


def test_a_patient_who_is_not_on_my_list_is_told_of_with_every_reason(coordinator, store):
    item = rows(store, tab="now", role="coordinator")[-1].item
    asked = {"due": "overdue", "role": "clinician", "owner": "Somebody Else", "who": item.patient}
    page = shown(coordinator.get("/work/why-not", params=asked))
    assert item.name in page
    assert f"✗ Not on the list : {item.title}" in page
    assert f"The patient is looked after by {item.owner}." in page
    assert "It is work of a coordinator." in page
    here = shown(coordinator.get("/work/why-not", params={"who": item.patient}))
    assert f"✓ On the list : {item.title}" in here


def test_the_question_keeps_the_filters_of_the_list_it_was_asked_from(coordinator):
    page = coordinator.get("/?due=week&role=clinician&state=SURVEILLANCE&size=25").text
    (form,) = re.findall(r'<form action="/work/why-not".*?</form>', page, re.DOTALL)
    kept = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    assert kept == {"due": "week", "role": "clinician", "state": "SURVEILLANCE", "size": "25"}


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("", "Type who is meant"),
        ("nobodyhasthisname", "Nobody here fits “nobodyhasthisname”: perhaps the fracture was never registered."),
        ("demo", "people fit; these are the first. Type more of the name."),
    ],
)
def test_a_question_about_nobody_or_too_many_says_so(coordinator, who, said):
    assert said in shown(coordinator.get("/work/why-not", params={"who": who}))


# ---------------------------------------------------------------- many at once


def hand_over(browser, ticked, to="B. Hughes (demo)", **more):
    return browser.post("/work/selected", data={"row": ticked, "do": "assign", "to": to, "back": "/?due=now", **more})


def owner_of(store, key: str) -> str:
    (episode,) = store.episodes([key.split(maxsplit=1)[0]])
    return episode.owner


def test_ticked_patients_are_handed_over_each_once(coordinator, store):
    ticked = keys(coordinator.get("/"))[:5]
    answer = hand_over(coordinator, ticked)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?due=now"
    page = shown(coordinator.get("/?due=now"))
    count = len({key.split()[0] for key in ticked})
    assert f"{count} patients were handed to B. Hughes (demo)." in page
    assert "were handed to" not in shown(coordinator.get("/?due=now"))
    assert {owner_of(store, key) for key in ticked} == {"B. Hughes (demo)"}


def test_one_that_somebody_changed_meanwhile_is_refused_by_name_and_the_others_are_done(coordinator, store):
    first, second = list(keys(coordinator.get("/")))[:2]
    patient, _dash, n = first.split()[0].rpartition("-")
    step = Step("admin", "contact", {"outcome": "reached"}, by="A. Colleague")
    store.record(patient, step, NOW, episode_n=int(n))
    answer = hand_over(coordinator, [first, second], to="P. Lindqvist (demo)")
    assert answer.status_code == 409
    said = shown(answer)
    assert "1 was refused and is as it was before. 1 patient was handed to P. Lindqvist (demo)." in said
    assert "A. Colleague saved contact" in said
    assert owner_of(store, second) == "P. Lindqvist (demo)"
    assert owner_of(store, first) != "P. Lindqvist (demo)"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"row": []}, "No row is ticked, so nothing was saved."),
        ({"to": ""}, "Choose who takes the patients over; nothing was saved."),
        ({"until": "+7"}, "Empty the one you do not mean; nothing was saved."),
        ({"do": "dismiss"}, "It was not said what to do with the ticked rows; nothing was saved."),
        ({"do": "look-again", "to": "", "until": "soon"}, "Say why it can wait; nothing was saved."),
        ({"do": "look-again", "to": "", "because": "x"}, "a day is needed. Nothing was saved."),
    ],
)
def test_what_is_not_clear_saves_nothing_and_keeps_what_was_typed_and_ticked(coordinator, store, fields, said):
    ticked = keys(coordinator.get("/"))[:2]
    before = [owner_of(store, key) for key in ticked]
    answer = hand_over(coordinator, ticked, **fields)
    assert answer.status_code == 422
    assert said in shown(answer)
    for key in fields.get("row", ticked):
        assert re.search(f'value="{re.escape(key)}"[^>]* checked', answer.text)
    if fields.get("until"):
        assert f'value="{fields["until"]}"' in answer.text
    assert [owner_of(store, key) for key in ticked] == before


def test_ticked_work_is_set_aside_until_a_day_and_comes_back_on_it(coordinator, signed_in, store, clock):
    ticked = [f"{r.item.episode} {r.item.code} {r.task_n} {r.version}" for r in rows(store) if not r.item.red_flag][:3]
    fields = {"row": ticked, "do": "look-again", "until": "+7", "because": "the scan is booked", "back": "/?due=now"}
    assert coordinator.post("/work/selected", data=fields).headers["location"] == "/?due=now"
    page = coordinator.get("/?due=now")
    assert "3 tasks were set aside until Mon\N{NO-BREAK SPACE}23-Mar-2026." in page.text
    works = {tuple(key.split()[:2]) for key in ticked}
    assert not works & {tuple(key.split()[:2]) for key in keys(page)}
    aside = coordinator.get("/?due=aside")
    assert works == {tuple(key.split()[:2]) for key in keys(aside)}
    assert "Set aside until" in aside.text
    clock.now += timedelta(days=7)
    assert works <= {tuple(key.split()[:2]) for key in keys(signed_in("coordinator").get("/?due=now&size=200"))}


def test_red_flag_work_cannot_be_set_aside_and_says_so(coordinator, store):
    red = next(r for r in rows(store) if r.item.red_flag)
    key = f"{red.item.episode} {red.item.code} {red.task_n} {red.version}"
    fields = {"row": [key], "do": "look-again", "until": "+7", "because": "busy", "back": "/"}
    answer = coordinator.post("/work/selected", data=fields)
    assert answer.status_code == 409
    assert "is red-flag work, which is never set aside" in shown(answer)
    assert any(r.item.episode == red.item.episode for r in rows(store))


# ---------------------------------------------------------------- live, and light


def test_a_page_that_stands_open_is_told_how_many_patients_changed_and_by_whom_not(coordinator, store, clock):
    (address,) = re.findall(r'data-changes="([^"]+)"', coordinator.get("/").text)
    assert coordinator.get(unescape(address)).json()["count"] == 0
    clock.now += timedelta(minutes=1)
    others = [r.item for r in rows(store)][:2]
    for item, by in zip(others, ("A. Colleague", "A. Coordinator"), strict=True):
        step = Step("admin", "contact", {"outcome": "reached"}, by=by)
        store.record(item.patient, step, clock.now, episode_n=item.n, catch_up=False)
    answer = coordinator.get(unescape(address)).json()
    assert answer == {"count": 1, "said": "1 patient has changed since"}


def test_where_very_many_changed_it_says_more_than_so_many(coordinator, monkeypatch):
    monkeypatch.setattr(today, "changed_since", lambda *_, **__: MOST + 1)
    answer = coordinator.get("/changes", params={"since": NOW.isoformat()}).json()
    assert answer == {"count": MOST + 1, "said": f"More than {MOST} patients have changed since"}


def test_asking_what_changed_keeps_no_browser_unlocked(coordinator, house, clock):
    for _minutes in range(house.settings.idle_minutes + 1):
        clock.now += timedelta(minutes=1)
        coordinator.get("/changes", params={"since": NOW.isoformat()})
    assert coordinator.get("/").headers["location"].startswith("/locked")


def test_the_first_load_of_fifty_rows_is_at_most_twenty_kilobytes_on_the_wire(coordinator):
    page = coordinator.get("/?due=all&size=50")
    assert len(keys(page)) == 50
    files = re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js|svg)[^"]*)"', page.text)
    assert len(files) == 3
    sent = [page.text, *(coordinator.get(file).text for file in files)]
    assert sum(len(gzip.compress(text.encode(), 9)) for text in sent) <= 20_000
    assert page.headers["content-encoding"] == "gzip"


def test_an_answer_says_how_long_the_server_took(coordinator):
    assert re.fullmatch(r"app;dur=\d+\.\d", coordinator.get("/").headers["server-timing"])
