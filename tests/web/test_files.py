"""The lists of the screens as files: the same rows, for the same roles, and on record for each patient."""

import csv
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from persistence import models
from persistence.registry import table
from persistence.work_page import View, work_items
from tests.web.conftest import NOW, address


def rows(answer):
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def parquet(answer):
    assert answer.status_code == 200
    return pq.read_table(pa.BufferReader(answer.content))


def noted(store, page):
    views = table(models.Viewing)
    with store.database.reading() as connection:
        found = connection.execute(select(views).where(views.c.page.startswith(page))).all()
    assert {row.email for row in found} <= {address("coordinator"), address("auditor")}
    return [row.patient_id for row in found]


def links(browser, page):
    text = browser.get(page).text.replace("&amp;", "&")
    return [part.split('"')[0] for part in text.split('href="')[1:] if "/export" in part.split('"')[0]]


def test_today_s_list_goes_whole_into_a_file_and_each_patient_is_on_record(coordinator, store):
    found, _parquet = links(coordinator, "/?due=all&size=25")
    written = rows(coordinator.get(found))
    expected = [(item.episode, item.code) for item in work_items(store, NOW, View("all"))]
    assert len(expected) > 25, "one page would hold it, so nothing is shown"
    assert [(row["episode"], row["code"]) for row in written] == expected
    patients = noted(store, "/export/worklist.csv?due=all")
    assert sorted(patients) == sorted({row["patient"] for row in written})


def test_both_kinds_of_file_hold_the_same_rows(coordinator):
    for address_of_csv, address_of_parquet in (
        links(coordinator, "/?due=all"),
        links(coordinator, "/cohort"),
        links(coordinator, "/cohort/list?open=1&late=1"),
    ):
        written = rows(coordinator.get(address_of_csv))
        assert written
        read = parquet(coordinator.get(address_of_parquet))
        assert read["episode"].to_pylist() == [row["episode"] for row in written]


def test_a_list_of_the_cohort_goes_out_as_it_is_shown(coordinator, store):
    everybody = rows(coordinator.get("/export/cohort.csv"))
    assert len(everybody) == len(store.episodes())
    late = rows(coordinator.get(links(coordinator, "/cohort/list?open=1&late=1")[0]))
    expected = [r["episode"] for r in everybody if r["open"] == "true" and int(r["overdue_tasks"]) > 0]
    assert [row["episode"] for row in late] == expected
    assert sorted(noted(store, "/export/cohort.csv?open")) == sorted({row["patient"] for row in late})


def test_the_journal_goes_out_as_parquet_too(signed_in, store):
    auditor = signed_in("auditor")
    (patient,) = {episode.patient for episode in store.episodes()[:1]}
    read = parquet(auditor.get(f"/audit/export.parquet?patient={patient}"))
    written = rows(auditor.get(f"/audit/export.csv?patient={patient}"))
    assert read["hash"].to_pylist() == [row["hash"] for row in written]
    assert noted(store, "export.parquet") == [patient]


def test_a_filter_that_is_not_understood_gives_no_file(coordinator, store):
    answer = coordinator.get("/export/worklist.csv?due=someday")
    assert answer.status_code == 422
    assert "someday" in answer.text
    assert noted(store, "/export") == []


@pytest.mark.parametrize("path", ["/export/worklist.xlsx", "/export/cohort.json"])
def test_there_is_no_other_kind_of_file(coordinator, path):
    assert coordinator.get(path).status_code == 404


def test_who_may_not_see_the_patients_gets_no_file(signed_in):
    administrator, auditor = signed_in("administrator"), signed_in("auditor")
    assert administrator.get("/export/worklist.csv").status_code == 403
    assert administrator.get("/export/cohort.csv").status_code == 403
    assert auditor.get("/export/worklist.csv").status_code == 403
    assert auditor.get("/export/cohort.csv").status_code == 200
