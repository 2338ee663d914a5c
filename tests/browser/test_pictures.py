"""The pictures in a real browser: they are there, legible, and lead to what they show."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from coordinator.web.diagram import diagram
from tests.journeys.people import GUIDELINE

SMALLEST = "els => Math.min(...els.map(el => parseFloat(getComputedStyle(el).fontSize)))"
INSIDE = """els => els.filter(group => {
  const words = group.querySelector('.title').getBBox(), box = group.querySelector('.state').getBBox();
  return words.x < box.x || words.x + words.width > box.x + box.width;
}).map(group => group.dataset.state)"""


@pytest.mark.parametrize("javascript", [True, False])
def test_the_pathway_fits_the_page_and_can_be_read(opened, javascript):
    page = opened("coordinator", java_script_enabled=javascript, viewport={"width": 1440, "height": 900})
    page.goto("/pathway")
    picture = page.locator(".diagram svg")
    assert picture.bounding_box()["width"] == pytest.approx(diagram(GUIDELINE).wide, abs=1)
    assert picture.bounding_box()["width"] <= 1360
    if javascript:
        assert page.locator(".diagram text").evaluate_all(SMALLEST) >= 11
        assert page.locator(".diagram .box").evaluate_all(INSIDE) == []


def test_a_box_opens_its_worklist_and_a_number_its_rules(opened):
    page = opened("coordinator", viewport={"width": 1440, "height": 900})
    page.goto("/pathway")
    page.locator('[data-rules="TR-02"] a').click()
    expect(page.locator("tr[data-rule]")).to_have_count(1)
    page.goto("/pathway")
    page.locator('a:has([data-state="SURVEILLANCE"])').click()
    found = urlsplit(page.url)
    assert (found.path, found.query) == ("/", "state=SURVEILLANCE&due=all")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_charts_are_shown_in_the_colours_of_the_page(opened, scheme):
    page = opened("lead", color_scheme=scheme, viewport={"width": 1440, "height": 900})
    page.goto("/cohort")
    for image in page.locator("img.chart").all():
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("image => image.naturalWidth") > 0
        assert f"theme={scheme}" in image.evaluate("image => image.currentSrc")
        assert len(image.get_attribute("alt")) > 40


def test_an_auditor_verifies_an_episode_and_reads_its_patient(opened):
    page = opened("auditor", java_script_enabled=False, viewport={"width": 1440, "height": 900})
    page.goto("/audit")
    page.locator("tbody tr").first.locator("a[href*='/audit/entry/']").click()
    page.get_by_role("button", name="Verify this episode now").click()
    expect(page.get_by_role("status").filter(has_text="It agrees")).to_be_visible()
    page.locator("a.name").click()
    assert "/patient/" in page.url
    expect(page.locator("h1")).to_have_count(1)
