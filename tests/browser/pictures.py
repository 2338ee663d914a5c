"""`make pictures`: the screens as they are over the demo cohort of a fixed morning, photographed into docs/pictures."""

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright
from sqlalchemy import select

from coordinator.demo_cohort import build
from coordinator.settings import Settings
from coordinator.web.app import create_app
from coordinator.web.house import House
from coordinator.web.passwords import hash_password
from persistence import models
from persistence.database import Database
from persistence.store import Store, table
from scheduler.jobs import run_census, run_settle
from scheduler.simulated import SimulatedClock
from tests.browser.conftest import CHROMIUM, FLAGS, NONE_HERE
from tests.journeys.people import ENGINE
from tests.web.conftest import PASSWORD, address, people

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
MORNING = datetime(2026, 3, 16, 7, 30, tzinfo=UTC)
LARGEST = 300_000
WIDE, NARROW = {"width": 1280, "height": 860}, {"width": 720, "height": 900}


@contextmanager
def served(store: Store) -> Iterator[str]:
    settings = Settings(capacity=6, holidays="GB-ENG", service_phone="01632 960 100")
    house = House(store, settings, SimulatedClock(lambda: MORNING), simulation=True)
    server = uvicorn.Server(uvicorn.Config(create_app(house), port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.05)
        assert thread.is_alive(), "the server did not start"
    (socket,) = server.servers[0].sockets
    yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def cohort(folder: str) -> Store:
    database = Database(f"sqlite:///{folder}/pathway.db")
    database.upgrade()
    store = Store(database, ENGINE)
    build(store, now=MORNING, patients=300)
    store.suppress_waiting(MORNING.replace(day=15), "history of the demo, told to nobody", MORNING)
    run_settle(store, MORNING)
    run_census(store, MORNING, zone="Europe/London")
    for role in ("coordinator", "clinician", "lead"):
        people(store, role, hash_password(PASSWORD))
    return store


def flagged(store: Store) -> str:
    """A patient with a red flag that nobody has answered."""
    tasks, episodes = table(models.Task), table(models.Episode)
    with store.database.reading() as connection:
        query = select(episodes.c.patient_id).join(tasks, tasks.c.episode_id == episodes.c.id)
        wanted = (tasks.c.code == "K-SURG-ACK") & (tasks.c.status == "open")
        return str(connection.scalar(query.where(wanted).order_by(episodes.c.id)))


def in_care(store: Store) -> str:
    """A patient with a past worth showing, and work to do."""
    tasks, episodes = table(models.Task), table(models.Episode)
    with store.database.reading() as connection:
        query = select(episodes.c.patient_id).join(tasks, tasks.c.episode_id == episodes.c.id)
        wanted = (tasks.c.code == "K-REASSESS") & (tasks.c.status == "open")
        return str(connection.scalar(query.where(wanted).order_by(episodes.c.version.desc(), episodes.c.id)))


def opened(browser: Browser, site: str, role: str, **more: object) -> Page:
    context = browser.new_context(base_url=site, **{"viewport": WIDE, **more})
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto("/sign-in")
    page.fill("#email", address(role))
    page.fill("#password", PASSWORD)
    page.click("main button.primary")
    return page


def take(page: Page, name: str, path: str) -> None:
    answer = page.goto(path)
    assert answer is not None and answer.status == 200, f"{path}: {answer and answer.status}"
    file = FOLDER / f"{name}.png"
    page.screenshot(path=file)
    assert file.stat().st_size < LARGEST, f"{file.name} has {file.stat().st_size} bytes"


def all_of(browser: Browser, site: str, store: Store) -> None:
    patient, flag = in_care(store), flagged(store)
    light = opened(browser, site, "coordinator")
    take(light, "today", "/")
    take(light, "patient", f"/patient/{patient}")
    take(light, "record", f"/patient/{patient}/record/observe/symptoms")
    take(light, "red-flag", f"/patient/{flag}/red-flags")
    take(light, "board", "/board")
    take(light, "pathway", "/pathway")
    take(light, "reminders", "/reminders")
    take(light, "time-machine", "/ahead")
    take(light, "census", "/census")
    lead = opened(browser, site, "lead")
    take(lead, "cohort", "/cohort")
    take(lead, "audit", "/audit")
    take(opened(browser, site, "coordinator", color_scheme="dark"), "today-dark", "/")
    take(opened(browser, site, "coordinator", viewport=NARROW), "today-narrow", "/")


def main() -> None:
    if CHROMIUM is None:
        sys.exit(NONE_HERE)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        store = cohort(folder)
        with served(store) as site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            all_of(browser, site, store)
            browser.close()
        store.database.close()


if __name__ == "__main__":
    main()
