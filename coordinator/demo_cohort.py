"""A service of made-up patients: eighteen months of history, made by the real engine in virtual time.

Each patient is lived through in memory, time stopping at every moment at which something falls due, and the
finished journals are written in one transaction. No journal line is invented: what people do goes to the engine,
which takes or refuses it, and the rest follows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

from coordinator import demo_people as people
from coordinator.demo_candidates import demo_candidates
from coordinator.demo_people import HAPPENINGS, Visit, arrive
from pathway import assessments
from pathway.calendar import fire_instant, zone_named
from pathway.engine import Case, Change, Engine
from pathway.episode import Episode
from pathway.guards import BONE_AND_SAFETY
from pathway.journal import Entry, Step
from pathway.turn import offset_by
from persistence.candidates import keep_candidate
from persistence.store import Person, Store

OPENS, CLOSES, SATURDAY = 9, 17, 5
CALLED_BEFORE = ("IMAGING_8W", "FAILURE_REVIEW")
DAY_AND_NIGHT = ("K-SURG-ACK", "K-LATE-RESULT")


def build(
    store: Store,
    *,
    now: datetime,
    seed: int = 7,
    patients: int = 300,
    zone: str = "Europe/London",
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Fill a store that does not hold the demo yet. The same seed and now give the same journals."""
    names = people.identities(Random(f"{seed}"), patients)
    lives = []
    for number, (story, identity) in enumerate(zip(people.cast(patients), names, strict=True), 1):
        life = Life(store.engine, story, identity, Random(f"{seed}:{number}"), zone, now)
        life.run()
        lives.append(life)
        if on_progress:
            on_progress(number, patients)
    _keep(store, lives)
    for row in demo_candidates(now, lives[0].person):
        keep_candidate(store.database, row)


def _keep(store: Store, lives: "Iterable[Life]") -> None:
    lives = list(lives)
    people = {life.person.id: life.person for life in lives}
    changes = [Change(episode, tuple(life.journals[episode.id])) for life in lives for episode in life.case.episodes]
    store.add_histories(people, changes)


@dataclass(frozen=True, slots=True)
class Booking:
    """Somebody will turn to a task, or something will happen: `what` is the code or the name."""

    at: datetime
    what: str
    n: int | None = None
    task_n: int = 0


class Life:
    """One patient from arrival to now: the case, its journals, and what is still to come."""

    def __init__(
        self, engine: Engine, story: people.Story, identity: people.Identity, rng: Random, zone: str, now: datetime
    ) -> None:
        self.engine, self.story, self.identity, self.rng = engine, story, identity, rng
        self.zone, self.now = zone, now.replace(microsecond=0)
        self.person = Person(identity.number, zone, surname=identity.surname, given=identity.given)
        self.case = Case(identity.number, zone)
        self.journals: dict[str, list[Entry]] = {}
        self.owner, self.clinician = rng.choice(people.COORDINATORS), rng.choice(people.CLINICIANS)
        self.answers = dict(story.answers)
        newest, oldest = story.came
        came = self.now - timedelta(days=newest + (oldest - newest) * rng.random() ** 1.8)
        self.clock = self.arrival = min(self.working(came), self.now)
        self.courses: dict[tuple[int, date | None], people.Pain] = {}
        self.spines: dict[int, people.Data] = {}
        self.booked: set[tuple[str, str, Any]] = set()
        self.bookings = [Booking(self._planned(low, high), name) for name, low, high in story.plan]

    def run(self) -> None:
        """Let time pass to now, stopping at every moment at which something falls due or somebody acts."""
        arrive(Visit(self, 1, self.arrival))
        while True:
            booking = min(self.bookings, key=lambda b: b.at, default=None)
            until = min(booking.at, self.now) if booking else self.now
            wake = self.next_wake()
            if wake is not None and wake <= until:
                self.settle(wake)
            elif booking is None or booking.at > self.now:
                return
            else:
                self.bookings.remove(booking)
                self._attend(booking)

    def _attend(self, booking: Booking) -> None:
        episode = self.case.episodes[(booking.n or len(self.case.episodes)) - 1]
        at = max(booking.at, self.clock)
        visit = Visit(self, episode.n, at)
        if booking.what in HAPPENINGS:
            HAPPENINGS[booking.what](visit)
        elif (task := episode.open_task(booking.what)) and task.n == booking.task_n:
            if task.status == "open":
                WORK[task.code][0](visit)
            again = self.in_days(max(at, self.clock), 1.5, 6)
            self.bookings.append(Booking(again, task.code, episode.n, task.n))
        else:
            # A closed task may be woken again, by a reopened episode or a retracted result.
            self.booked.discard((episode.id, booking.what, booking.task_n))

    # ---------------------------------------------------------------- the engine

    def record(self, step: Step, at: datetime, n: int) -> None:
        while (wake := self.next_wake()) is not None and wake < at:
            self.settle(wake)
        outcome = self.engine.record(self.case, step, at, episode_n=n)
        self.clock = at
        for change in outcome.changes:
            self._take(change)

    def settle(self, at: datetime) -> None:
        self.clock = at
        for change in [self.engine.settle(episode, at) for episode in self.case.episodes]:
            if change is not None:
                self._take(change)

    def next_wake(self) -> datetime | None:
        wakes = [self.engine.next_wake(episode) for episode in self.case.episodes]
        return min((wake for wake in wakes if wake is not None), default=None)

    def _take(self, change: Change) -> None:
        others = [episode for episode in self.case.episodes if episode.id != change.episode.id]
        self.case.episodes = sorted([*others, change.episode], key=lambda episode: episode.n)
        self.journals.setdefault(change.episode.id, []).extend(change.entries)
        self._book_work(change.episode)

    # ---------------------------------------------------------------- when people act

    def _book_work(self, episode: Episode) -> None:
        """Somebody takes on each new task, and calls the patient before a review falls due."""
        for task in episode.tasks:
            done_by_nobody = task.code in self.story.leaves or task.code not in WORK
            if task.status == "open" and not done_by_nobody and self._first(episode.id, task.code, task.n):
                at = self._turned_to(task.code, task.opened_at)
                self.bookings.append(Booking(at, task.code, episode.n, task.n))
        for timer in episode.timers:
            if timer.code in CALLED_BEFORE and self._first(episode.id, timer.code, timer.due):
                due = fire_instant(timer.due, "10:00", self.zone)
                if self.story.calls and due > self.clock:
                    self.bookings.append(Booking(self.in_days(due, -8, -2), "call", episode.n))

    def _first(self, *key: Any) -> bool:
        known = key in self.booked
        self.booked.add(key)
        return not known

    def _turned_to(self, code: str, opened: datetime) -> datetime:
        _, low, high = WORK[code]
        if code in DAY_AND_NIGHT:
            return opened + timedelta(seconds=round(self.rng.uniform(low, high) * 86400))
        return self.in_days(opened, low * self.story.pace, high * self.story.pace)

    def in_days(self, at: datetime, low: float, high: float) -> datetime:
        """A working moment so many days later, or when somebody thinks of the patient again."""
        at = self.working(at + timedelta(days=self.rng.uniform(low, high)))
        if self.story.silence is None:
            return at
        start, end = self.story.silence
        until = self.now + timedelta(days=1) if end is None else self.arrival + timedelta(days=end)
        silent = self.arrival + timedelta(days=start) <= at < until
        return self.working(until) if silent else at

    def working(self, at: datetime) -> datetime:
        """That moment, or one of the next working day if nobody is at work then."""
        at = at.replace(microsecond=0)
        wall = at.astimezone(zone_named(self.zone))
        if wall.weekday() < SATURDAY and OPENS <= wall.hour < CLOSES:
            return at
        day = wall.date() + timedelta(days=wall.hour >= OPENS)
        while day.weekday() >= SATURDAY:
            day += timedelta(days=1)
        opening = datetime.combine(day, time(OPENS), wall.tzinfo).astimezone(UTC)
        return opening + timedelta(minutes=self.rng.randint(0, 450))

    def _planned(self, low: float, high: float) -> datetime:
        days = timedelta(seconds=round(self.rng.uniform(low, high) * 86400))
        return self.now + days if high < 0 else self.working(self.arrival + days)


# ---------------------------------------------------------------- what people do about a task


def examine(visit: Visit) -> None:
    known = any(visit.episode.facts("neuro_exam"))
    if visit.story.sparse and not known and visit.rng.random() < 0.6:
        visit.observes("neuro_exam", "clinician", complete=False, motor_deficit=False)
    else:
        found = people.examination(visit.life.answers.pop("exam", ""))
        visit.observes("neuro_exam", "clinician", **found)


def image(visit: Visit) -> None:
    known = any(visit.episode.facts("imaging"))
    if visit.story.sparse and not known:
        visit.observes("imaging", modality="XR", performed=visit.day, fracture_levels=[visit.episode.level])
    elif visit.life.answers.pop("scan", ""):
        visit.scans(collapse_pct=62.0, posterior_column=True)
    else:
        visit.scans()


def start_care(visit: Visit) -> None:
    episode, chance = visit.episode, visit.rng.random()
    examined = assessments.neuro_status(episode).complete and episode.cross_sectional()
    if not examined and chance > (0.4 if visit.story.sparse else 0.05):
        return
    data: people.Data = {}
    if assessments.stability(episode, visit.profile).value == "INDETERMINATE":
        data["stability_confirmed"] = True
    if visit.story.fracture == "long ago" and chance < 0.5:
        data["care_start"] = max(episode.onset, visit.day - timedelta(days=35))
    visit.decides("start_conservative", **data)


def supplement(visit: Visit) -> None:
    enough = visit.rng.random() < 0.85
    visit.observes("supplements", calcium_mg=1000 if enough else 500, vitamin_d_iu=800)


def treat(visit: Visit) -> None:
    chance = visit.rng.random()
    if chance < 0.12:
        visit.closes("K-OPRX", "declined", "Does not want treatment at present.", "clinician")
    elif chance < 0.2:
        visit.closes("K-OPRX", "not_applicable", "Was under treatment before the fracture.", "clinician")
    else:
        agent = visit.rng.choice(("alendronic acid", "alendronic acid", "zoledronic acid", "denosumab"))
        visit.observes("osteoporosis_rx", agent=agent, start=visit.days_ago(4))


def measure_bone(visit: Visit) -> None:
    score = round(visit.rng.triangular(-4.4, -0.8, -2.7), 1)
    visit.observes("dxa", t_score=score, site="hip", date=visit.days_ago(6))


def refer_bone(visit: Visit) -> None:
    service = visit.rng.choice(("endocrinology", "rheumatology"))
    visit.observes("bone_referral", service=service, date=visit.days_ago(2))


def reassess(visit: Visit) -> None:
    found = visit.asks()
    if visit.episode.state != "REASSESSMENT":
        return
    visit.at += timedelta(minutes=visit.rng.randint(10, 90))
    if found == "mild_improving" and not any(visit.episode.facts("physiotherapy")):
        visit.observes("physiotherapy", referred=True, supervised=True, date=visit.day)
    if found == "resolved":
        visit.decides("complete_reassessment", outcome="resolved")
    elif _augment_now(visit):
        visit.decides("complete_reassessment", outcome="refer_augmentation", technique="kyphoplasty")
    else:
        visit.decides("complete_reassessment", outcome="continue")


def _augment_now(visit: Visit) -> bool:
    episode, profile = visit.episode, visit.profile
    if visit.life.answers.get("augmentation") != "performed" or visit.pain != "failing" or episode.procedure:
        return False
    start = episode.care_start
    waited = start is not None and visit.day >= offset_by(start, profile["failure_after"])
    return waited or bool(assessments.early_indications(episode, profile))


def review_imaging(visit: Visit) -> None:
    """The scan is one day's work, reading it another's."""
    since = visit.episode.place.imaging_since
    if not any(image.seq > since for image in visit.episode.facts("imaging")):
        visit.scans()
    elif visit.episode.malignancy != "suspected":
        found = visit.asks()
        if found == "resolved":
            visit.decides("review_imaging", outcome="resolved")
        elif _augment_now(visit):
            visit.decides("review_imaging", outcome="refer_augmentation", technique="kyphoplasty")
        else:
            outcome = "reassess" if visit.rng.random() < 0.2 else "continue"
            visit.decides("review_imaging", outcome=outcome)
            if visit.episode.state == "IMAGING_REVIEW":
                visit.scans()


def confirm_augmentation(visit: Visit) -> None:
    answer = visit.life.answers.get("augmentation")
    if answer == "surgery":
        visit.decides("refer_surgery", reason="A surgical opinion is wanted before cement.")
    elif answer == "declined" or visit.asks() != "failing":
        visit.decides("decline_augmentation", reason="The patient prefers to wait.")
    else:
        technique = visit.rng.choice(("kyphoplasty", "kyphoplasty", "vertebroplasty"))
        visit.decides("confirm_augmentation", technique=technique)


def augmentation_outcome(visit: Visit) -> None:
    data = {"service": "augmentation", "outcome": "performed", "procedure_date": visit.days_ago(3)}
    visit.records("decide", "referral_outcome", data)


def judge_flag(visit: Visit) -> None:
    if visit.rng.random() < 0.2:
        visit.records("decide", "acknowledge_red_flag", {})
    if visit.life.answers.get("flag") == "overruled":
        visit.observes("neuro_exam", "clinician", **people.examination())
        visit.decides("overrule_red_flag", reason="Examined again: an old finding, not of this fracture.")
    else:
        visit.decides("acknowledge_red_flag")


def surgery_outcome(visit: Visit) -> None:
    usual = "transferred" if visit.episode.malignancy == "confirmed" else "conservative_advised"
    data: people.Data = {"service": "surgery", "outcome": visit.life.answers.get("surgery", usual)}
    if data["outcome"] in ("operated", "augmented"):
        data["procedure_date"] = visit.days_ago(2)
    visit.records("decide", "referral_outcome", data)


def work_up(visit: Visit) -> None:
    """First a scan with contrast, then the answer."""
    task, images = visit.episode.open_task("K-MALIG"), visit.episode.facts("imaging")
    scanned = task and any(i.data.get("contrast") and i.recorded_at > task.opened_at for i in images)
    if not scanned:
        visit.scans(modality="MRI", contrast=True, performed=visit.day)
    elif visit.episode.malignancy != "confirmed":
        status = visit.life.answers.get("malignancy", "excluded")
        visit.observes("malignancy", "clinician", status=status)


def review_procedure(visit: Visit) -> None:
    found = visit.asks()
    if visit.episode.state == "POST_PROCEDURE" and found in ("resolved", "persistent", "failing"):
        outcome = "resolved" if found == "resolved" else "persistent"
        visit.decides("complete_post_procedure", outcome=outcome)


def check_at_six_months(visit: Visit) -> None:
    if visit.asks() == "resolved" and visit.rng.random() < 0.15:
        visit.decides("discharge")
    visit.closes("K-SURV")


def discharge(visit: Visit) -> None:
    still_open = [code for code in BONE_AND_SAFETY if visit.episode.open_task(code)]
    if still_open and not visit.life.answers.setdefault("discharge", ""):
        visit.life.answers["discharge"] = "refused once"
        visit.decides("discharge")
    else:
        reason = {"override_reason": "The general practitioner sees to what is open."} if still_open else {}
        visit.decides("discharge", **reason)


Act = Callable[[Visit], None]

# What is done about each task, and how many days after it opens somebody turns to it.
WORK: dict[str, tuple[Act, float, float]] = {
    "K-NEURO": (examine, 0, 0.3),
    "K-IMG": (image, 0.5, 8),
    "K-START": (start_care, 1.5, 9),
    "K-CAVITD": (supplement, 0, 8),
    "K-OPRX": (treat, 1, 12),
    "K-DXA": (measure_bone, 8, 40),
    "K-BONEREF": (refer_bone, 4, 36),
    "K-REASSESS": (reassess, 0.5, 15),
    "K-IMGREV": (review_imaging, 2, 14),
    "K-AUG-CONFIRM": (confirm_augmentation, 1, 8),
    "K-AUG-OUTCOME": (augmentation_outcome, 12, 40),
    "K-SURG-ACK": (judge_flag, 0.02, 0.4),
    "K-SURG-OUTCOME": (surgery_outcome, 0.8, 8),
    "K-MALIG": (work_up, 0.5, 3),
    "K-POSTREV": (review_procedure, 0.5, 14),
    "K-SURV": (check_at_six_months, 1, 30),
    "K-12M": (discharge, 1, 25),
    "K-CALC-STOP": (lambda visit: visit.observes("calcitonin", "clinician", action="stop"), 24, 31),
    "K-DATAQ": (lambda visit: visit.closes("K-DATAQ"), 0.2, 5),
    "K-LATE-RESULT": (lambda visit: visit.closes("K-LATE-RESULT", actor="clinician"), 0.1, 2),
}
