"""Who the demo's people are: names and numbers that nobody can take for real ones, and how each one's story runs.

Numbers come from the range 999, which the NHS keeps for tests; every given name begins with "Demo".
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

Data = dict[str, Any]

COORDINATORS = ("A. Okafor (demo)", "B. Hughes (demo)", "P. Lindqvist (demo)")
CLINICIANS = ("Dr C. Demo", "Dr R. Demo", "Dr S. Demo")

SURNAMES = (
    "ALDER ASH ASPEN BEECH BIRCH BRACKEN BRAMBLE BRIAR CEDAR CLOVER CORNFLOWER CURLEW CYPRESS DUNLIN DUNNOCK"
    " ELDER FENNEL FERN FINCH GANNET GORSE GREBE HAWTHORN HAZEL HEATHER HERON HORNBEAM IVY JUNIPER KESTREL"
    " LAPWING LARCH LARKSPUR LAUREL LINNET MAGPIE MALLOW MAPLE MARTEN MOORHEN MYRTLE NETTLE NIGHTJAR OSIER"
    " OSPREY PLOVER POPLAR PRIMROSE REDSTART REDWING ROWAN SEDGE SISKIN SORREL SPRUCE STARLING SYCAMORE"
    " TEASEL THISTLE THRUSH WAGTAIL WILLOW WREN YARROW YEW"
).split()
WOMEN = "Ada Beryl Celia Dora Edith Flora Greta Hilda Irene Joyce Kay Lena Maud Nora Olive Peggy Rita".split()
MEN = "Alfred Basil Cecil Derek Ernest Frank George Harold Ivor Jack Leonard Neville Oscar Ralph".split()

# A finding that the first examination, scan or registration already shows.
Shows = Mapping[str, str]


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
    leaves: frozenset[str] = frozenset()
    answers: Shows = field(default_factory=dict)
    fracture: str = "day"
    sparse: bool = False
    calls: bool = True
    silence: tuple[float, float | None] | None = None


PERFORMED = {"augmentation": "performed"}
UNSEEN = {"K-DXA", "K-CAVITD"}

STORIES = (
    Story("prompt", 60, (0.2, 545)),
    Story("just arrived", 12, (0.1, 9)),
    Story("slow to settle", 26, (3, 520), pain="slow"),
    Story("late coordinator", 30, (5, 540), pain="slow", pace=2.6, calls=False),
    Story("data missing", 18, (4, 420), pace=1.8, sparse=True, calls=False, leaves=frozenset(UNSEEN)),
    Story("mistyped", 8, (40, 400), plan=(("typing_slip", 9, 25), ("retraction", 30, 36))),
    Story("worsening", 12, (30, 420), pain="worsens", plan=(("worse", 18, 26),), answers=PERFORMED),
    Story("short of breath", 4, (35, 300), pain="fails", plan=(("lungs", 20, 40),), answers=PERFORMED),
    Story("deficit at once", 6, (6, 400), answers={"exam": "motor_deficit", "surgery": "operated"}),
    Story("unstable", 5, (12, 400), answers={"scan": "unstable", "surgery": "augmented"}),
    Story("high energy", 3, (5, 300), answers={"mechanism": "high_energy", "surgery": "conservative_advised"}),
    Story("deficit later", 6, (60, 480), plan=(("deficit", 20, 50),), answers={"surgery": "operated"}),
    Story("overruled", 7, (50, 400), plan=(("radicular", 8, 40),), answers={"flag": "overruled"}),
    Story("old deformity", 3, (50, 300), plan=(("deformity", 15, 40),), answers={"flag": "overruled"}),
    Story("flag of today", 3, (15, 70), plan=(("deficit", -0.35, -0.06),), leaves=frozenset({"K-SURG-ACK"})),
    Story("flag of the week", 4, (15, 70), plan=(("deficit", -5, -2),), leaves=frozenset({"K-SURG-OUTCOME"})),
    Story("cancer excluded", 7, (25, 420), plan=(("weight_loss", 2, 30),)),
    Story("cancer", 4, (40, 420), plan=(("suspicious_scan", 5, 40),), answers={"malignancy": "confirmed"}),
    Story("cancer in question", 4, (14, 60), plan=(("suspicious_scan", -6, -1),), leaves=frozenset({"K-MALIG"})),
    Story("proposed", 5, (97, 116), pain="fails", pace=0.6, leaves=frozenset({"K-AUG-CONFIRM"})),
    Story("referred", 6, (104, 135), pain="fails", pace=0.6, leaves=frozenset({"K-AUG-OUTCOME"})),
    Story("just augmented", 8, (128, 160), pain="fails", pace=0.6, answers=PERFORMED),
    Story("augmented", 16, (165, 540), pain="fails", answers=PERFORMED),
    Story("declined", 8, (110, 400), pain="stubborn", answers={"augmentation": "declined"}),
    Story("surgical opinion", 4, (110, 400), pain="stubborn", answers={"augmentation": "surgery"}),
    Story("refracture", 8, (230, 540), plan=(("refracture", 130, 220),)),
    Story("pain returns", 6, (190, 480), plan=(("pain_returns", 130, 180),)),
    Story("died", 7, (30, 540), plan=(("death", 8, 300),)),
    Story("withdrew", 5, (40, 500), pain="slow", plan=(("withdrawal", 20, 120),)),
    Story("moved away", 4, (60, 500), pain="slow", plan=(("transfer", 30, 150),)),
    Story("not a fracture", 4, (30, 500), plan=(("not_a_fracture", 5, 15),)),
    Story("late result", 2, (60, 200), pain="slow", plan=(("transfer", 15, 30), ("late_result", -5, -0.5))),
    Story("late presenter", 10, (4, 420), pain="slow", fracture="long ago"),
    Story("date unknown", 10, (4, 420), fracture="unknown", plan=(("date_found", 20, 40),)),
    Story("month only", 7, (10, 500), fracture="month"),
    Story("lost", 8, (40, 110), pain="slow", calls=False, silence=(6, None)),
    Story(
        "lost and found", 8, (150, 500), pain="slow", calls=False, plan=(("handover", 74, 75),), silence=(12, 75)
    ),
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
    """Distinct people, most of them women."""
    pairs = [(surname, given, "F") for surname in SURNAMES for given in WOMEN]
    pairs += [(surname, given, "M") for surname in SURNAMES for given in MEN]
    weights = [3 if sex == "F" else 1 for _, _, sex in pairs]
    chosen: dict[tuple[str, str, str], None] = {}
    while len(chosen) < count:
        chosen[rng.choices(pairs, weights)[0]] = None
    for number, (surname, given, sex) in zip(_numbers(rng, count), chosen, strict=True):
        yield Identity(number, surname, f"Demo {given}", sex)


def _numbers(rng: Random, count: int) -> Iterator[str]:
    found = 0
    for middle in rng.sample(range(1_000_000), count * 2):
        digits = f"999{middle:06d}"
        check = check_digit(digits)
        if check is not None and found < count:
            found += 1
            yield f"{digits}{check}"


def check_digit(digits: str) -> int | None:
    """The tenth digit of an NHS number, modulus 11; None for the nine digits that can have none."""
    weighted = sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True))
    check = -weighted % 11
    return None if check == 10 else check


# ---------------------------------------------------------------- the fracture


def registration(rng: Random, story: Story, identity: Identity, today: date, owner: str) -> Data:
    return {
        "birth_date": (today - timedelta(days=int(365.25 * rng.triangular(56, 97, 79)))).isoformat(),
        "sex": identity.sex,
        "first_fracture": rng.random() < 0.7,
        **fracture(rng, story, today),
        "owner": owner,
    }


def fracture(rng: Random, story: Story, today: date) -> Data:
    usual = rng.choices(("low_energy", "atraumatic", "unknown"), (6, 3, 1))[0]
    data = {
        "level": rng.choice(("L1", "L1", "L2")),
        "mechanism": story.answers.get("mechanism", usual),
        "identification_date": today.isoformat(),
    }
    days = rng.randint(58, 95) if story.fracture == "long ago" else rng.randint(0, 12)
    if story.fracture == "unknown":
        return {**data, "fracture_date_precision": "unknown"}
    precision = "month" if story.fracture == "month" else "day"
    fractured = today - timedelta(days=days)
    return {**data, "fracture_date": fractured.isoformat(), "fracture_date_precision": precision}


@dataclass
class Spine:
    """What scans of this patient show. Some values are never measured where data is sparse."""

    level: str
    collapse: float
    kyphosis: float
    scoliosis: float
    sparse: bool

    def scan(self, rng: Random, performed: date, **shows: Any) -> Data:
        self.collapse = min(round(self.collapse + rng.uniform(0, 1.5), 1), 48.0)
        measured = {
            "collapse_pct": self.collapse,
            "kyphosis": round(self.kyphosis + rng.uniform(-0.5, 1), 1),
            "scoliosis": self.scoliosis,
            "retropulsion": False,
        }
        if self.sparse:
            for name in rng.sample(sorted(measured), 2):
                del measured[name]
        clear = dict.fromkeys(("posterior_column", "alignment_abnormal", "cord_compression"), False)
        return {
            "modality": "CT" if rng.random() < 0.12 else "MRI",
            "contrast": False,
            "performed": performed.isoformat(),
            **measured,
            **clear,
            "pathologic": "none",
            "acute_levels": [self.level],
            "fracture_levels": [self.level],
            **shows,
        }


def spine(rng: Random, level: str, *, sparse: bool) -> Spine:
    mild = rng.random() < 0.45
    collapse = rng.uniform(4, 8.5) if mild else rng.uniform(11, 38)
    return Spine(level, round(collapse, 1), round(rng.uniform(3, 13), 1), round(rng.uniform(0, 7), 1), sparse)


DEFICITS = ("motor_deficit", "sensory_deficit", "reflex_abnormal", "bowel_bladder", "radicular")


def examination(*found: str) -> Data:
    return {"complete": True, **{name: name in found for name in DEFICITS}}


# ---------------------------------------------------------------- pain

# For each course: how bad it is, how long it stays as it is, and when it is gone, in days.
COURSES: Mapping[str, tuple[int, int, Sequence[int]]] = {
    "settles": (8, 5, (52, 100)),
    "slow": (7, 30, (120, 210)),
    "fails": (8, 400, (700, 800)),
    "stubborn": (8, 105, (190, 270)),
    "worsens": (8, 300, (600, 700)),
}
AFTER_PROCEDURE = (4, 3, (16, 45))


@dataclass(frozen=True, slots=True)
class Pain:
    """One course of pain: what the patient answers so many days after it began."""

    worst: int
    holds: int
    gone: int

    def answer(self, rng: Random, day: int) -> Data:
        if day >= self.gone:
            return {"nrs": rng.choice((0, 0, 1)), "trend": "improving", "changed": False, "resolved": True}
        left = 1 - max(0, day - self.holds) / (self.gone - self.holds)
        nrs = max(1, min(10, round(self.worst * left) + rng.choice((-1, 0, 0, 0, 1))))
        trend = "unchanged" if day < self.holds or rng.random() < 0.1 else "improving"
        return {"nrs": nrs, "trend": trend, "changed": False, "resolved": False}


def pain(rng: Random, course: str) -> Pain:
    worst, holds, gone = COURSES[course]
    return Pain(worst, holds, rng.randint(*gone))


def pain_after_procedure(rng: Random) -> Pain:
    worst, holds, gone = AFTER_PROCEDURE
    return Pain(worst, holds, rng.randint(*gone))
