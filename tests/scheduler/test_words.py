"""The words of messages: what they say and must say, what a template may not do, and who has approved what."""

import json
import re
import tomllib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from jinja2 import TemplateError
from jinja2.sandbox import SecurityError
from typer.testing import CliRunner

from coordinator.cli import app, main
from pathway.errors import PathwayError
from persistence import models
from scheduler.digest import Digest, digest
from scheduler.letters import HEADINGS, facts, facts_for_patient, letter
from scheduler.outbox import deliver
from scheduler.placeholders import (
    CALLS_NOBODY,
    DIGEST,
    KINDS,
    LETTER,
    MARK,
    MOST_ITEMS,
    PATIENT,
    Finding,
    Owed,
    Placeholder,
    Reason,
    available,
    padded,
)
from scheduler.plain_html import read_html
from scheduler.reasons import OF_A_TASK, Matter
from scheduler.settle import settle_all
from scheduler.wording import FOLDER, LONGEST, read_template, sandbox
from scheduler.wording_checks import faults_in
from scheduler.words import NotApproved, WordsFaulty, approve, approved, built_in, load_words
from tests.scheduler.ward import GUIDELINE, LATE, ZONE, days, enrol, staff

STAFF = [name for name, kind in KINDS.items() if kind.audience == "staff"]
LETTERS = [name for name in STAFF if name != "digest"]
PATIENTS = [name for name, kind in KINDS.items() if kind.audience == "patient"]
DOCS = (Path(__file__).parents[2] / "docs" / "templates.md").read_text(encoding="utf-8")


def message(kind, words=None, **said):
    return (words or built_in()).message(kind, KINDS[kind].sample() | said, "P1-1:key", LATE)


def source(name):
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


@pytest.fixture
def site(tmp_path):
    """A site's folder: called with (file, source) it writes one more template and gives the folder."""
    folder = tmp_path / "our words"
    folder.mkdir()

    def write(file, text):
        (folder / file).write_text(text, encoding="utf-8")
        return folder

    return write


def faults(folder):
    with pytest.raises(WordsFaulty) as raised:
        load_words(folder)
    return [str(detail) for detail in raised.value.details]


def with_more(block, more, name="work"):
    """A built-in template with something more at the start of a block."""
    text = source(name)
    if block == "subject":
        return text.replace('subject = "', f'subject = "{more}')
    return text.replace(f"{block} = '''\n", f"{block} = '''\n{more}\n")


# ---------------------------------------------------------------- what is said


def test_an_overdue_letter_reads_as_it_always_did():
    said = message("overdue", patient="P1", episode="P1-1", calls_nobody=CALLS_NOBODY)
    assert said.subject == "[pathway] overdue: work for the coordinator"
    assert said.body == (
        "Obtain bone densitometry [E]\n\n"
        "Patient P1, episode P1-1: Conservative care\n\n"
        "Due 03-Feb-2026\nOverdue since 18-Feb-2026\n\n"
        "Why:\n  X0-01: What the cited source says, in our words.\n  X0-02: What another source says.\n\n"
        f"{MARK}\n\n{CALLS_NOBODY}\n\nSupports coordinators; does not replace clinical judgement.\n"
    )


def test_an_alert_of_the_house_has_no_patient_and_leaves_no_gaps():
    bare = {"patient": "", "episode": "", "state": "", "noticed": "", "reasons": (), "calls_nobody": ""}
    said = message("alert", **bare, topic="census", heading="Census", findings=(Finding("Because", "1 = 0"),))
    assert (said.subject, said.body.split("\n\n")[:2]) == ("[pathway] alert: census", ["Census", "Because: 1 = 0"])
    assert "Patient" not in said.body + said.html


def test_a_digest_reads_as_it_always_did():
    said = message("digest", news="")
    assert said.subject == "[pathway] digest: 1 red flags, 1 overdue, 1 due today, 0 due in 7 days"
    assert said.body.startswith(
        "Work of the role coordinator on 18-Feb-2026: 1 red flags, 1 overdue, 1 due today, 0 due in 7 days.\n\n"
        "RED FLAG  SAMPLE, Ann, SAMPLE-1\n  Red flag: a clinician must act now: due 18-Feb-2026\n  Why: X0-01\n\n"
        "SAMPLE, Bob, SAMPLE-2\n  Obtain bone densitometry [E]: 1 day overdue\n  Why: X0-01, X0-02\n\n"
        "Why:\n  X0-01: "
    )


def test_a_digest_marks_what_is_ours(store):
    enrol(store)
    settle_all(store, LATE)
    said = digest(store, LATE, "coordinator", zone=ZONE).message("k", LATE)
    for shown in (said.body, said.html):
        assert "Obtain bone densitometry [E]" in shown
        assert MARK in shown


def test_a_digest_tells_the_news_before_the_work():
    said = message("digest", news="After an outage: 2 sent.")
    assert "0 due in 7 days.\n\nAfter an outage: 2 sent.\n\nRED FLAG  SAMPLE, Ann" in said.body
    assert "After an outage: 2 sent." in read_html(said.html).text


URGENT = ("RED_FLAG", "LATE_RED_FLAG", "K-SURG-ACK", "K-LATE-RESULT", "K-RF-REVIEW", "K-FREETEXT")


def every_matter():
    """Each task, date and announcement of the guideline as an outbox row would tell it, patient and house."""
    at, state = datetime(2026, 2, 18, 8, tzinfo=UTC), GUIDELINE.states["REASSESSMENT"]
    episode = models.Episode(id="P1-1", patient_id="P1", state=state.id, zone=ZONE)
    task = models.Task(due=date(2026, 2, 3), overdue_after=date(2026, 2, 17), opened_at=at)
    detail = json.dumps({"flags": ["neuro"], "cites": ["S1-47"]})
    for kind in LETTERS:
        announced = [*HEADINGS, "FREE_TEXT_CONCERN"] if kind in ("alert", "notice") else GUIDELINE.timers
        for code in GUIDELINE.tasks if kind in OF_A_TASK else announced:
            row = models.Reminder(key="k", kind=kind, code=code, role="clinician", detail=detail, fired_at=at)
            yield Matter(row, episode, task if kind in OF_A_TASK else None)
            yield Matter(row)


def test_every_letter_of_the_guideline_cites_its_sources_marks_what_is_ours_and_ends_with_the_disclaimer():
    seen = 0
    for matter in every_matter():
        said, known = letter(matter, GUIDELINE, LATE), facts(matter, GUIDELINE, LATE)
        for shown in (said.body, read_html(said.html).text):
            plain = " ".join(shown.split())
            assert known["heading"] in plain
            assert plain.endswith(GUIDELINE.disclaimer)
            assert (MARK in plain) == ("[E]" in known["heading"])
            assert (CALLS_NOBODY in plain) == (matter.row.code in URGENT)
            assert all(f"{reason.id}{':' * (shown == said.body)}" in plain for reason in known["reasons"])
            assert all(reason.says in plain for reason in known["reasons"])
        seen += bool(known["reasons"])
    assert seen > 100


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_subject_and_a_brief_say_names_neither_a_person_nor_a_finding(kind):
    hidden = {name: p for name, p in KINDS[kind].placeholders.items() if p.mark in ("personal", "clinical")}
    secret = {name: value for name, value in padded(KINDS[kind], "SECRET", 2).items() if name in hidden}
    said = message(kind, **secret)
    assert "SECRET" not in said.subject + said.brief
    assert kind in PATIENTS or "SECRET" in said.body


@pytest.mark.parametrize("kind", LETTERS)
def test_a_brief_does_not_even_name_the_work(kind):
    assert "SECRET" not in message(kind, title="SECRET").brief
    assert "SECRET" not in message(kind, title="SECRET").subject


def test_html_escapes_what_it_is_told_and_plain_text_does_not():
    said = message("alert", findings=(Finding("Because", "<script>alert('x')</script> & more"),))
    assert "<script>" not in said.html
    assert "&lt;script&gt;" in said.html
    assert "<script>alert('x')</script> & more" in said.body


@pytest.mark.parametrize("kind", KINDS)
def test_html_fetches_nothing_and_says_what_the_text_says(kind):
    said = message(kind)
    assert re.findall(r"http|//|url\(|src=|href=|<link|<img|<script|@import|class=", said.html) == []
    assert said.html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert set(re.findall(r"\w+", said.body)) <= set(re.findall(r"\w+", read_html(said.html).text))


def test_a_subject_is_one_line_whatever_it_is_told():
    said = message("due", topic="work\r\nBcc: x@example.org\x00\x1b[31m\u2028 for us")
    assert said.subject == "[pathway] due: work Bcc: x@example.org[31m for us"


def test_half_a_character_and_control_characters_do_not_stop_a_letter():
    said = message("alert", findings=(Finding("Because", "torn \ud83d and \x07 beeping"),))
    assert "torn ? and  beeping" in said.body
    said.body.encode(), said.html.encode()


def test_a_fact_without_end_is_shortened_so_that_the_letter_goes_out():
    said = message("alert", findings=(Finding("Because", "x" * 1_000_000),))
    assert len(said.body) < 5_000
    assert "(shortened)" in said.body


def test_a_letter_that_would_be_endless_is_not_written():
    with pytest.raises(WordsFaulty, match=f"template 'announcement', text: it would be longer than {LONGEST} bytes"):
        message("alert", findings=(Finding("Because", "x" * 1_000),) * 200)


def test_a_letter_is_not_written_without_its_facts():
    with pytest.raises(WordsFaulty, match="kind 'patient-review' cannot be written without service_phone"):
        built_in().message("patient-review", {}, "k", LATE)
    with pytest.raises(WordsFaulty, match="'patient' is no kind of message; known are milestone"):
        built_in().message("patient", {}, "k", LATE)


def test_the_facts_of_a_letter_are_the_placeholders_that_are_documented(store):
    assert all(list(facts(matter, GUIDELINE, LATE)) == list(LETTER) for matter in every_matter())
    assert list(digest(store, LATE, "clinician").facts()) == list(DIGEST)
    assert list(facts_for_patient("01632 960 001")) == list(PATIENT)


@pytest.mark.parametrize("kind", PATIENTS)
def test_words_for_patients_give_nothing_away(kind):
    said = built_in().message(kind, facts_for_patient("01632 960 777"), "k", LATE)
    clinical = (
        r"fractur|vertebra|spin(e|al)|bone|osteo|pain|scan|mri|imaging|drug|malignan|red flag|overdue|patient|\[E\]"
    )
    for shown in (said.subject, said.brief, said.body, read_html(said.html).text):
        assert re.findall(clinical, shown, re.IGNORECASE) == []
    for shown in (said.brief, said.body, said.html):
        assert "01632 960 777" in shown
        assert "To stop these messages" in shown


# ---------------------------------------------------------------- a digest that is too long


def many(store, count):
    (item,) = [item for item in digest(store, LATE, "clinician").items if item.code == "K-REASSESS"]
    items = tuple(replace(item, name=f"SAMPLE, <{n}>", patient=f"N{n}") for n in range(count))
    return Digest("clinician", LATE.date(), items, GUIDELINE)


def test_a_long_digest_names_the_most_urgent_and_counts_the_rest(store):
    enrol(store)
    settle_all(store, LATE)
    said = many(store, MOST_ITEMS + 7).message("digest:clinician", LATE)
    for shown in (said.body, said.html):
        assert shown.count("Reassess the patient") == MOST_ITEMS
        assert f"N{MOST_ITEMS - 1}" in shown
        assert f"N{MOST_ITEMS}" not in shown
        assert "And 7 more, less urgent: the worklist has them all." in shown
    assert "&lt;3&gt;" in said.html
    assert f"{MOST_ITEMS + 7} overdue" in said.brief
    assert " more, less urgent" not in many(store, MOST_ITEMS).text()


def test_a_digest_that_would_grow_too_long_is_refused_before_the_morning_on_which_it_does(site):
    heavy = source("digest").replace("  {{ item.title }}", f"  {'x' * 1_000} {{{{ item.title }}}}")
    found = faults(site("digest.toml", heavy))
    assert [fault.partition("digest.toml: ")[2] for fault in found] == [
        f"template 'digest', text: it would be longer than {LONGEST} bytes"
    ]


# ---------------------------------------------------------------- what a template may not do

EVIL = [
    ("text", "{{ ''.__class__ }}", "line 1: there is no .__class__; only a record of a loop has parts"),
    ("text", "{{ heading.__class__ }}", "line 1: there is no heading.__class__"),
    ("text", "{% for x in reasons %}{{ x.__init__ }}{% endfor %}", "no placeholder 'x.__init__'; x has id, says"),
    ("text", "{% for i in range(10**9) %}{% endfor %}", "line 1: a loop runs over one of findings, reasons"),
    ("text", "{{ range(3) }}", "line 1: a call is not allowed"),
    ("text", "{{ 'x' * 10**9 }}", "line 1: arithmetic is not allowed"),
    ("text", "{{ 9**9**9 }}", "line 1: arithmetic is not allowed"),
    ("text", "{% include '/etc/passwd' %}", "line 1: include is not allowed"),
    ("text", "{% import 'work.toml' as x %}", "line 1: import is not allowed"),
    ("text", "{% from 'work.toml' import x %}", "line 1: import is not allowed"),
    ("text", "{% extends 'layout.html' %}", "line 1: extends is not allowed"),
    ("text", "{% block x %}{% endblock %}", "line 1: block is not allowed"),
    ("text", "{% macro x() %}{% endmacro %}", "line 1: macro is not allowed"),
    ("text", "{% set x = heading %}", "line 1: set is not allowed"),
    ("text", "{% set x %}y{% endset %}", "line 1: set is not allowed"),
    ("text", "{{ reasons[0] }}", "line 1: an index in brackets is not allowed"),
    ("text", "{{ heading is defined }}", "line 1: a test with `is` is not allowed"),
    ("text", "{{ ['x'] }}", "line 1: list is not allowed"),
    ("text", "{{ heading|format('x') }}", "no filter 'format' here; available are upper, lower, capitalize"),
    ("text", "{{ heading|trim('x') }}", "line 1: the filter 'trim' takes nothing in brackets here"),
    ("html", "{{ heading|safe }}", "html, line 1: there is no filter 'safe' here"),
    ("html", "{% autoescape false %}{{ heading }}{% endautoescape %}", "html: with or autoescape is not allowed"),
    ("text", "{% for x in reasons %}{% for y in reasons %}{% endfor %}{% endfor %}", "a loop inside a loop"),
    ("text", "{% for x in reasons recursive %}{% endfor %}", "`if` or `recursive` in its head is not allowed"),
    ("text", "{% for x in heading %}{% endfor %}", "line 1: a loop runs over one of findings, reasons"),
    ("text", "{{ reasons }}", "line 1: 'reasons' is a list; loop over it and show id, says"),
    ("text", "{{ reasons or 'none' }}", "'reasons' is a list; loop over it"),
    ("text", "{% for x in reasons %}{{ x }}{% endfor %}", "'x' is a record; show one of its parts id, says"),
    ("text", "\n\n{{ patent }}", "text, line 3: there is no placeholder 'patent'; available are kind, role, topic,"),
    ("text", "{% for x in rezons %}{{ x.id }}{% endfor %}", "there is no placeholder 'rezons'; available are kind"),
    ("text", "{% for x in reasons %}{{ x.sayz }}{% endfor %}", "no placeholder 'x.sayz'; x has id, says"),
    ("text", "{{ self }}", "there is no placeholder 'self'"),
    ("text", "{{ loop.index }}", "there is no placeholder 'loop'"),
    ("text", "{{ items }}", "there is no placeholder 'items'"),
    ("text", "{{ heading < 3 }}", "text: '<' not supported"),
    ("text", "{% if heading %}", "Unexpected end of template"),
    ("text", "\n{{ heading", "text, line 3: expected token"),
    ("text", "{{ " + "(" * 3_000 + "heading" + ")" * 3_000 + " }}", "text: it is nested too deeply"),
    ("text", "{% if heading %}" * 150 + "{% endif %}" * 150, "text: it is nested too deeply"),
    ("text", "{{ " + " and ".join(["heading"] * 3_000) + " }}", "text: it is nested too deeply"),
    ("text", "x" * 70_000, "characters; a template has at most 64000"),
    ("html", "<script>x</script>", "html: the tag <script> is not allowed; allowed are p, h1"),
    ("html", "<img>", "the tag <img> is not allowed"),
    ("html", '<a href="https://example.org">x</a>', "the tag <a> is not allowed"),
    ("html", '<p onclick="x()">x</p>', "the attribute onclick is not allowed"),
    ("html", '<p style="background-color: url(//example.org)">x</p>', "the style 'background-color: url(//example.org"),
    ("html", '<p style="display: none">x</p>', "the style 'display: none' is not allowed"),
    ("html", '<p align="{{ heading }}">x</p>', "the attribute align="),
    ("html", "<p align={{ heading }}>x</p>", "is not allowed"),
    ("html", "<p>x", "html: <p> is never closed"),
    ("html", "</p>", "html: </p> closes nothing that is open there"),
    ("html", "<!-- x -->", "a comment in HTML is not allowed"),
    ("html", "<!DOCTYPE html>", "the page around the content is built in"),
    ("subject", "{{ patient }}", "subject, line 1: 'patient' is personal and may not stand here; available are kind"),
    ("subject", "{{ heading }}", "subject, line 1: 'heading' is clinical and may not stand here"),
    ("subject", "{{ state if due else kind }}", "'due' is personal and may not stand here"),
    ("subject", "x" * 200, "subject: 239 characters with made-up facts; at most 200 are allowed"),
    ("brief", "{% if findings %}more{% endif %}", "brief, line 1: 'findings' is clinical and may not stand here"),
    ("brief", "{{ title }}", "brief, line 1: 'title' is clinical and may not stand here; available are kind, role,"),
    ("brief", "one\ntwo", "brief: 3 lines; at most 2 are allowed"),
    ("brief", "x" * 300, "at most 320 are allowed"),
]


@pytest.mark.parametrize(("block", "more", "sentence"), EVIL, ids=[sentence[:40] for _, _, sentence in EVIL])
def test_what_a_template_may_not_do_is_found_when_it_is_loaded(site, block, more, sentence):
    folder = site("ours.toml", with_more(block, more))
    found = faults(folder)
    assert any(sentence in fault for fault in found), found
    assert all(fault.startswith(f"{folder / 'ours.toml'}: ") for fault in found)


@pytest.mark.parametrize("more", ["{{ range(3) }}", "{{ patent }}", "{{ ''.__class__ }}", "{{ heading|safe }}"])
def test_the_sandbox_can_do_little_even_without_the_checks(more):
    with pytest.raises((TemplateError, SecurityError)):
        sandbox("text").from_string(more).render(heading="x")


def test_nothing_is_compiled_before_it_has_been_checked(site):
    """Compiling computes what is constant, however large."""
    file = site("ours.toml", with_more("text", "{{ 'x' * 10**9 }}")) / "ours.toml"
    template = read_template(file, site=True)
    assert faults_in(template)
    assert sorted(template._compiled) == ["brief", "html", "subject"]


def test_a_template_of_several_kinds_uses_what_all_of_them_have(site):
    both = source("digest").replace('kinds = ["digest"]', 'kinds = ["digest", "notice"]')
    found = faults(site("digest.toml", both))
    assert any("not each of digest, notice has 'line'; available are role" in fault for fault in found)
    assert set(available(("digest", "notice"), "brief")) == {"role", "engineering_mark", "calls_nobody", "disclaimer"}
    # A count in the one, a date of one patient in the other.
    leaking = both.replace('subject = "', 'subject = "{{ due }}')
    assert any(
        "subject, line 1: not each of digest, notice has 'due'" in fault
        for fault in faults(site("digest.toml", leaking))
    )


def test_words_for_patients_may_name_no_patient(site):
    found = faults(site("ours.toml", with_more("text", "Dear {{ patient }}", "patient-review")))
    assert found == [
        f"{found[0].partition(': ')[0]}: template 'patient-review', text, line 1: "
        + ("there is no placeholder 'patient'; available are service_phone")
    ]


# ---------------------------------------------------------------- what a template must say


def left_out(text, block, placeholder):
    """The source with every line gone that shows this placeholder in this block."""
    head, mark, rest = text.partition(f"{block} = '''\n")
    body, end, tail = rest.partition("'''")
    shown = re.compile(r"{{ (\w+ if )?" + placeholder)
    kept = "\n".join(line for line in body.split("\n") if not shown.search(line))
    assert kept != body
    return head + mark + kept + end + tail


def test_what_must_be_said_is_this():
    safety = ("reasons.id", "reasons.says", "engineering_mark", "calls_nobody", "disclaimer")
    for kind in LETTERS:
        assert (KINDS[kind].required, KINDS[kind].required_in) == (("heading", *safety), ("text", "html"))
    assert KINDS["digest"].required == ("items.title", "items.cites", *safety)
    for kind in PATIENTS:
        assert (KINDS[kind].required, KINDS[kind].required_in) == (("service_phone",), ("text", "html", "brief"))


MUST = [
    (template.name, block, required)
    for template in built_in().templates.values()
    for required in KINDS[template.kinds[0]].required
    for block in KINDS[template.kinds[0]].required_in
]


@pytest.mark.parametrize(("name", "block", "required"), MUST)
def test_a_template_that_leaves_a_part_of_safety_out_is_refused(site, name, block, required):
    shown = re.sub(r"^\w+s\.", lambda found: f"{found[0][:-2]}.", required)
    found = faults(site("ours.toml", left_out(source(name), block, re.escape(shown))))
    assert any(f"template '{name}', {block}: '{required}' is left out; a message of kind" in fault for fault in found)


HIDDEN = [
    "{% if findings %}{{ disclaimer }}{% endif %}",
    "{% if not reasons %}{{ disclaimer }}{% endif %}",
    "{% if kind != 'still overdue' %}{{ disclaimer }}{% endif %}",
    "{% if false %}{{ disclaimer }}{% endif %}",
    "{{ disclaimer|length }}",
    "{# {{ disclaimer }} #}",
    "{% raw %}{{ disclaimer }}{% endraw %}",
]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_must_be_said_must_always_be_said(site, hidden):
    changed = source("work").replace("{{ disclaimer }}\n", f"{hidden}\n")
    assert any("text: 'disclaimer' is left out" in fault for fault in faults(site("ours.toml", changed)))


def test_what_must_be_said_may_not_hide_in_an_attribute(site):
    changed = re.sub(r"<p[^>]*>{{ disclaimer }}</p>", '<p lang="{{ disclaimer }}">x</p>', source("work"))
    assert any("html: 'disclaimer' is left out" in fault for fault in faults(site("ours.toml", changed)))


def test_what_is_said_in_capitals_is_said(site):
    changed = source("work").replace("{{ heading }}", "{{ heading|upper }}")
    words = load_words(site("ours.toml", changed))
    assert message("due", words).body.startswith("OBTAIN BONE DENSITOMETRY [E]\n")


# ---------------------------------------------------------------- files and folders

FRONT = [
    ('version = "1"\n', "", "version is missing; expected name, version, audience"),
    ('version = "1"', 'version = " "', "version is ' '; expected a text that is not empty"),
    ('version = "1"', "version = 1", "version is 1; expected a text"),
    ('version = "1"', 'version = "1"\nbrif = "x"', "brif is not known; expected name, version"),
    ('name = "work"', 'name = "Our Work"', "name 'Our Work' does not have the form"),
    ('name = "work"', 'name = "work"\nlanguage = "<x>"', "language '<x>' does not have the form"),
    ('"staff"', '"everybody"', "audience is 'everybody'; expected staff or patient"),
    ('"repeat"', '"repeated"', "kind 'repeated' is not a kind of message to staff; expected some of milestone, due"),
    ('"staff"', '"patient"', "kind 'due' is not a kind of message to patient; expected some of patient-review"),
    ("kinds = [", "kinds = [[", "ours.toml: "),
    ('kinds = ["due", "overdue", "repeat", "escalation"]', "kinds = []", "kinds is []; expected a list such as"),
    ("brief = '''", "brief = ''''''\nother = '''", "brief is ''; expected a text that is not empty"),
    ("text = '''", "texts = '''", "text is missing; expected name"),
]


@pytest.mark.parametrize(("old", "new", "sentence"), FRONT, ids=[sentence[:40] for _, _, sentence in FRONT])
def test_a_front_part_that_is_wrong_is_refused_with_what_was_expected(site, old, new, sentence):
    text = source("work")
    assert old in text
    found = faults(site("ours.toml", text.replace(old, new, 1)))
    assert any("ours.toml: " in fault and sentence in fault for fault in found), found


def test_a_file_that_is_no_text_is_refused(site):
    folder = site("ours.toml", "")
    (folder / "ours.toml").write_bytes(b"\xff\xfe\x00")
    assert "can't decode byte" in faults(folder)[0]


def test_a_folder_without_templates_is_a_mistake(tmp_path):
    assert faults(tmp_path / "nowhere")[0].endswith(
        "there is no such folder, or no file in it whose name ends in .toml"
    )
    assert len(faults(tmp_path)) == 1


def test_two_templates_of_one_name_or_for_one_kind_are_refused(site):
    site("a.toml", source("work"))
    folder = site("b.toml", source("work"))
    assert f"{folder / 'a.toml'} and {folder / 'b.toml'} both have the name 'work'; expected one template for it" in (
        faults(folder)
    )
    folder = site("b.toml", source("work").replace('"work"', '"mine"').replace('"due", "overdue", "repeat", ', ""))
    assert [fault.partition(" both ")[2] for fault in faults(folder)] == [
        "have the kind 'escalation'; expected one template for it"
    ]


def test_a_template_that_replaces_one_built_in_serves_all_its_kinds(site):
    fewer = source("work").replace('"due", "overdue", ', "")
    assert faults(site("work.toml", fewer)) == [
        "the site's own template 'work' replaces the built-in one without due, overdue"
    ]


def test_every_fault_of_a_folder_is_named_at_once(site):
    site("a.toml", with_more("text", "{{ a }}{{ b }}").replace("html = '''", "html = '''<img>"))
    folder = site("b.toml", "nonsense")
    assert [Path(fault.partition(": ")[0]).name for fault in faults(folder)] == [*["a.toml"] * 4, "b.toml"]


def test_the_words_of_a_site_come_before_those_built_in(site, store, pigeon):
    words = load_words(site("work.toml", source("work").replace("[pathway]", "[our ward]")))
    (matter,) = [m for m in every_matter() if m.row.kind == "due" and m.row.code == "K-DXA" and m.episode]
    assert letter(matter, GUIDELINE, LATE, words).subject == "[our ward] due: work for the clinician"
    assert letter(matter, GUIDELINE, LATE).subject == "[pathway] due: work for the clinician"
    assert (words.of_kind("due").site, words.of_kind("alert").site) == (True, False)


def test_a_template_of_another_name_takes_over_the_kinds_that_it_serves(site):
    red = source("work").replace('"work"', '"red"').replace('"due", "overdue", "repeat", ', "")
    words = load_words(site("red.toml", red))
    assert (words.of_kind("escalation").name, words.of_kind("due").name) == ("red", "work")
    assert words.kinds_of(words.named("work")) == ("due", "overdue", "repeat")


def test_a_digest_can_be_said_in_the_words_of_a_site(site, store):
    words = load_words(site("digest.toml", source("digest").replace("Nothing is owed today.", "All quiet.")))
    found = digest(store, LATE, "clinician")
    assert "All quiet." in found.message("k", LATE, words).body
    assert "Nothing is owed today." in found.text()


def test_an_outbox_sends_html_and_brief_beside_the_text(store, pigeon):
    staff(store)
    enrol(store)
    settle_all(store, LATE)
    deliver(store, [pigeon], LATE, limit=500)
    assert pigeon.letters
    for sent in pigeon.letters:
        assert "P1-1" in sent.html
        assert "P1" not in sent.brief + sent.subject
        assert 0 < len(sent.brief.splitlines()) <= 2


# ---------------------------------------------------------------- approval

REVIEW = "patient-review"


def standing(store, words):
    with store.database.reading() as connection:
        found = approved(connection, words.named(REVIEW))
    return found and (found.approved_by, found.approved_at, found.version)


def test_no_wording_is_approved_before_a_person_has_done_so(store):
    assert standing(store, built_in()) is None
    approve(store, built_in(), REVIEW, " Dr C. Sample ", LATE)
    assert standing(store, built_in()) == ("Dr C. Sample", LATE, "1")


def test_another_wording_is_not_approved_and_the_old_one_still_is(store, site):
    approve(store, built_in(), REVIEW, "Dr C. Sample", LATE)
    words = load_words(site("ours.toml", source(REVIEW).replace("Please call us", "Call us")))
    assert standing(store, words) is None
    approve(store, words, REVIEW, "Dr D. Sample", LATE + days(1))
    assert standing(store, words) == ("Dr D. Sample", LATE + days(1), "1")
    assert standing(store, built_in()) == ("Dr C. Sample", LATE, "1")


def test_the_first_approval_of_a_wording_is_the_one_that_counts(store):
    approve(store, built_in(), REVIEW, "Dr C. Sample", LATE)
    again = approve(store, built_in(), REVIEW, "Dr D. Sample", LATE + timedelta(days=1))
    assert (again.approved_by, again.approved_at) == ("Dr C. Sample", LATE)


@pytest.mark.parametrize(
    ("name", "by", "sentence"),
    [("work", "Dr C. Sample", "is for staff"), (REVIEW, "  ", "must be named"), ("nope", "x", "no template 'nope'")],
)
def test_what_cannot_be_approved_is_refused(store, name, by, sentence):
    with pytest.raises(PathwayError, match=sentence) as raised:
        approve(store, built_in(), name, by, LATE)
    assert isinstance(raised.value, NotApproved | WordsFaulty)
    assert standing(store, built_in()) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Please call us", "Please phone us"),
        ('version = "1"', 'version = "2"'),
        ("A message from your care team", "A message"),
        ("To stop these messages, call the same", "To stop them, call the same"),
        ('audience = "patient"', 'audience = "patient"\nlanguage = "cy"'),
        ("To stop these messages, call {{ service_phone }};", "To stop this, call {{ service_phone }};"),
    ],
)
def test_a_fingerprint_changes_with_every_word(site, old, new):
    assert source(REVIEW).replace(old, new) != source(REVIEW)
    words = load_words(site("ours.toml", source(REVIEW).replace(old, new)))
    assert words.named(REVIEW).fingerprint != built_in().named(REVIEW).fingerprint


def test_a_fingerprint_stays_when_nothing_that_is_said_changes(site):
    folder = site("ours.toml", "")
    same = "# Another remark.\n" + source(REVIEW).replace("is due.\n", "is due.  \n")
    (folder / "ours.toml").write_bytes(same.replace("\n", "\r\n").encode())
    assert load_words(folder).named(REVIEW).fingerprint == built_in().named(REVIEW).fingerprint


# ---------------------------------------------------------------- the command line


@pytest.fixture
def pathway(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATHWAY_DATABASE", f"sqlite:///{tmp_path}/words.db")

    def run(*typed):
        return CliRunner().invoke(app, list(typed))

    assert run("init").exit_code == 0
    return run


def test_list_says_who_approved_what(pathway):
    assert pathway("template", "approve", REVIEW, "--by", "Dr C. Sample", "--as", "clinician").exit_code == 0
    shown = pathway("template", "list").stdout
    assert re.search(
        r"patient-review +1 +patient +patient-review +built-in \S+ +approved by Dr C\. Sample, \d\d-", shown
    )
    assert re.search(r"patient-missed .* not approved: it is not sent", shown)
    assert re.search(r"work +1 +staff +due, overdue, repeat, escalation +built-in work\.toml +needs no approval", shown)
    found = {row["name"]: row for row in json.loads(pathway("template", "list", "--json").stdout)}
    assert (found[REVIEW]["approved_by"], found["patient-missed"]["approved_by"]) == ("Dr C. Sample", None)


@pytest.mark.parametrize("role", [(), ("--as", "coordinator"), ("--as", "lead"), ("--as", "Clinician")])
def test_only_a_clinician_approves(pathway, role):
    refused = pathway("template", "approve", REVIEW, "--by", "C. Sample", *role)
    assert refused.exit_code == 2
    assert "only a clinician approves words for patients" in refused.stderr
    assert "approved by" not in pathway("template", "list").stdout


def test_preview_shows_made_up_facts_and_whether_it_is_approved(pathway):
    shown = pathway("template", "preview", REVIEW).stdout
    assert "Made-up facts. patient-review, version 1, for patient, kind patient-review; not approved" in shown
    assert "Subject:\nA message from your care team" in shown
    pathway("template", "approve", REVIEW, "--by", "Dr C. Sample", "--as", "clinician")
    assert "approved by Dr C. Sample" in pathway("template", "preview", REVIEW).stdout
    page = pathway("template", "preview", "work", "--kind", "escalation", "--html")
    assert page.stdout.startswith("<!DOCTYPE html>")
    assert "SAMPLE-1" in page.stdout
    assert "Made-up facts. work" in page.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_previewed(pathway, kind):
    name = built_in().of_kind(kind).name
    assert f"kind {kind};" in pathway("template", "preview", name, "--kind", kind).stdout


def test_preview_refuses_a_kind_that_a_template_does_not_serve(pathway):
    refused = pathway("template", "preview", "digest", "--kind", "alert")
    assert (refused.exit_code, "--kind 'alert' is not served by digest; expected one of digest." in refused.stderr) == (
        2,
        True,
    )


def test_check_prints_every_fault_and_ends_with_1(pathway, site):
    site("a.toml", with_more("text", "{{ a }}"))
    folder = site("b.toml", with_more("html", "<img>").replace('"work"', '"other"'))
    found = pathway("template", "check", str(folder))
    assert found.exit_code == 1
    assert "there is no placeholder 'a'" in found.stdout
    assert "the tag <img> is not allowed" in found.stdout
    assert len(json.loads(pathway("template", "check", str(folder), "--json").stdout)["faults"]) > 2
    (folder / "a.toml").unlink()
    site("b.toml", source("work"))
    sound = pathway("template", "check", str(folder))
    assert (sound.exit_code, sound.stdout) == (0, "No faults.\n")


def test_a_site_with_faulty_words_is_told_in_one_line(pathway, site, monkeypatch, capsys):
    monkeypatch.setenv("PATHWAY_TEMPLATES", str(site("a.toml", with_more("text", "{{ a }}"))))
    monkeypatch.setattr("sys.argv", ["pathway", "template", "list"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n")) == (2, 1)
    assert "The wording of messages cannot be used: " in said


# ---------------------------------------------------------------- the page about it


def form(placeholder: Placeholder) -> str:
    if placeholder.is_list:
        return f"list of {', '.join(placeholder.parts)}, may be empty"
    if isinstance(placeholder.example, int):
        return "number"
    return "text, may be empty" if placeholder.may_be_empty else "text"


def test_the_page_names_every_placeholder_as_it_is():
    rows = [
        f"| `{p.name}` | {p.says} | {form(p)} | {p.mark} |"
        for table in (LETTER, DIGEST, PATIENT)
        for p in table.values()
    ]
    assert [row for row in DOCS.splitlines() if row.startswith("| `") and row.count("|") == 5] == rows
    for kind in ("due", "digest", REVIEW):
        required = ", ".join(f"`{name}`" for name in KINDS[kind].required)
        assert re.search(
            rf"{', '.join(KINDS[kind].required_in[:-1])} and {KINDS[kind].required_in[-1]}:\s{required}", DOCS
        )
    assert [kind for kind in KINDS if f"`{kind}`" not in DOCS] == []


def test_the_template_on_the_page_can_be_used(site):
    (example,) = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
    assert tomllib.loads(example)["name"] == "work"
    assert message("overdue", load_words(site("work.toml", example))).body.startswith(
        "Obtain bone densitometry [E]\n\nDue"
    )


def test_the_records_of_a_list_have_the_parts_that_are_documented():
    assert (LETTER["reasons"].parts, LETTER["findings"].parts) == (("id", "says"), ("label", "says"))
    assert isinstance(LETTER["reasons"].example[0], Reason)
    assert isinstance(DIGEST["items"].example[0], Owed)
