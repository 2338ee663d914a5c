"""Stored first, done once, answered truly; and nothing that anybody sends is lost or breaks anything."""

import random
from datetime import timedelta

import pytest

from coordinator.hl7.framing import messages_in
from coordinator.hl7.message import header_of, read, text_of, unescaped
from coordinator.hl7.receiving import again, receive
from coordinator.hl7.shapes import date_of
from pathway.errors import StoreError
from persistence.database import Database
from persistence.hl7_messages import close_message, counts, forget, message, messages, to_try_again
from persistence.store import Store
from persistence.verify import verify
from tests.hl7.conftest import NOW, Desk
from tests.hl7.messages import admission, dg1, merged, msh, obr, obx, pid, result
from tests.hl7.messages import message as built
from tests.journeys.people import ENGINE


def test_a_message_is_stored_as_it_came_with_what_became_of_it(desk):
    data = admission()
    desk.taken(data)
    (row,) = desk.stored()
    assert (row.kind, row.control_id, row.sender, row.patient) == ("ADT^A01", "M1", "HIS DEMO", "H1")
    assert (row.raw, row.outcome, row.place) == (data, "taken", "a test")
    assert "1 enrolled" in row.because


def test_the_same_message_twice_is_done_once_and_accepted_twice(desk):
    desk.taken(admission())
    lines = desk.lines()
    again_ = desk.take(admission(sent="20260316120000+0000"))
    assert (again_.code, again_.repeated) == ("AA", True)
    assert desk.lines() == lines
    (row,) = desk.stored()
    assert row.times == 2


def test_a_control_id_that_is_used_again_for_something_else_is_not_lost(small_desk):
    small_desk.taken(admission())
    other = small_desk.taken(admission("M1", "A01", dg1("S32.020A"), person=pid("H2")))
    assert not other.repeated
    assert len(small_desk.stored()) == 2
    assert small_desk.episodes("H2")[0].level == "L2"


def test_the_same_control_id_of_two_senders_is_two_messages(small_desk):
    small_desk.taken(admission())
    assert not small_desk.take(admission(application="OTHER")).repeated
    assert len(small_desk.stored()) == 2


@pytest.mark.parametrize(
    ("data", "code", "outcome", "because"),
    [
        (built(msh("ADT^A02"), pid()), "AA", "unknown", "messages ADT^A02 are not used here; it is kept as it came"),
        (built(msh("ADT^A05"), pid()), "AA", "unknown", "ADT^A05"),
        (built(msh("ORM^O01"), pid()), "AR", "unknown", "ORM^O01"),
        (built(msh("", "M1"), pid()), "AR", "unknown", "messages without a kind are not used here"),
        (built("PID|1"), "AR", "unreadable", "it does not begin with a header (MSH) that can be read"),
        (b"hello", "AR", "unreadable", "does not begin with a header"),
        (b"", "AR", "unreadable", "does not begin with a header"),
        (b"MSH", "AR", "unreadable", "does not begin with a header"),
        (admission() + b"NTE|1||a\x00b\r", "AR", "unreadable", "it holds characters that are no text"),
        (admission().replace(b"^~\\&", b"^^\\&"), "AR", "unreadable", "are not five different marks"),
        (admission(version="3.0"), "AR", "refused", "it is HL7 version 3.0, expected 2.x"),
        (admission(processing="T"), "AR", "refused", "marked as a test (processing id T), and tests are not taken in"),
        (admission(""), "AR", "refused", "it has no control id (MSH-10)"),
        (built(msh(), "EVN|A01"), "AE", "refused", "it names no patient (PID)"),
        (built(msh(), "PID|1|||"), "AE", "refused", "it has no identifier and no id"),
    ],
)
def test_what_is_not_done_is_stored_and_answered_with_the_reason(desk, data, code, outcome, because):
    found = desk.take(data)
    assert (found.code, found.outcome) == (code, outcome)
    assert because in found.because
    (row,) = desk.stored()
    assert (row.raw, row.outcome) == (data, outcome)
    assert desk.store.episodes() == []


def test_two_unreadable_messages_are_two(small_desk):
    small_desk.take(b"one")
    small_desk.take(b"other")
    assert len(small_desk.stored()) == 2


def test_what_was_refused_is_tried_again_when_it_comes_again_or_when_somebody_asks(small_desk):
    small_desk.taken(admission())
    odd = admission("M2", "A01", dg1("S32.020A"), person=pid(family="OTHER", born="19600101"))
    assert small_desk.take(odd).outcome == "refused"
    assert small_desk.take(odd).outcome == "refused"
    (row,) = messages(small_desk.store.database, outcomes=["refused"])
    assert (row.times, to_try_again(small_desk.store.database)) == (2, [row.id])
    found = again(small_desk.site, row.id, NOW)
    assert found is not None
    assert found.outcome == "refused"
    assert again(small_desk.site, 999, NOW) is None


def test_a_person_says_that_a_message_is_seen_to(small_desk):
    small_desk.take(built(msh(), "EVN|A01"))
    (row,) = small_desk.stored()
    assert close_message(small_desk.store.database, row.id, NOW, "C. Desk", "phoned the ward")
    (closed,) = small_desk.stored()
    assert closed.outcome == "closed"
    assert closed.because == "it names no patient (PID); closed by C. Desk: phoned the ward"
    assert not close_message(small_desk.store.database, row.id, NOW, "C. Desk", "again")
    assert counts(small_desk.store.database) == {"closed": 1}


def test_the_text_of_old_messages_is_emptied_and_what_waits_is_kept(desk):
    desk.taken(admission())
    desk.take(built(msh("ADT^A01", "M2"), "EVN|A01"))
    assert forget(desk.store.database, NOW) == 0
    assert forget(desk.store.database, NOW + timedelta(days=1)) == 1
    assert forget(desk.store.database, NOW + timedelta(days=1)) == 0
    kept, emptied = desk.stored()
    assert (kept.outcome, kept.raw != b"") == ("refused", True)
    assert (emptied.outcome, emptied.raw, emptied.because) == ("taken", b"", "1 enrolled")
    assert desk.take(admission()).repeated


def test_what_cannot_be_stored_is_not_accepted(tmp_path):
    """The database has no tables: nothing may be said to be stored."""
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(StoreError):
        receive(Desk(Store(database, ENGINE)).site, admission(), "a test", NOW)
    database.close()


def test_a_message_that_was_stored_when_the_power_went_is_done_afterwards(small_desk):
    """Stored and nothing else, as a machine that died in between leaves it."""
    small_desk.take(admission("M0", "A01", dg1("J18.9"), person=pid("H9")))
    (row,) = small_desk.stored()
    with small_desk.store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE hl7_message SET outcome = 'stored'")
    assert to_try_again(small_desk.store.database) == [row.id]
    found = small_desk.take(admission("M0", "A01", dg1("J18.9"), person=pid("H9")))
    assert (found.repeated, found.outcome) == (False, "noted")


# ---------------------------------------------------------------- answers


def ack(found, at=NOW):
    return [line.split("|") for line in found.ack(at).decode().rstrip("\r").split("\r")]


def test_an_answer_names_the_message_and_speaks_in_its_separators(small_desk):
    (head, said) = ack(small_desk.take(admission("M-77")))
    assert head[:7] == ["MSH", "^~\\&", "PATHWAY", "", "HIS", "DEMO", "20260316090000+0000"]
    assert head[8] == "ACK^A01^ACK"
    assert head[10:12] == ["P", "2.5"]
    assert said[:3] == ["MSA", "AA", "M-77"]
    (_, refused) = ack(small_desk.take(built(msh("ADT^A01", "M-78"), "EVN|A01")))
    assert refused == ["MSA", "AE", "M-78", "it names no patient (PID)"]
    (_, rejected) = ack(small_desk.take(b"hello"))
    assert rejected[:2] == ["MSA", "AR"]


def test_an_answer_escapes_what_would_be_a_separator(small_desk):
    odd = built(msh("ADT^A01", "M1").replace("|HIS|", "|H\\T\\S|"), "PID|1||a&b^^^DEMO^SS")
    (_, said) = ack(small_desk.take(odd))
    assert "|".join(said).count("|") == 3


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("frame", [("", ""), ("\x0b", "\x1c\r"), ("\x0b", "\x1c\r\n")])
def test_every_line_end_and_the_frames_of_mllp_are_read(small_desk, end, frame):
    text = admission().decode().replace("\r", end)
    batch = messages_in(f"{frame[0]}{text}{frame[1]}".encode() * 2)
    assert len(batch.messages) == 2
    small_desk.taken(batch.messages[0].data)
    assert len(small_desk.episodes()) == 1


def test_a_batch_gives_its_messages_and_what_its_trailer_promised():
    body = admission("M1") + admission("M2")
    data = b"FHS|^~\\&|HIS\rBHS|^~\\&|HIS\r" + body + b"BTS|3\rBHS|^~\\&\r" + admission("M3") + b"BTS|1\rFTS|2\r"
    batch = messages_in(data)
    assert [header_of(raw.data).control_id for raw in batch.messages] == ["M1", "M2", "M3"]
    assert (batch.count, batch.outside) == (4, 0)
    assert messages_in(b"note\rmore\r" + admission()).outside == 2
    assert messages_in(b"").messages == []


def test_a_text_that_a_sender_broke_over_lines_stays_one_text(small_desk):
    small_desk.taken(admission())
    broken = result("R1", obr("24968-0"), obx("24968-0", "Signs of cauda\nequina syndrome at L1.", "TX"))
    small_desk.taken(broken)
    said = [entry.step.data.get("text") for entry in small_desk.store.journal("H1-1")]
    assert "Signs of cauda equina syndrome at L1." in said


def test_a_phrase_that_stands_on_two_lines_of_a_report_is_not_missed(small_desk):
    small_desk.taken(admission())
    lines = [obx("24968-0", text, "TX", sub=str(n)) for n, text in enumerate(("Signs of cauda", "equina syndrome."))]
    small_desk.taken(result("R1", obr("24968-0"), *lines))
    assert small_desk.episodes()[0].open_task("K-FREETEXT") is not None


@pytest.mark.parametrize(
    ("charset", "encoding"),
    [("UNICODE UTF-8", "utf-8"), ("8859/1", "latin-1"), ("", "utf-8"), ("", "latin-1"), ("ODD", "utf-8")],
)
def test_names_are_read_in_the_character_set_of_the_message(small_desk, charset, encoding):
    text = admission(charset=charset, person=pid(family="BEISPIELMÜLLER")).decode()
    small_desk.taken(text.encode(encoding))
    assert small_desk.store.person("H1").surname == "BEISPIELMÜLLER"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"),
        ("one\\.br\\two\\.sp2\\three", "one\ntwo three"),
        ("\\H\\bold\\N\\", "bold"),
        ("\\X41\\\\X4\\", "A"),
        ("\\Zxx\\ \\ \\\\", "\\Zxx\\ \\ \\\\"),
        ("\\X1B\\[2J", "\ufffd[2J"),
    ],
)
def test_escapes_are_undone_and_unknown_ones_left(written, meant):
    assert unescaped(written, "|^~\\&") == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026", "2026"),
        ("202603", "2026-03"),
        ("20260316", "2026-03-16"),
        ("202603160930", "2026-03-16T09:30:00"),
        ("20260316093015.1234+0100", "2026-03-16T09:30:15+01:00"),
        ("2026031609-0500", "2026-03-16T09:00:00-05:00"),
        ("20260316T0930", ""),
        ("16-Mar-2026", ""),
        ("", ""),
    ],
)
def test_times_are_read_as_far_as_they_are_known(written, meant):
    assert date_of(written) == meant


# ---------------------------------------------------------------- thousands of broken ones


def seeds():
    rich = result(
        "R1",
        obr("24968-0"),
        obx("24968-0", "Wedge fracture of L1.\\.br\\No more.", "FT"),
        obr("38268-9", "B1"),
        obx("38267-1", "-2.9"),
        obx("39156-5", "22", unit="kg/m2"),
    )
    return [
        admission(),
        admission("M2", "A08", dg1(), dg1("C79.51"), person=pid(dead="Y")),
        rich,
        merged("H1", "H2", "H3"),
        built(msh(), pid(), dg1(), "ACC|20260301"),
    ]


def mutated(data, chance):
    """One to four faults that lines, disks and programmers make."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        if not made:
            return b""
        at, kind = chance.randrange(len(made)), chance.randrange(7)
        if kind == 0:
            made[at] = chance.randrange(256)
        elif kind == 1:
            del made[at : at + chance.randint(1, 30)]
        elif kind == 2:
            made[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 5)))
        elif kind == 3:
            made[at:at] = chance.choice(
                [b"|", b"^", b"~", b"&", b"\\", b"\r", b"\n", b"\x1c\r", b'""', b"\\X", b"MSH|"]
            )
        elif kind == 4:
            del made[at:]
        elif kind == 5:
            lines = bytes(made).split(b"\r")
            chance.shuffle(lines)
            made = bytearray(b"\r".join(lines))
        else:
            lines = bytes(made).split(b"\r")
            made = bytearray(b"\r".join([*lines, chance.choice(lines)]))
    return bytes(made)


def test_thousands_of_broken_messages_break_nothing(small_desk):
    """Each gives an answer; all that can be read without the database is read, a part is taken in for real."""
    chance, all_seeds = random.Random(7), seeds()
    made = [mutated(chance.choice(all_seeds), chance) for _ in range(4000)]
    for data in made:
        found = read(data)
        assert isinstance(found, str) or found.segments
        text_of(data)
        for raw in messages_in(data).messages:
            header_of(raw.data)
    for data in made[:300]:
        received = small_desk.take(data)
        assert received.code in ("AA", "AE", "AR")
        assert received.outcome
        assert "it could not be taken in" not in received.because, received.because
        assert received.ack(NOW).startswith(b"MSH")
    assert sum(counts(small_desk.store.database).values()) <= 300
    assert verify(small_desk.store).problems == []


def test_messages_of_one_number_come_back_by_it(small_desk):
    small_desk.taken(admission())
    (row,) = messages(small_desk.store.database, patients=["H1"])
    assert message(small_desk.store.database, row.id) == row
    assert messages(small_desk.store.database, patients=["H2"]) == []
