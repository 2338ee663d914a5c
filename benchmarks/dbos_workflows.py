"""Three timers a patient as a durable workflow in DBOS, which keeps its state in a database of its own."""

from dbos import DBOS
from sqlalchemy import make_url

from benchmarks.measure import stopwatch
from benchmarks.peers import SHARED, STEPS, engine_on, file_in, fire, told
from tests import postgres

# As many as procrastinate works on.
AT_A_TIME = 10
# Long over when it has been stored. For a wait of nothing nothing is stored, and then no timer would be durable.
DUE = 1e-6


@DBOS.step()
def fire_one(patient: int, step: int) -> None:
    fire(SHARED["engine"], patient, step)


@DBOS.workflow()
def follow(patient: int) -> None:
    for step in range(STEPS):
        DBOS.sleep(DUE)
        fire_one(patient, step)


def measured(system: str, url: str, patients: int) -> dict[str, float]:
    """For each patient a workflow in the background; for each timer a durable sleep and a step."""
    SHARED["engine"] = engine_on(url, patients)
    DBOS(
        config={
            "name": "follow-up",
            "system_database_url": system,
            "max_executor_threads": AT_A_TIME,
            "log_level": "WARNING",
        }
    )
    DBOS.launch()
    with stopwatch() as taken:
        begun = [DBOS.start_workflow(follow, patient) for patient in range(patients)]
        for workflow in begun:
            workflow.get_result()
    DBOS.destroy()
    assert told(SHARED["engine"]) == STEPS * patients
    return {"fired": STEPS * patients, "seconds": taken.seconds}


def on_sqlite(folder: str, patients: int) -> dict[str, float]:
    """The default of DBOS."""
    return measured(file_in(folder, "dbos.db"), file_in(folder, "workflows.db"), patients)


def on_postgres(_folder: str, patients: int) -> dict[str, float]:
    """What DBOS recommends for production."""
    system = make_url(postgres.empty("dbos")).set(drivername="postgresql")
    return measured(system.render_as_string(hide_password=False), postgres.empty("workflows"), patients)


WAYS = {
    "DBOS 3, a sleep and a step per timer, ten workflows at a time (SQLite)": on_sqlite,
    "DBOS 3, the same (PostgreSQL)": on_postgres,
}
