"""Every page as every role that may see it: with JavaScript and without, light and dark, wide and narrow."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from coordinator.settings import Settings
from coordinator.web.access import ROLES
from coordinator.web.app import create_app
from coordinator.web.house import House
from tests.web.every_page import pages, who_may

EVERYBODY = [None, *ROLES]
# Half of 1440: what is left of a wide screen at 200 %; and the narrow window of a clinic's second screen.
NARROW = (720, 640)
FITS = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


class Watch:
    """What a browser complains about, and whom it asks, while it walks."""

    def __init__(self, page: Page, site: str) -> None:
        self.complaints: list[str] = []
        self.site = urlsplit(site).netloc
        page.on(
            "console", lambda said: self.complaints.append(f"console: {said.text}") if said.type == "error" else None
        )
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("request", self._asked)

    def _asked(self, request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https") and address.netloc != self.site:
            self.complaints.append(f"asked another host: {request.url}")


@pytest.fixture
def addresses(store, clock):
    """The addresses of a role's pages."""
    app = create_app(House(store, Settings(), clock))
    return lambda role: [path for path, asks in pages(app, store) if role in who_may(asks)]


def faults_of(page: Page) -> Iterator[str]:
    """What is wrong with a page whoever looks at it."""
    headings = page.locator("h1").count()
    if headings != 1:
        yield f"{headings} first headings"
    if not page.title().strip():
        yield "no title"
    if page.locator("input[type=date], input[type=datetime-local], input[type=month]").count():
        yield "a date picker of the browser, which shows dates as the browser likes"
    for width in NARROW:
        page.set_viewport_size({"width": width, "height": 900})
        if not page.evaluate(FITS):
            yield f"scrolls sideways at {width} px"
    page.set_viewport_size({"width": 1440, "height": 900})


# What axe has already judged in this process: roles share most pages to the letter, and it takes its time.
JUDGED: set[tuple[str, str]] = set()


def barriers(page: Page, options: dict | None = None) -> Iterator[str]:
    """Of a page whose content or whose menu axe has not seen yet under the same rules."""
    parts = {(str(options), page.inner_html("main")), (str(options), page.inner_text("header.site"))}
    if parts <= JUDGED:
        return
    JUDGED.update(parts)
    for fault in Axe().run(page, options=options).response["violations"]:
        places = ", ".join(str(node["target"][0]) for node in fault["nodes"][:3])
        yield f"axe {fault['id']} ({len(fault['nodes'])}): {places}"


def walk(page: Page, paths: list[str], watch: Watch, look) -> dict[str, list[str]]:
    found = {}
    for path in paths:
        watch.complaints.clear()
        answer = page.goto(path)
        faults = [] if answer is not None and answer.status == 200 else [f"answered {answer and answer.status}"]
        faults += [*look(page), *watch.complaints]
        if faults:
            found[path] = faults
    return found


@pytest.mark.parametrize("role", EVERYBODY)
def test_every_page_is_sound_in_the_light(opened, site, addresses, role):
    page = opened(role, color_scheme="light", viewport={"width": 1440, "height": 900})
    assert walk(page, addresses(role), Watch(page, site), lambda p: [*faults_of(p), *barriers(p)]) == {}


@pytest.mark.parametrize("role", EVERYBODY)
def test_every_page_can_be_read_in_the_dark(opened, site, addresses, role):
    page = opened(role, color_scheme="dark", viewport={"width": 1440, "height": 900})
    assert walk(page, addresses(role), Watch(page, site), lambda p: barriers(p, COLOURS)) == {}


@pytest.mark.parametrize("role", EVERYBODY)
def test_every_page_works_without_javascript(opened, site, addresses, role):
    page = opened(role, java_script_enabled=False, viewport={"width": 1440, "height": 900})
    assert walk(page, addresses(role), Watch(page, site), faults_of) == {}
