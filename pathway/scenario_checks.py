"""What a scenario may expect, and whether it is so. Each check answers with what was found instead, or None."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pathway import assessments
from pathway.advice import advice
from pathway.episode import Episode
from pathway.guideline import Profile
from pathway.invariants import violations
from pathway.journal import plain
from pathway.scenario import Audit, Expectation, Walk, instant


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that does not hold: what it asked, when, and what was found."""

    expectation: str
    at: str
    found: str


@dataclass(frozen=True, slots=True)
class Scene:
    """The moment at which an expectation is looked at."""

    walk: Walk
    expectation: Expectation
    at: datetime

    @property
    def profile(self) -> Profile:
        return self.walk.profile

    def episode(self) -> Episode | None:
        episodes = self.walk.world.episodes(self.expectation.patient)
        if self.expectation.episode is not None:
            return next((e for e in episodes if e.n == self.expectation.episode), None)
        still_open = [e for e in episodes if not self.walk.guideline.is_terminal(e.state)]
        found = still_open or list(episodes)
        return found[-1] if found else None

    def audits(self, event: str) -> list[Audit]:
        wanted = self.expectation
        return [
            audit
            for audit in self.walk.world.audits()
            if audit.event["event"] == event
            and audit.patient == wanted.patient
            and wanted.episode in (None, audit.episode)
        ]


Check = Callable[[Scene], str | None]


def run(walk: Walk) -> list[Failure]:
    """Walk the whole scenario and look at every expectation in its moment."""
    scenario = walk.scenario
    steps = list(enumerate(scenario.steps, 1))
    failures = []
    for expectation in sorted(scenario.expect, key=lambda e: scenario.instant(e.at)):
        at = scenario.instant(expectation.at)
        while steps and scenario.instant(steps[0][1].at) <= at:
            walk.take(*steps.pop(0))
        walk.forward(at, inclusive=True)
        found = CHECKS[expectation.check](Scene(walk, expectation, at))
        if found is not None:
            asked = {"check": expectation.check, **(expectation.model_extra or {})}
            failures.append(Failure(str(asked), expectation.at, found))
    for number, step in steps:
        walk.take(number, step)
    return failures


def _state(scene: Scene) -> str | None:
    episode = scene.episode()
    if episode is None:
        return "no episode"
    wanted, sub = scene.expectation.get("is"), scene.expectation.get("sub")
    fits = episode.state == wanted and (sub is None or episode.sub == sub)
    return None if fits else episode.path


def _counted(found: Sequence[object], matching: int, expectation: Expectation, default: int | None) -> str | None:
    count = expectation.get("count", default)
    fits = matching >= 1 if count is None else matching == count
    return None if fits else f"{matching} of {list(found)}"


def _timer(scene: Scene) -> str | None:
    episode = scene.episode()
    timers = [] if episode is None else [t for t in episode.timers if t.code == scene.expectation.get("code")]
    matching = [t for t in timers if _agrees(t, scene.expectation, ("due", "status", "outcome"))]
    shown = [(t.due.isoformat(), t.status, t.outcome) for t in timers]
    return _counted(shown, len(matching), scene.expectation, None)


def _task(scene: Scene) -> str | None:
    episode = scene.episode()
    tasks = [] if episode is None else [t for t in episode.tasks if t.code == scene.expectation.get("code")]
    matching = [t for t in tasks if _agrees(t, scene.expectation, ("due", "overdue_after", "status"))]
    shown = [(t.due.isoformat(), t.overdue_after.isoformat(), t.status) for t in tasks]
    return _counted(shown, len(matching), scene.expectation, None)


def _referral(scene: Scene) -> str | None:
    episode = scene.episode()
    service = scene.expectation.get("service")
    referrals = [] if episode is None else [r for r in episode.referrals if r.service == service]
    matching = [r for r in referrals if _agrees(r, scene.expectation, ("status",))]
    return _counted([r.status for r in referrals], len(matching), scene.expectation, 1)


def _agrees(part: object, expectation: Expectation, names: tuple[str, ...]) -> bool:
    asked = {name: expectation.get(name) for name in names if expectation.get(name) is not None}
    return all(plain(getattr(part, name)) == plain(value) for name, value in asked.items())


def _reminder(scene: Scene) -> str | None:
    found = [a for a in scene.audits("reminder") if _same(a.event, scene.expectation, ("code", "kind"))]
    matching = [a for a in found if _fired_as_asked(scene, a.at)]
    shown = [f"{a.event['code']} {a.event['kind']} {a.at.isoformat()}" for a in found]
    return _counted(shown, len(matching), scene.expectation, 1)


def _same(event: Mapping[str, Any], expectation: Expectation, names: tuple[str, ...]) -> bool:
    return all(expectation.get(name) in (None, event.get(name)) for name in names)


def _fired_as_asked(scene: Scene, at: datetime) -> bool:
    zone, asked = scene.walk.scenario.timezone, scene.expectation
    for name in ("fired", "fired_utc"):
        wanted = asked.get(name)
        if wanted is not None and _minute(instant(str(wanted), zone if name == "fired" else "UTC")) != _minute(at):
            return False
    since = asked.get("since")
    return since is None or at >= instant(str(since), zone)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _announcement(scene: Scene) -> str | None:
    found = [a for a in scene.audits(scene.expectation.check) if _same(a.event, scene.expectation, ("code",))]
    flags = set(scene.expectation.get("flags") or ())
    matching = [a for a in found if flags <= set(a.event.get("flags", ()))]
    return _counted([dict(a.event) for a in found], len(matching), scene.expectation, 1)


def _rejected(scene: Scene) -> str | None:
    code = scene.walk.rejections.get(scene.expectation.get("step"))
    wanted = scene.expectation.get("code")
    fits = code is not None and wanted in (None, code)
    return None if fits else f"step was {'accepted' if code is None else f'refused with {code}'}"


def _not_rejected(scene: Scene) -> str | None:
    code = scene.walk.rejections.get(scene.expectation.get("step"))
    return None if code is None else f"refused with {code}"


def _anchor(scene: Scene) -> str | None:
    episode = scene.episode()
    found = plain(episode.anchors()) if episode else {}
    wanted = plain(scene.expectation.get("is"))
    return None if wanted.items() <= found.items() else str(found)


def _episodes(scene: Scene) -> str | None:
    found = len(scene.walk.world.episodes(scene.expectation.patient))
    return None if found == scene.expectation.get("count") else str(found)


def _audit(scene: Scene) -> str | None:
    wanted = dict(scene.expectation.get("match"))
    found = scene.audits(wanted["event"])
    matching = [a for a in found if all(_within(a.event.get(k), v) for k, v in wanted.items())]
    return _counted([dict(a.event) for a in found], len(matching), scene.expectation, 1)


def _within(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list) and isinstance(found, list):
        return set(map(str, wanted)) <= set(map(str, found))
    return bool(plain(found) == plain(wanted))


def _recommendation(scene: Scene) -> str | None:
    episode = scene.episode()
    if episode is None:
        return "no episode"
    shown = advice(episode, scene.walk.guideline, scene.profile, episode.today(scene.at))
    mine = [item for item in shown if item.rule.id == scene.expectation.get("code")]
    if bool(mine) != bool(scene.expectation.get("shown", True)):
        return f"shown are {', '.join(item.rule.id for item in shown)}"
    cites = set(scene.expectation.get("cites") or ())
    return None if not mine or cites <= set(mine[0].rule.cites) else f"cites {mine[0].rule.cites}"


def _calc(scene: Scene) -> str | None:
    episode, name = scene.episode(), scene.expectation.get("name")
    if episode is None:
        return "no episode"
    found = calculation(name, episode, scene.profile, episode.today(scene.at), scene.expectation.get("input") or {})
    wanted = scene.expectation.get("is")
    fits = all(_equal(found.get(key), value) for key, value in wanted.items())
    return None if fits else str(found)


def _equal(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return sorted(found or ()) == sorted(wanted)
    return bool(found == wanted)


def calculation(name: str, episode: Episode, profile: Profile, today: date, given: Mapping[str, Any]) -> dict[str, Any]:
    """A decision-support calculation by name, as plain values."""
    if name in assessments.SIGNS:
        sign, positive = assessments.SIGNS[name], bool(given.get("positive"))
        found: dict[str, Any] = {"lr": round(sign.likelihood_ratio(positive=positive), 2)}
        if given.get("pretest") is not None:
            found["posttest"] = round(sign.posttest(given["pretest"], positive=positive), 3)
        return found
    if name == "stability":
        stable = assessments.stability(episode, profile)
        return {"class": stable.value, "reasons": list(stable.reasons), "missing": list(stable.missing)}
    if name == "failure_risk":
        risk = assessments.failure_risk(episode, profile)
        names = {"met": list(risk.met), "not_met": list(risk.not_met), "unknown": list(risk.unknown)}
        return {"count": len(risk.met), **names}
    return {"class": assessments.symptom_class(episode, profile, today).value}


def _invariants(scene: Scene) -> str | None:
    world, found = scene.walk.world, []
    for patient in world.patients():
        for episode in world.episodes(patient):
            found += violations(episode, scene.walk.guideline, scene.profile)
    return "; ".join(found) or None


CHECKS: dict[str, Check] = {
    "state": _state,
    "timer": _timer,
    "task": _task,
    "reminder": _reminder,
    "alert": _announcement,
    "notice": _announcement,
    "rejected": _rejected,
    "not_rejected": _not_rejected,
    "referral": _referral,
    "anchor": _anchor,
    "episodes": _episodes,
    "audit": _audit,
    "recommendation": _recommendation,
    "calc": _calc,
    "invariants": _invariants,
}
