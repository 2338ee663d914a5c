"""Messages as a hospital's systems write them, made here: what a test says of one is all that is unusual."""

ANN = ("H1", "EXAMPLE", "Ann", "19500601", "F")


def msh(kind="ADT^A01", control="M1", sent="20260316080000+0000", **more):
    known = {"application": "HIS", "facility": "DEMO", "processing": "P", "version": "2.5", "charset": ""}
    own = {**known, **more}
    head = rf"MSH|^~\&|{own['application']}|{own['facility']}|PATHWAY||{sent}||{kind}|{control}|{own['processing']}"
    return f"{head}|{own['version']}||||||{own['charset']}".rstrip("|")


def pid(number="H1", family="EXAMPLE", given="Ann", born="19500601", sex="F", *, died="", dead="", kind="MR"):
    fields = ["PID", "1", "", f"{number}^^^DEMO^{kind}", "", f"{family}^{given}^^^^^L", "", born, sex]
    fields += [""] * 20 + [died, dead]
    return "|".join(fields).rstrip("|")


def dg1(code="S32.010A", kind="F", *, on="20260302", system="I10C", text="", action=""):
    fields = ["DG1", "1", "", f"{code}^{text}^{system}", "", on, kind, *[""] * 14, action]
    return "|".join(fields).rstrip("|")


def pv1(visit="V1"):
    return f"PV1|1|I|WARD{'|' * 16}{visit}"


def obr(code="24968-0", filler="R1", *, on="20260305140000+0000", status="F", system="LN"):
    fields = ["OBR", "1", "", filler, f"{code}^^{system}", "", "", on, *[""] * 17, status]
    return "|".join(fields)


def obx(code, value, kind="NM", *, unit="", status="F", on="", sub="1", system="LN"):
    fields = ["OBX", "1", kind, f"{code}^^{system}", sub, value, unit, *[""] * 4, status, "", "", on]
    return "|".join(fields).rstrip("|")


def message(*segments):
    return "\r".join(segments).encode() + b"\r"


def admission(control="M1", event="A01", *diagnoses, person=None, **header):
    found = diagnoses or (dg1(),)
    return message(msh(f"ADT^{event}", control, **header), f"EVN|{event}", person or pid(), pv1(), *found)


def result(control="R1", *segments, person=None, **header):
    return message(msh("ORU^R01", control, **header), person or pid(), *segments)


def merged(surviving="H1", *retired, control="A1", person=None, **header):
    lines = [line for old in retired or ("H2",) for line in (person or pid(surviving), f"MRG|{old}^^^DEMO^MR")]
    return message(msh("ADT^A40", control, **header), "EVN|A40", *lines)
