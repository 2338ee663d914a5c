"""Three timers a patient as a BPMN process in SpiffWorkflow, with its state as a row beside what the timers write."""

from functools import partial
from pathlib import Path
from typing import Any

from SpiffWorkflow import TaskState
from SpiffWorkflow.bpmn import BpmnWorkflow
from SpiffWorkflow.bpmn.parser import BpmnParser
from SpiffWorkflow.bpmn.script_engine import PythonScriptEngine, TaskDataEnvironment
from SpiffWorkflow.bpmn.serializer import BpmnWorkflowSerializer
from SpiffWorkflow.bpmn.specs.defaults import IntermediateCatchEvent
from sqlmodel import Field, Session

from benchmarks.measure import stopwatch
from benchmarks.peers import BEGUN, STEPS, Toy, engine_on, file_in, fire_in, told

PROCESS = Path(__file__).with_name("three_timers.bpmn")
SERIALIZER = BpmnWorkflowSerializer()


class Process(Toy, table=True):
    __tablename__ = "bench_process"
    patient: int = Field(primary_key=True)
    state: str
    ended: bool = False


def spiff_processes(folder: str, patients: int) -> dict[str, float]:
    """For each timer its process is read from its row, taken to the next timer and stored, in one commit."""
    engine = engine_on(file_in(folder, "processes.db"), patients)
    begin(engine, patients)
    with stopwatch() as taken:
        for _ in range(STEPS):
            for patient in range(patients):
                advance(engine, patient)
    assert told(engine) == STEPS * patients
    with Session(engine) as session:
        assert all(session.get_one(Process, patient).ended for patient in range(patients))
    return {"fired": STEPS * patients, "seconds": taken.seconds}


def begin(engine: Any, patients: int) -> None:
    parser = BpmnParser()
    parser.add_bpmn_file(str(PROCESS))
    spec = parser.get_spec("follow_up")
    Toy.metadata.create_all(engine, [Process.__table__])  # type: ignore[attr-defined]  # it has one
    with Session(engine) as session:
        for patient in range(patients):
            process = BpmnWorkflow(spec)
            process.get_next_task(state=TaskState.READY).set_data(patient=patient, due=BEGUN.isoformat())
            run_to_a_timer(process)
            session.add(Process(patient=patient, state=SERIALIZER.serialize_json(process)))
        session.commit()


def advance(engine: Any, patient: int) -> None:
    with Session(engine) as session:
        row = session.get_one(Process, patient)
        process = SERIALIZER.deserialize_json(row.state)
        process.script_engine = PythonScriptEngine(TaskDataEnvironment({"fire": partial(fire_in, session)}))
        process.refresh_timers()
        process.get_next_task(state=TaskState.READY).run()
        run_to_a_timer(process)
        row.state, row.ended = SERIALIZER.serialize_json(process), process.completed
        session.commit()


def run_to_a_timer(process: BpmnWorkflow) -> None:
    """`do_engine_steps` would run through all timers at once, because all are long due; each is to be stored."""
    task = process.get_next_task(state=TaskState.READY)
    while task is not None and not isinstance(task.task_spec, IntermediateCatchEvent):
        task.run()
        task = process.get_next_task(state=TaskState.READY)


WAYS = {"SpiffWorkflow 3, a BPMN process a patient, stored after each timer (SQLite)": spiff_processes}
