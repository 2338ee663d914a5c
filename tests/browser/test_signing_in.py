"""Signing in, in a real browser."""

from playwright.sync_api import expect


def test_a_coordinator_signs_in_and_stands_at_today(opened):
    page = opened("coordinator")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Today")


def test_it_works_without_javascript(opened):
    page = opened("coordinator", java_script_enabled=False)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Today")
