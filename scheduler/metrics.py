"""The figures of health as Prometheus reads them; docs/operations.md says what each one means.

Nothing is counted in a process: any number of machines on one database say the same, and a restart forgets nothing.
So all are gauges, and what happened is given for the last hour or the last day.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from scheduler.figures import Figures
from scheduler.health import LEVEL_OF, LEVELS, Health


def exposition(found: Health, accept: str = "") -> tuple[str, bytes]:
    """The content type that suits an Accept header, and the text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Found(found))
    encode, content_type = choose_encoder(accept)
    return content_type, encode(registry)


class _Found(Collector):
    def __init__(self, found: Health) -> None:
        self.found = found

    def collect(self) -> Iterator[Metric]:
        found = self.found
        yield _gauge("pathway_health", "0 ok, 1 degraded, 2 down.", LEVELS.index(found.level))
        counts = Counter(problem.code for problem in found.findings)
        every = [(code, counts[code]) for code in LEVEL_OF]
        yield _labelled("pathway_problems", "Problems by their code; 0 while there is none.", "code", every)
        if found.figures is not None:
            yield from _settling(found.figures, found.at)
            yield from _telling(found.figures, found.at)
            yield from _nightly(found.figures)
            told = "HL7 v2 messages that wait for a person."
            yield _gauge("pathway_hl7_waiting", told, found.figures.hl7_waiting)
            told = "State changes of which a webhook was not told in time."
            yield _gauge("pathway_webhooks_untold", told, found.figures.webhooks_untold)


def _settling(f: Figures, now: datetime) -> Iterator[Metric]:
    if f.last_settle is not None:
        at = f.last_settle.timestamp()
        yield _gauge("pathway_settle_timestamp_seconds", "When something was last settled, in Unix time.", at)
    yield _gauge("pathway_due_episodes", "Episodes with work that fell due and is not done.", f.due)
    yield _gauge("pathway_due_lag_seconds", "How long the oldest of them has waited.", _age(f.oldest_due, now))
    yield _gauge("pathway_set_aside_episodes", "Episodes that the engine cannot go on with.", f.set_aside)
    runs = [(work.job, work.runs) for work in f.work]
    yield _labelled("pathway_runs_last_hour", "How often a job ran in the last hour.", "job", runs)
    seconds = [(work.job, work.seconds) for work in f.work]
    yield _labelled("pathway_run_seconds_last_hour", "How long all these runs took.", "job", seconds)
    fired = sum(work.fired for work in f.work)
    yield _gauge("pathway_fired_last_hour", "Due things that fired in the last hour.", fired)
    if f.skew is not None:
        told = "How far the database's clock is ahead of this machine's."
        yield _gauge("pathway_clock_skew_seconds", told, f.skew)


def _telling(f: Figures, now: datetime) -> Iterator[Metric]:
    yield _gauge("pathway_outbox_waiting", "Messages that wait.", f.waiting)
    waits = _age(f.oldest_waiting, now)
    yield _gauge("pathway_outbox_oldest_seconds", "Since when the oldest of them has been in the outbox.", waits)
    yield _gauge("pathway_outbox_untried", "Those not taken up an hour after they were to go out.", f.untried)
    yield _gauge("pathway_outbox_retried", "Those not handed over for an hour in spite of trying.", f.retried)
    outcomes = f.outcomes.items()
    yield _labelled(
        "pathway_messages_last_day", "Messages that ended in the last day, by outcome.", "outcome", outcomes
    )
    down = [(outage.channel, outage.failures) for outage in f.outages]
    yield _labelled(
        "pathway_channel_failures", "Tries in a row that failed, for channels that are down.", "channel", down
    )


def _nightly(f: Figures) -> Iterator[Metric]:
    checks = [(name, check) for name, check in (("census", f.census), ("verify", f.verify)) if check is not None]
    content = [(name, int(check.content)) for name, check in checks]
    yield _labelled("pathway_check_content", "1 when the last nightly check found nothing wrong.", "check", content)
    at = [(name, check.at.timestamp()) for name, check in checks]
    yield _labelled("pathway_check_timestamp_seconds", "When the check was last made, in Unix time.", "check", at)


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max((now - since).total_seconds(), 0.0)


def _gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, told, value=value)


def _labelled(name: str, told: str, label: str, values: Iterable[tuple[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=[label])
    for value, number in values:
        family.add_metric([value], number)
    return family
