"""Patients for the tests of screens: told to the store like any other, and what a page says of them."""

import re
from datetime import date, datetime, timedelta
from html import unescape
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response

from pathway.engine import Outcome
from pathway.episode import Episode
from pathway.journal import Step
from persistence.store import Person, Store
from tests.journeys.people import examined, scanned
from tests.web.conftest import NOW

NUMBER = "9990000018"
ZONE = "Europe/London"
NAME = "SAMPLE, Ada"


def told(store: Store, step: Step, at: datetime = NOW, patient: str = NUMBER, by: str = "B. Hughes") -> Outcome:
    person = Person(patient, ZONE, "default", "Sample", "Ada")
    outcome = store.record(person, Step(step.event, step.kind, step.data, step.actor, by, obs_id=step.obs_id), at)
    assert outcome.refusal is None, outcome.refusal
    store.name_person(person)
    return outcome


def days_ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


def on(days: int) -> str:
    """A day so long ago, as the engine reads it."""
    return days_ago(days).date().isoformat()


def shown(days: int) -> str:
    return f"{days_ago(days):%d-%b-%Y}"


def registered(store: Store, patient: str = NUMBER, days: int = 20, **more: Any) -> Episode:
    """Registered so long ago, the fracture three days before."""
    data = {"birth_date": "1945-06-01", "sex": "F", "level": "L1", "mechanism": "low_energy", "owner": "B. Hughes"}
    data |= {"fracture_date": on(days + 3), **more}
    told(store, Step("register", data=data), days_ago(days), patient)
    return episode(store, patient)


def in_care(store: Store, patient: str = NUMBER, days: int = 20) -> Episode:
    """Examined, scanned and in conservative care since the day after the registration."""
    registered(store, patient, days)
    at = days_ago(days) + timedelta(hours=1)
    for step in (examined(), scanned(on(days))):
        told(store, step, at, patient)
    told(store, Step("decide", "start_conservative", {}, "clinician"), at, patient, by="Dr C. Demo")
    return episode(store, patient)


def flagged(store: Store, patient: str = NUMBER) -> Episode:
    in_care(store, patient)
    told(store, examined(motor_deficit=True), NOW - timedelta(hours=1), patient)
    return episode(store, patient)


def with_surgeons(store: Store, patient: str = NUMBER, days: int = 10) -> Episode:
    """A red flag, acknowledged and sent so long ago."""
    in_care(store, patient)
    told(store, examined(motor_deficit=True, effective=on(days)), days_ago(days), patient)
    at = days_ago(days) + timedelta(minutes=5)
    told(store, Step("decide", "acknowledge_red_flag", {}, "clinician"), at, patient, by="Dr C. Demo")
    return episode(store, patient)


def episode(store: Store, patient: str = NUMBER) -> Episode:
    return store.case(patient).episodes[-1]


def words(answer: Response | str) -> str:
    """What a page says, without its marks."""
    page = answer if isinstance(answer, str) else answer.text
    body = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).replace("\N{NO-BREAK SPACE}", " ").split())


def part(answer: Response, heading: str) -> str:
    """What stands in the section with that heading, in words."""
    found = re.search(rf"<section[^>]*>\s*<h2[^>]*>{re.escape(heading)}</h2>.*?</section>", answer.text, re.DOTALL)
    assert found, f"there is no section {heading}"
    return words(found[0])


def send(browser: TestClient, path: str, **typed: Any) -> Response:
    """Post what somebody typed, with the version that they saw unless it is named."""
    patient = path.split("/")[2]
    store: Store = browser.app.state.house.store  # type: ignore[attr-defined]  # our application
    seen = {"seen": str(episode(store, patient).seq)} if "seen" not in typed else {}
    return browser.post(path, data={**seen, **typed})


def saved(browser: TestClient, path: str, **typed: Any) -> Response:
    """The same where it must be saved: the page that follows."""
    answer = send(browser, path, **typed)
    assert answer.status_code == 303, words(answer)
    return browser.get(answer.headers["location"])


def birthday(value: date) -> str:
    return f"{value:%d-%b-%Y}"
