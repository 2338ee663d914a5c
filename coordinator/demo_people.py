"""Who the demo's patients are, what a visit finds, and what befalls them.

Nobody can take them for real people: every given name begins with "Demo", and the numbers come from the range
999, which the NHS keeps for tests.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import cycle
from random import Random
from typing import TYPE_CHECKING, Any

from pathway import assessments
from pathway.calendar import local_date
from pathway.episode import Episode
from pathway.guideline import Profile
from pathway.journal import Step, plain

if TYPE_CHECKING:
    from coordinator.demo_cohort import Life

Data = dict[str, Any]

COORDINATORS = ("A. Okafor (demo)", "B. Hughes (demo)", "P. Lindqvist (demo)")
CLINICIANS = ("Dr C. Demo", "Dr R. Demo", "Dr S. Demo")

SURNAMES = (
    "ALDER ASH ASPEN BEECH BIRCH BRACKEN BRAMBLE BRIAR CEDAR CLOVER CORNFLOWER CURLEW CYPRESS DUNLIN DUNNOCK"
    " ELDER FENNEL FERN FINCH GANNET GORSE GREBE HAWTHORN HAZEL HEATHER HERON HORNBEAM IVY JUNIPER KESTREL"
    " LAPWING LARCH LARKSPUR LAUREL LINNET MAGPIE MALLOW MAPLE MARTEN MOORHEN MYRTLE NETTLE NIGHTJAR OSIER"
    " OSPREY PLOVER POPLAR PRIMROSE REDSTART REDWING ROWAN SEDGE SISKIN SORREL SPRUCE STARLING SYCAMORE"
    " TEASEL THISTLE THRUSH WAGTAIL WILLOW WREN YARROW YEW"
)
WOMEN = "Ada Beryl Celia Dora Edith Flora Greta Hilda Irene Joyce Kay Lena Maud Nora Olive Peggy Rita"
MEN = "Alfred Basil Cecil Derek Ernest Frank George Harold Ivor Jack Leonard Neville Oscar Ralph"


@dataclass(frozen=True, slots=True)
class Story:
    """One kind of patient: how many of 300, when they came, how pain runs, and how well people look after them.

    `came` and `silence` are days: before the end of the demo, and after arrival (None: to the end). `plan`
    lists what happens to the patient, with the days between which it does: after arrival, or before the end
    where they are negative. `leaves` are tasks that nobody does. `answers` say how decisions turn out.
    """

    name: str
    share: int
    came: tuple[float, float]
    pain: str = "settles"
    pace: float = 1.0
    plan: tuple[tuple[str, float, float], ...] = ()
    leaves: tuple[str, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    fracture: str = "day"
    sparse: bool = False
    calls: bool = True
    silence: tuple[float, float | None] | None = None


PERFORMED = {"augmentation": "performed"}

STORIES = (
    Story("prompt", 44, (0.2, 545)),
    Story("just arrived", 12, (0.1, 9)),
    Story("slow to settle", 34, (3, 520), pain="slow"),
    Story("late coordinator", 30, (5, 540), pain="slow", pace=2.6, calls=False),
    Story("data missing", 9, (4, 62), pace=1.8, sparse=True, calls=False, leaves=("K-DXA", "K-CAVITD")),
    Story("data late", 10, (30, 420), pace=2.4, sparse=True, calls=False),
    Story("mistyped", 8, (40, 400), plan=(("typing_slip", 9, 25), ("retraction", 30, 36))),
    Story("worsening", 12, (30, 420), pain="worsens", plan=(("worse", 18, 26),), answers=PERFORMED),
    Story("short of breath", 4, (35, 300), pain="fails", plan=(("lungs", 20, 40),), answers=PERFORMED),
    Story("deficit at once", 6, (6, 400), answers={"exam": "motor_deficit", "surgery": "operated"}),
    Story("unstable", 5, (12, 400), answers={"scan": "unstable", "surgery": "augmented"}),
    Story("high energy", 3, (5, 300), answers={"mechanism": "high_energy", "surgery": "conservative_advised"}),
    Story("deficit later", 6, (60, 480), plan=(("deficit", 20, 50),), answers={"surgery": "operated"}),
    Story("overruled", 7, (50, 400), plan=(("radicular", 8, 40),), answers={"flag": "overruled"}),
    Story("old deformity", 3, (50, 300), plan=(("deformity", 15, 40),), answers={"flag": "overruled"}),
    Story("flag of today", 3, (15, 70), plan=(("deficit", -0.35, -0.06),), leaves=("K-SURG-ACK",)),
    Story("flag of the week", 4, (15, 70), plan=(("deficit", -5, -2),), leaves=("K-SURG-OUTCOME",)),
    Story("cancer excluded", 7, (25, 420), plan=(("weight_loss", 2, 30),)),
    Story("cancer", 4, (40, 420), plan=(("suspicious_scan", 5, 40),), answers={"malignancy": "confirmed"}),
    Story("cancer in question", 4, (14, 60), plan=(("suspicious_scan", -6, -1),), leaves=("K-MALIG",)),
    Story("proposed", 5, (106, 128), pain="fails", pace=0.6, leaves=("K-AUG-CONFIRM",)),
    Story("referred", 6, (108, 140), pain="fails", pace=0.6, leaves=("K-AUG-OUTCOME",)),
    Story("just augmented", 8, (128, 160), pain="fails", pace=0.6, answers=PERFORMED),
    Story("augmented", 16, (165, 540), pain="fails", answers=PERFORMED),
    Story("scan awaited", 4, (62, 80), pain="fails", leaves=("K-IMGREV",)),
    Story("declined", 8, (110, 400), pain="stubborn", answers={"augmentation": "declined"}),
    Story("surgical opinion", 4, (110, 400), pain="stubborn", answers={"augmentation": "surgery"}),
    Story("refracture", 8, (230, 540), plan=(("refracture", 130, 220),)),
    Story("pain returns", 6, (190, 480), plan=(("pain_returns", 130, 180),)),
    Story("died", 7, (30, 540), plan=(("death", 8, 300),)),
    Story("withdrew", 5, (40, 500), pain="slow", plan=(("withdrawal", 20, 120),)),
    Story("came back", 3, (110, 420), pain="slow", plan=(("withdrawal", 20, 50), ("return", 60, 90))),
    Story("not dead", 2, (90, 400), plan=(("death", 20, 45), ("death_correction", 46, 48))),
    Story("moved away", 4, (60, 500), pain="slow", plan=(("transfer", 30, 150),)),
    Story("not a fracture", 4, (30, 500), plan=(("not_a_fracture", 5, 15),)),
    Story("late result", 2, (60, 200), pain="slow", plan=(("transfer", 15, 30), ("late_result", -1.5, -0.1))),
    Story("late presenter", 10, (4, 420), pain="slow", fracture="long ago"),
    Story("date unknown", 10, (4, 420), fracture="unknown", plan=(("date_found", 20, 40),)),
    Story("month only", 7, (10, 500), fracture="month"),
    Story("lost", 8, (40, 110), pain="slow", calls=False, silence=(6, None)),
    Story("lost and found", 8, (150, 500), pain="slow", calls=False, plan=(("handover", 74, 75),), silence=(12, 75)),
)


def cast(patients: int) -> Iterator[Story]:
    """That many stories in their proportions, each once before any twice."""
    seats: Counter[str] = Counter()
    for _ in range(patients):
        story = max(STORIES, key=lambda s: (not seats[s.name], s.share / (2 * seats[s.name] + 1)))
        seats[story.name] += 1
        yield story


# ---------------------------------------------------------------- names and numbers


@dataclass(frozen=True, slots=True)
class Identity:
    number: str
    surname: str
    given: str
    sex: str


def identities(rng: Random, count: int) -> Iterator[Identity]:
    """That many people, most of them women; a name comes twice only once all have been used."""
    pools = {}
    for sex, given_names in (("F", WOMEN), ("M", MEN)):
        names = [(surname, given) for surname in SURNAMES.split() for given in given_names.split()]
        pools[sex] = cycle(rng.sample(names, len(names)))
    nine = [f"999{middle:06d}" for middle in rng.sample(range(1_000_000), 2 * count + 100)]
    numbers = [f"{digits}{check}" for digits in nine if (check := check_digit(digits)) is not None]
    for number in numbers[:count]:
        sex = rng.choice("FFFM")
        surname, given = next(pools[sex])
        yield Identity(number, surname, f"Demo {given}", sex)


def check_digit(digits: str) -> int | None:
    """The tenth digit of an NHS number, modulus 11; None for the nine digits that can have none."""
    weighted = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True))
    check = -weighted % 11
    return None if check == 10 else check


# ---------------------------------------------------------------- what is found


def registration(rng: Random, story: Story, sex: str, today: date) -> Data:
    born = today - timedelta(days=int(365.25 * rng.triangular(56, 97, 79)))
    return {"birth_date": born, "sex": sex, "first_fracture": rng.random() < 0.7, **fracture(rng, story, today)}


def fracture(rng: Random, story: Story, today: date) -> Data:
    usual = rng.choice(("low_energy", "low_energy", "atraumatic", "unknown"))
    days = rng.randint(58, 95) if story.fracture == "long ago" else rng.randint(0, 12)
    return {
        "level": rng.choice(("L1", "L1", "L2")),
        "mechanism": story.answers.get("mechanism", usual),
        "identification_date": today,
        "fracture_date": None if story.fracture == "unknown" else today - timedelta(days=days),
        "fracture_date_precision": story.fracture if story.fracture in ("unknown", "month") else "day",
    }


DEFICITS = ("motor_deficit", "sensory_deficit", "reflex_abnormal", "bowel_bladder", "radicular")


def examination(found: str = "") -> Data:
    return {"complete": True, **{name: name == found for name in DEFICITS}}


def spine(rng: Random) -> Data:
    """What every scan of a patient shows, more or less."""
    collapse = rng.uniform(4, 8.5) if rng.random() < 0.45 else rng.uniform(11, 38)
    return {"collapse_pct": collapse, "kyphosis": rng.uniform(3, 13), "scoliosis": rng.uniform(0, 7)}


def scan(rng: Random, usual: Data, level: str | None, *, sparse: bool) -> Data:
    measured = {name: round(value + rng.uniform(0, 1.5), 1) for name, value in usual.items()}
    for name in rng.sample(sorted(measured), 2 if sparse else 0):
        del measured[name]
    clear = ("retropulsion", "posterior_column", "alignment_abnormal", "cord_compression")
    return {
        "modality": rng.choice(("MRI", "MRI", "MRI", "MRI", "CT")),
        "contrast": False,
        **measured,
        **dict.fromkeys(clear, False),
        "pathologic": "none",
        "acute_levels": [level],
        "fracture_levels": [level],
    }


# For each course of pain: the worst score, and the days for which it holds and after which it is gone.
COURSES = {
    "settles": (8, 6, (56, 125)),
    "slow": (7, 30, (120, 210)),
    "fails": (8, 400, (700, 800)),
    "stubborn": (8, 105, (190, 270)),
    "worsens": (8, 300, (600, 700)),
    "after": (4, 3, (16, 45)),
}


@dataclass(frozen=True, slots=True)
class Pain:
    worst: int
    holds: int
    gone: int
    worsens: bool

    def answer(self, rng: Random, day: int) -> Data:
        """What the patient says so many days after it began."""
        if day >= self.gone:
            return {"nrs": rng.choice((0, 0, 1)), "trend": "improving", "changed": False, "resolved": True}
        left = 1 - max(0, day - self.holds) / (self.gone - self.holds)
        nrs = max(1, min(10, round(self.worst * left) + rng.choice((-1, 0, 0, 0, 1))))
        trend = "unchanged" if day < self.holds or rng.random() < 0.1 else "improving"
        worse = self.worsens and day > 15
        return {"nrs": nrs, "trend": "worsening" if worse else trend, "changed": False, "resolved": False}


def pain(rng: Random, course: str) -> Pain:
    worst, holds, (soonest, latest) = COURSES[course]
    return Pain(worst, holds, rng.randint(soonest, latest), course == "worsens")


# ---------------------------------------------------------------- a visit


class Visit:
    """People looking after one episode, one step after the other, a few minutes apart."""

    def __init__(self, life: "Life", n: int, at: datetime) -> None:
        self.life, self.n, self.at = life, n, at
        self.rng, self.story = life.rng, life.story

    @property
    def episode(self) -> Episode:
        return self.life.case.episodes[self.n - 1]

    @property
    def day(self) -> date:
        return local_date(self.at, self.life.zone)

    @property
    def profile(self) -> Profile:
        return self.life.engine.profile(self.episode.profile)

    @property
    def pain(self) -> str:
        return assessments.symptom_class(self.episode, self.profile, self.day).value

    def records(self, event: str, kind: str, data: Data, actor: str = "coordinator") -> None:
        if self.at <= self.life.now:
            by = self.life.owner if actor == "coordinator" else self.life.clinician
            self.life.record(Step(event, kind, plain(data), actor, by), self.at, self.n)
            self.at += timedelta(minutes=self.rng.randint(2, 14))

    def observes(self, kind: str, actor: str = "coordinator", **data: Any) -> None:
        self.records("observe", kind, data, actor)

    def decides(self, kind: str, **data: Any) -> None:
        self.records("decide", kind, data, "clinician")

    def closes(self, code: str, how: str = "done", reason: str = "", actor: str = "coordinator") -> None:
        self.records("task", code, {"code": code, "how": how, "reason": reason}, actor)

    def days_ago(self, most: int) -> date:
        return max(self.day - timedelta(days=self.rng.randint(0, most)), self.episode.identification)

    def scans(self, **shows: Any) -> None:
        usual = self.life.spines.setdefault(self.n, spine(self.rng))
        found = scan(self.rng, usual, self.episode.level, sparse=self.story.sparse)
        self.observes("imaging", **{**found, "performed": self.days_ago(3), **shows})

    def asks(self) -> str:
        """Ask how the pain is, and class the answer."""
        treated = self.episode.procedure
        if (self.n, treated) not in self.life.courses:
            self.life.courses[self.n, treated] = pain(self.rng, "after" if treated else self.story.pain)
        since = (self.day - (treated or self.episode.onset)).days
        self.observes("symptoms", **self.life.courses[self.n, treated].answer(self.rng, since))
        return self.pain


# ---------------------------------------------------------------- what befalls them


def arrive(visit: Visit) -> None:
    life, chance = visit.life, visit.rng.random
    data = registration(visit.rng, visit.story, life.identity.sex, visit.day)
    visit.records("register", "", {**data, "owner": life.owner})
    if chance() < 0.7:
        opioid, nsaid = chance() < 0.2, chance() < 0.3
        visit.observes("analgesia", "clinician", paracetamol=True, nsaid=nsaid, opioid=opioid)
    if chance() < 0.5:
        visit.observes("anthropometry", height_cm=round(150 + 25 * chance()), weight_kg=round(45 + 45 * chance()))
    if chance() < 0.8:
        visit.asks()
    if chance() < 0.08:
        visit.observes("calcitonin", "clinician", action="start", date=visit.day, route="nasal")


def call(visit: Visit) -> None:
    """A coordinator rings before a review falls due, so that it finds a fresh answer."""
    if visit.episode.state == "CONSERVATIVE_CARE" and visit.asks() == "resolved":
        visit.decides("resolved")


def worse(visit: Visit) -> None:
    if visit.episode.state == "CONSERVATIVE_CARE":
        changed = visit.rng.random() < 0.3
        visit.observes("symptoms", nrs=8, trend="worsening", changed=changed, resolved=False)


def pain_returns(visit: Visit) -> None:
    if visit.episode.state == "SURVEILLANCE":
        visit.observes("symptoms", nrs=6, trend="worsening", changed=True, resolved=False)


def typing_slip(visit: Visit) -> None:
    visit.observes("dxa", t_score=-25, site="hip")


def retraction(visit: Visit) -> None:
    last = visit.episode.latest("symptoms")
    if last is not None:
        reason = "Entered for the wrong patient."
        visit.records("correct", "observation", {"obs_id": last.id, "reason": reason})


def date_found(visit: Visit) -> None:
    fractured = visit.episode.identification - timedelta(days=visit.rng.randint(2, 9))
    visit.records("correct", "fracture_date", {"value": fractured, "reason": "Found in the referral letter."})


def refracture(visit: Visit) -> None:
    if visit.episode.state == "SURVEILLANCE":
        level = "L2" if visit.episode.level == "L1" else "L1"
        data = {**fracture(visit.rng, visit.story, visit.day), "level": level, "owner": visit.life.owner}
        visit.records("new_fracture", "", data)


def handover(visit: Visit) -> None:
    """The case changes hands; from here on the new owner does the work."""
    visit.life.owner = next(name for name in COORDINATORS if name != visit.life.owner)
    visit.records("admin", "assign", {"owner": visit.life.owner})


def not_a_fracture(visit: Visit) -> None:
    visit.decides("discharge", outcome="not_vcf", reason="The imaging shows an old endplate defect.")


def _left(kind: str, actor: str, reason: str) -> "Befalls":
    return lambda visit: visit.records("admin", kind, {"reason": reason, "handover_confirmed": True}, actor)


def _found(kind: str, actor: str = "clinician", **data: Any) -> "Befalls":
    return lambda visit: visit.observes(kind, actor, **data)


Befalls = Callable[[Visit], None]

HAPPENINGS: dict[str, Befalls] = {
    "call": call,
    "worse": worse,
    "pain_returns": pain_returns,
    "typing_slip": typing_slip,
    "retraction": retraction,
    "date_found": date_found,
    "refracture": refracture,
    "handover": handover,
    "not_a_fracture": not_a_fracture,
    "lungs": _found("pulmonary", dysfunction=True),
    "deficit": _found("neuro_exam", **examination("motor_deficit")),
    "radicular": _found("neuro_exam", **examination("radicular")),
    "deformity": _found("imaging", modality="XR", progressive_kyphosis=True),
    "weight_loss": _found("malignancy_features", weight_loss=True),
    "suspicious_scan": lambda visit: visit.scans(pathologic="suspected"),
    "late_result": _found("malignancy", status="confirmed"),
    "death": lambda visit: visit.records("admin", "death", {"date": visit.days_ago(5)}),
    "withdrawal": _left("withdraw", "coordinator", "Does not wish to be followed up."),
    "death_correction": _left("death_correction", "clinician", "Another person of that name has died."),
    "return": lambda visit: visit.decides("reopen", reason="Wishes to be followed up after all."),
    "transfer": _left("transfer_out", "clinician", "Moved; care continues elsewhere."),
}
