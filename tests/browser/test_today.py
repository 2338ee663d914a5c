"""Today in a real browser: by keyboard alone, standing open, without JavaScript, and through the lock."""

from datetime import timedelta

from playwright.sync_api import Page, expect

from pathway.journal import Step
from persistence.work_page import View, work_page
from tests.web.conftest import NOW, PASSWORD

# One promise, not a condition asked again and again: asking again means `eval`, which our pages forbid.
PAINTED = """() => new Promise((seen, missed) => {
  new PerformanceObserver((paints) => {
    if (paints.getEntriesByName("first-contentful-paint").length) seen();
  }).observe({ type: "paint", buffered: true });
  setTimeout(() => missed(new Error("nothing was painted within 10 seconds")), 10000);
})"""


def listens(page: Page) -> None:
    """Wait until a key is heard: the script has run (it shows the button), and the browser, which drops what is
    pressed before the first paint of a page, has painted."""
    expect(page.locator("[data-print]")).to_be_visible()
    page.evaluate(PAINTED)


def test_the_list_is_worked_by_keyboard_and_the_form_opens_over_it(opened):
    page = opened("coordinator")
    listens(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator("tr[data-row]").nth(1)
    expect(second).to_have_attribute("aria-selected", "true")
    page.keyboard.press("x")
    expect(second.locator("input[type=checkbox]")).to_be_checked()
    page.keyboard.press("r")
    expect(page.locator("dialog#sheet")).to_be_visible()
    name = second.locator("a.name").inner_text()
    expect(page.locator("dialog#sheet")).to_contain_text(name)
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()


def test_letters_that_are_typed_into_a_field_are_no_shortcuts(opened):
    page = opened("coordinator")
    page.locator("#q").fill("")
    page.locator("#q").press_sequentially("xrj")
    expect(page.locator("#q")).to_have_value("xrj")
    expect(page.locator("dialog#sheet")).to_be_hidden()


def test_shortcuts_that_are_turned_off_do_nothing(opened):
    page = opened("coordinator")
    page.goto("/account")
    page.get_by_role("button", name="Turn them off").click()
    page.goto("/")
    listens(page)
    page.keyboard.press("j")
    expect(page.locator("tr[aria-selected=true]")).to_have_count(0)


def test_a_list_that_stands_open_says_quietly_that_something_changed_and_moves_no_row(opened, store, clock):
    page = opened(None)
    page.clock.install()
    page.goto("/sign-in")
    page.fill("#email", "coordinator@example.org")
    page.fill("#password", PASSWORD)
    page.click("main button.primary")
    before = page.locator("tr[data-row] a.name").all_inner_texts()
    item = work_page(store, NOW, View()).rows[0].item
    clock.now += timedelta(minutes=1)
    step = Step("admin", "contact", {"outcome": "reached"}, by="A. Colleague")
    store.record(item.patient, step, clock.now, episode_n=item.n, catch_up=False)
    expect(page.locator("[data-changes]")).to_be_hidden()
    page.clock.run_for(61_000)
    expect(page.locator("[data-changes]")).to_contain_text("1 patient has changed since")
    assert page.locator("tr[data-row] a.name").all_inner_texts() == before
    page.get_by_role("link", name="Refresh the list").click()
    expect(page.locator("[data-changes]")).to_be_hidden()


def test_why_and_handing_over_work_without_javascript(opened, store):
    page = opened("coordinator", java_script_enabled=False)
    row = page.locator("tr[data-row]").first
    row.locator("details.why summary").click()
    expect(row.locator("details.why")).to_contain_text("closes when")
    row.locator("input[type=checkbox]").check()
    name = row.locator("a.name").inner_text()
    page.locator("#to").select_option("P. Lindqvist (demo)")
    page.get_by_role("button", name="Assign").click()
    expect(page.locator("#said")).to_contain_text("1 patient was handed to P. Lindqvist (demo).")
    expect(page.locator("tr[data-row]", has_text=name).first).to_contain_text("P. Lindqvist (demo)")


def test_what_was_typed_goes_through_the_lock_and_is_saved(opened, clock):
    page = opened("coordinator")
    row = page.locator("tr[data-row]").first
    row.locator("input[type=checkbox]").check()
    page.locator("#to").select_option("B. Hughes (demo)")
    clock.now += timedelta(minutes=16)
    page.get_by_role("button", name="Assign").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Locked")
    page.fill("#password", PASSWORD)
    page.get_by_role("button", name="Unlock").click()
    page.get_by_role("button", name="Continue saving as A. Coordinator").click()
    expect(page.locator("#said")).to_contain_text("1 patient was handed to B. Hughes (demo).")
