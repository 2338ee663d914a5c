"""A coordinator's day in a real browser: from the red flag of the morning to the printed page and the hand-over."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.journeys.people import pain
from tests.web.people import NAME, NUMBER, days_ago, episode, flagged, in_care, told

PATH = f"/patient/{NUMBER}"
OTHER = "9990000026"


@pytest.fixture
def people(store):
    """One with a red flag since this morning, and one whose care runs and whose calcium is owed."""
    flagged(store)
    in_care(store, OTHER)
    told(store, pain(6), days_ago(12), OTHER)
    return store


def section(page: Page, heading: str):
    return page.locator("section", has=page.get_by_role("heading", name=heading, exact=True, level=2))


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_a_day(opened, people, java_script_enabled):
    page = opened("coordinator", java_script_enabled=java_script_enabled)
    # The list of the morning names the red flag; opening it says why.
    expect(page.get_by_role("heading", level=1)).to_contain_text("Today")
    row = page.locator("tr", has=page.get_by_role("link", name=NAME)).filter(has_text="Red flag").first
    expect(row).to_contain_text("999 000 0018")
    row.get_by_role("link", name=NAME, exact=True).click()
    todo = section(page, "Do next")
    expect(todo).to_contain_text("This program does not call anyone. Phone now.")
    todo.locator("summary").first.click()
    expect(todo.locator("details").first).to_contain_text("closes when a clinician acknowledges or overrules the flag")

    # Called the patient: nobody answered, then they did.
    expect(section(page, "Timeline").locator(".timeline").first.locator("> li")).to_have_count(5)
    todo.get_by_role("button", name=re.compile("^No answer")).last.click()
    expect(page.locator(".saved")).to_contain_text("Talk with the patient: no answer")
    expect(page.locator(".banner")).to_contain_text("(no answer)")
    expect(section(page, "Timeline").locator(".timeline").first.locator("> li")).to_have_count(6)

    # The other patient: symptoms that move them, and work that closes.
    page.goto(f"/patient/{OTHER}")
    expect(section(page, "Do next")).to_contain_text("Record calcium and vitamin D intake")
    page.get_by_role("link", name="Record: Calcium and vitamin D intake").click()
    page.get_by_label("Calcium, elemental").fill("1200")
    page.get_by_label("Vitamin D", exact=False).last.fill("800")
    page.get_by_role("button", name=re.compile("^Save")).click()
    expect(page.locator(".saved")).to_contain_text("Work closed: Record calcium and vitamin D intake")
    expect(section(page, "Do next")).not_to_contain_text("Record calcium and vitamin D intake")
    page.get_by_role("link", name="Record symptoms").click()
    page.get_by_label("Pain now, 0 to 10").fill("7")
    page.get_by_role("group", name=re.compile("New or different symptoms")).get_by_label("Yes").check()
    page.get_by_role("button", name=re.compile("^Save")).click()
    expect(page.locator(".saved")).to_contain_text("Moved to Imaging review")
    expect(page.locator(".banner")).to_contain_text("Imaging review")

    # That was the wrong patient: undone, and the page says what stays.
    page.locator(".saved").get_by_role("button", name=re.compile("^Undo")).click()
    expect(page.locator(".saved")).to_contain_text(
        "The move to Imaging review stays: a clinician decides what follows."
    )
    expect(section(page, "Timeline")).to_contain_text("taken back by A. Coordinator on 16-Mar-2026")

    # Handed over to a colleague, and printed.
    page.get_by_role("link", name="Hand over to a colleague").click()
    page.get_by_label("Who looks after the patient from now on?").select_option("A. Lead")
    page.get_by_role("button", name=re.compile("^Save")).click()
    expect(page.locator(".banner")).to_contain_text("Looked after by A. Lead")
    page.emulate_media(media="print")
    expect(page.locator("header.site")).to_be_hidden()
    expect(page.get_by_role("button").first).to_be_hidden()
    expect(page.locator(".onpaper")).to_contain_text("Printed 16-Mar-2026 07:30 by A. Coordinator. Confidential waste.")
    expect(page.locator(".banner")).to_be_visible()
    assert episode(people, OTHER).owner == "A. Lead"


def test_a_form_opens_in_a_dialog_that_names_the_patient_and_closes_with_escape(opened, people):
    page = opened("coordinator")
    page.goto(f"/patient/{OTHER}")
    page.get_by_role("link", name="Record symptoms").click()
    dialog = page.locator("dialog#sheet")
    expect(dialog).to_be_visible()
    expect(dialog.locator(".banner")).to_contain_text("SAMPLE, Ada")
    expect(page).to_have_url(re.compile(rf"/patient/{OTHER}$"))
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_red_flag_questions_are_walked_by_keyboard_alone(opened, people, java_script_enabled):
    page = opened("coordinator", java_script_enabled=java_script_enabled)
    page.goto(f"/patient/{OTHER}/red-flags")
    for number, name in enumerate(page.locator("form[action$=red-flags] fieldset").all()):
        name.get_by_label("Yes" if number == 0 else "Not asked").focus()
        page.keyboard.press("Space")
    page.get_by_role("button", name="Look at the answers").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your answers")
    expect(section(page, "What follows if you save")).to_contain_text("Moves to Surgical referral")
    assert page.evaluate("document.activeElement.tagName") == "BODY"
    page.get_by_role("button", name=re.compile("^Save this for SAMPLE")).click()
    expect(page.locator(".banner")).to_contain_text("Surgical referral")
