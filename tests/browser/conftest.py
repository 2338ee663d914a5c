"""A real browser before the real server: Debian's chromium, driven by Playwright, on loopback only."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from coordinator.settings import Settings
from coordinator.web.app import create_app
from coordinator.web.house import House
from persistence.store import Store
from tests.web.conftest import NOW, PASSWORD, Clock, address, cohort_file, store

__all__ = ["cohort_file", "store"]

CHROMIUM = os.environ.get("PATHWAY_TEST_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
NONE_HERE = "no chromium on this machine (Debian: apt-get install chromium), so no page was tried in a browser"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if CHROMIUM is None and here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=NONE_HERE))


# For one file each: while Playwright is open its event loop counts as running in this thread, and whatever
# calls asyncio.run, here or in another file of the same process, would be refused.
@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield found
    found.close()


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def site(store: Store, clock: Clock) -> Iterator[str]:
    """The address of a running server over the demo cohort."""
    house = House(store, Settings(), clock)
    server = uvicorn.Server(uvicorn.Config(create_app(house), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    ready = threading.Event()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        ready.wait(0.02)
    (socket,) = server.servers[0].sockets
    yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def opened(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """A new page of a new profile, in which somebody of that role has signed in; more: what a context takes."""
    contexts = []

    def open_as(role: str | None, **more: object) -> Page:
        context = browser.new_context(base_url=site, **more)
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        if role is not None:
            page.goto("/sign-in")
            page.fill("#email", address(role))
            page.fill("#password", PASSWORD)
            page.click("main button.primary")
        return page

    yield open_as
    for context in contexts:
        context.close()
