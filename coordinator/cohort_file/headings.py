"""The data elements a spreadsheet column may carry, and the headings services give them."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Shape = Literal["identifier", "name", "date", "number", "word", "levels", "yes_no", "free_text"]


@dataclass(frozen=True)
class Element:
    """One thing a column can say about a person or a fracture."""

    name: str
    shape: Shape
    title: str
    headings: tuple[str, ...]


def _said(*groups: str) -> tuple[str, ...]:
    return tuple(heading.strip() for group in groups for heading in group.split("|"))


def _dated(nouns: str) -> str:
    forms = ("{} date", "date of {}", "date {}", "{} on", "{} done on", "date {} done", "{} done date")
    return "|".join(form.format(noun) for noun in _said(nouns) for form in forms)


def _started(nouns: str) -> str:
    forms = ("{} start", "{} start date", "{} start on", "start of {}", "start {}", "date {} start")
    more = ("start date of {}", "{} since", "{} from", "date of start of {}", "date of {} start")
    return "|".join(form.format(noun) for noun in _said(nouns) for form in forms + more)


_BONE_DRUG = (
    "bone drug | osteoporosis rx | osteoporosis drug | osteoporosis treatment | bone treatment"
    " | osteoporosis medication | bone medication | bone medicine | bone rx | bone agent | op drug"
    " | op rx | op treatment | antiresorptive | bone protection | anti osteoporosis drug"
    " | osteoporosis therapy | bone therapy"
)
_CONSERVATIVE_CARE = (
    "conservative care | conservative treatment | conservative management | conservative | care"
    " | conservative rx | treatment | rx | conservative therapy | non operative care"
    " | nonoperative treatment | medical management | therapy"
)

_IDENTITY = (
    Element("hospital_number", "identifier", "hospital number", _said(
        "hospital number | hosp number | hospital id | mrn | medical record number | unit number",
        "patient number | patient id | case number | record number | pas number | hospital mrn",
        "patient identifier | district number | case note number | local id | local number | pid")),
    Element("nhs_number", "identifier", "NHS number", _said("nhs number | nhs | nhs id")),
    Element("surname", "name", "surname", _said(
        "surname | last name | family name | patient surname")),
    Element("given", "name", "given name", _said(
        "forename | first name | given name | given | forenames | first names | given names")),
    Element("full_name", "name", "name", _said(
        "patient | name | patient name | full name | surname and forename | surname forename")),
    Element("birth_date", "date", "date of birth", _said(
        "dob | birth date | date of birth | birthdate | born | born on | birthday | birth")),
    Element("sex", "word", "sex", _said("sex | gender | m f | f m | sex m f | m or f")),
    Element("coordinator", "name", "coordinator", _said(
        "coordinator | nurse | owner | key worker | specialist nurse | cns | fln | case manager",
        "fracture liaison nurse | named nurse | care coordinator | responsible nurse | fls nurse",
        "assigned to | lead nurse | nurse responsible | fls coordinator | responsible")),
    Element("comments", "free_text", "comments", _said(
        "comments | comment | notes | note | remarks | remark | free text | additional information",
        "other comments | clinical notes | further comments | other notes | any other comments")),
)  # fmt: skip

_FRACTURE = (
    Element("level", "word", "level", _said(
        "level | fracture level | vertebra | vertebral level | index level | spinal level",
        "level of fracture | fractured vertebra | index vertebra | vertebral body | level fractured",
        "vertebra fractured | vcf level | spine level | fracture vertebra | site of fracture")),
    Element("further_levels", "levels", "further levels", _said(
        "further levels | other levels | additional levels | other fracture levels",
        "further fracture levels | other fractured levels | further level | other level")),
    Element("acute_levels", "levels", "acute levels", _said(
        "acute levels | oedema levels | levels with oedema | edema levels")),
    Element("fracture_date", "date", "date of fracture", _said(
        _dated("fracture | injury | onset | vcf | fracture onset"), "fractured on | fractured",
        "onset | date fractured | date of the fracture | when fractured | date injured")),
    Element("identification_date", "date", "date of identification", _said(
        _dated("identification | clinic | diagnosis | presentation | first clinic | first seen"),
        _dated("clinic visit | first visit | first contact | attendance | visit"), "date seen",
        "seen | seen on | identified | identified on | date identified | date diagnosed",
        "diagnosed | diagnosed on | presented | presented on | date presented | first seen",
        "first contact | when seen | fracture identified | date fracture identified | first visit",
        "first clinic visit | first clinic")),
    Element("mechanism", "word", "mechanism", _said(
        "mechanism | cause | mechanism of injury | moi | injury mechanism | trauma | how",
        "cause of fracture | fracture cause | fracture mechanism | how it happened | how happened",
        "mechanism of fracture | energy | what happened | cause of injury | trauma energy")),
    Element("first_fracture", "yes_no", "first fracture", _said(
        "first fracture | first fragility fracture | first vcf | first ever fracture",
        "first vertebral fracture")),
    Element("previous_fracture", "yes_no", "previous fracture", _said(
        "previous fracture | prior fracture | previous fragility fracture | past fracture",
        "prior fragility fracture | previous vcf | prior vcf | prev fracture | earlier fracture",
        "previous fractures | prior fractures | fracture history | history of fracture")),
)  # fmt: skip

_EXAMINATION = (
    Element("neuro_exam", "word", "neurological examination", _said(
        "neuro exam | neuro | neurology | neurological exam | neurological examination",
        "neurological | neuro examination | neuro status | neurological status | neuro check",
        "neuro finding | neuro findings | neurological findings | neurologic exam | cns exam")),
    Element("neuro_date", "date", "date of the neurological examination", _said(
        _dated("neuro exam | neuro | neurology | neurological exam | neurological examination"))),
    Element("motor_deficit", "yes_no", "motor deficit", _said(
        "motor deficit | weakness | leg weakness | motor weakness | motor loss")),
    Element("sensory_deficit", "yes_no", "sensory deficit", _said(
        "sensory deficit | numbness | sensory loss | sensory disturbance")),
    Element("reflex_abnormal", "yes_no", "abnormal reflexes", _said(
        "reflex abnormal | abnormal reflexes | reflexes abnormal | abnormal reflex")),
    Element("bowel_bladder", "yes_no", "bowel or bladder disturbance", _said(
        "bowel bladder | bladder bowel | bowel or bladder | bladder or bowel | incontinence",
        "bowel and bladder | bowel or bladder disturbance | bladder bowel disturbance",
        "bowel bladder dysfunction | bladder bowel dysfunction | sphincter disturbance")),
    Element("reduced_rectal_tone", "yes_no", "reduced rectal tone", _said(
        "reduced rectal tone | reduced anal tone | rectal tone reduced | anal tone reduced")),
    Element("radicular", "yes_no", "radicular symptoms", _said(
        "radicular | radicular pain | radicular symptoms | radiculopathy | nerve root pain")),
    Element("percussion", "yes_no", "closed-fist percussion sign", _said(
        "percussion | closed fist percussion | fist percussion | percussion sign")),
    Element("supine", "yes_no", "supine sign", _said("supine | supine sign | supine pain")),
)  # fmt: skip

_IMAGING = (
    Element("mri_date", "date", "date of the MRI", _said(
        _dated("mri | mr | mri scan | mr scan | mri spine | spine mri | mri imaging"))),
    Element("ct_date", "date", "date of the CT", _said(_dated("ct | ct scan | ct spine"))),
    Element("xray_date", "date", "date of the X-ray", _said(
        _dated("x ray | xr | xray | radiograph | plain film"))),
    Element("imaging_date", "date", "date of the imaging", _said(
        _dated("imaging | scan | image"), "date imaged | imaged on | date scanned | scanned on")),
    Element("imaging_modality", "word", "kind of imaging", _said(
        "modality | imaging modality | scan type | imaging type | type of imaging",
        "type of scan | kind of imaging | kind of scan | scan modality")),
    Element("collapse_pct", "number", "vertebral height loss", _said(
        "collapse | height loss | vertebral height loss | loss of height | vertebral collapse",
        "vertebral body height loss | loss of vertebral height | height lost | compression",
        "vertebral compression | anterior height loss | vb collapse | body height loss",
        "collapse of height | percentage collapse | percentage height loss | vh loss")),
    Element("kyphosis", "number", "kyphosis", _said(
        "kyphosis | kyphosis angle | angle | kyphotic angle | local kyphosis | kyphosis cobb",
        "segmental kyphosis | angle of kyphosis | kyphotic deformity | cobb kyphosis")),
    Element("scoliosis", "number", "scoliosis", _said(
        "scoliosis | scoliosis angle | angle of scoliosis | scoliosis cobb | cobb scoliosis")),
    Element("retropulsion", "yes_no", "retropulsion", _said(
        "retropulsion | retropulsed | retropulsed fragment")),
    Element("posterior_column", "yes_no", "posterior column injury", _said(
        "posterior column | posterior column injury | posterior column involvement")),
    Element("alignment_abnormal", "yes_no", "abnormal alignment", _said(
        "alignment abnormal | abnormal alignment | malalignment")),
    Element("cord_compression", "yes_no", "cord compression", _said(
        "cord compression | spinal cord compression")),
    Element("cleft", "yes_no", "cleft", _said("cleft | intravertebral cleft | fluid cleft")),
    Element("progression", "yes_no", "progression", _said(
        "progression | collapse progression | progressive collapse")),
    Element("progressive_kyphosis", "yes_no", "progressive kyphosis", _said(
        "progressive kyphosis | kyphosis progressing")),
    Element("significant_deformity", "yes_no", "significant deformity", _said(
        "significant deformity | deformity")),
    Element("pathologic", "word", "pathologic fracture", _said(
        "pathologic | pathological | pathologic fracture | pathological fracture")),
    Element("mri_contraindicated", "yes_no", "MRI contraindicated", _said(
        "mri contraindicated | mri contraindication | no mri possible")),
)  # fmt: skip

_SYMPTOMS_AND_CARE = (
    Element("care_start", "date", "start of conservative care", _said(
        _started(_CONSERVATIVE_CARE))),
    Element("nrs", "number", "pain score", _said(
        "pain | pain score | nrs | vas | pain nrs | pain vas | vas pain | nrs pain | pain 10",
        "nprs | numeric rating scale | pain level | pain intensity | pain rating | pain now",
        "pain out of 10 | vas score | nrs score | score 10 | vas 10 | nrs 10 | current pain")),
    Element("symptoms_date", "date", "date of the pain score", _said(
        _dated("pain | vas | nrs | pain score | symptoms | symptom | score | pain assessment"),
        _dated("pain review | vas score | nrs score | symptom review | symptoms recorded"),
        "pain done | nrs done | pain score done | pain assessed on | score done | symptoms done on")),
    Element("trend", "word", "trend", _said(
        "trend | pain trend | better worse | better or worse | worse better | course | progress",
        "symptom trend | pain course | pain change | direction | symptoms trend | pain progress",
        "change in pain | better same worse")),
    Element("symptoms_changed", "yes_no", "symptoms changed in character", _said(
        "symptoms changed | changed symptoms | change of character | pain changed character")),
    Element("symptoms_resolved", "yes_no", "symptoms resolved", _said(
        "resolved | pain resolved | symptoms resolved | pain free")),
    Element("paracetamol", "yes_no", "paracetamol", _said("paracetamol | acetaminophen")),
    Element("nsaid", "yes_no", "NSAID", _said("nsaid | nsaids")),
    Element("opioid", "yes_no", "opioid", _said("opioid | opioids | opiate | opiates")),
    Element("parenteral_opioid", "yes_no", "parenteral opioid", _said(
        "parenteral opioid | parenteral opioids | iv opioid | iv opioids")),
    Element("analgesia_contraindicated", "yes_no", "analgesia contraindicated", _said(
        "analgesia contraindicated | analgesics contraindicated")),
    Element("hospitalised_for_pain", "yes_no", "admitted for pain", _said(
        "admitted for pain | hospitalised for pain | hospitalized for pain | pain admission")),
    Element("pulmonary_dysfunction", "yes_no", "pulmonary dysfunction", _said(
        "pulmonary dysfunction | pulmonary compromise | respiratory compromise")),
    Element("calcitonin_start", "date", "start of calcitonin", _said(_started("calcitonin"))),
    Element("calcitonin_stop", "date", "end of calcitonin", _said(
        "calcitonin stop | calcitonin stopped | calcitonin stop date | calcitonin end",
        "calcitonin ended | calcitonin stopped on")),
)  # fmt: skip

_BONE_HEALTH = (
    Element("t_score", "number", "T-score", _said(
        "t score | t | dxa t | dexa t | dxa t score | dexa t score | bmd t score | lowest t score",
        "t score dxa | t score dexa | bmd t | bone density t score | dxa score")),
    Element("dxa_date", "date", "date of the DXA", _said(
        _dated("dxa | dexa | dxa scan | dexa scan | bmd | bone density | bone density scan"))),
    Element("osteoporosis_drug", "word", "osteoporosis drug", _said(_BONE_DRUG)),
    Element("drug_start", "date", "start of the osteoporosis drug", _said(_started(_BONE_DRUG))),
    Element("calcium", "number", "calcium a day", _said(
        "calcium | calcium dose | daily calcium | elemental calcium | calcium daily | calcium day",
        "calcium mg day | calcium mg daily | calcium supplement")),
    Element("vitamin_d", "number", "vitamin D a day", _said(
        "vitamin d | vit d | vitamin d dose | vit d dose | vitamin d3 | vit d3 | daily vitamin d",
        "colecalciferol | cholecalciferol | vitamin d iu day | vit d iu day | vit d iu daily")),
    Element("height", "number", "height", _said(
        "height | patient height | body height | stature | ht | standing height")),
    Element("weight", "number", "weight", _said("weight | body weight | patient weight | wt")),
    Element("bmi", "number", "BMI", _said("bmi | body mass index")),
    Element("bone_referral", "word", "bone specialist referral", _said(
        "bone referral | bone specialist referral | bone health referral | bone clinic referral")),
    Element("bone_referral_date", "date", "date of the bone specialist referral", _said(
        _dated("bone referral | bone specialist referral | bone health referral"))),
    Element("cancer_history", "yes_no", "history of cancer", _said(
        "cancer history | history of cancer | previous cancer | past cancer | hx cancer | cancer",
        "hx of cancer | malignancy history | known cancer | history of malignancy | ca history",
        "previous malignancy | prior cancer | prior malignancy")),
    Element("weight_loss", "yes_no", "unexplained weight loss", _said(
        "weight loss | unexplained weight loss | wt loss")),
    Element("failure_to_improve", "yes_no", "failure to improve", _said("failure to improve")),
)  # fmt: skip

_ALL = _IDENTITY + _FRACTURE + _EXAMINATION + _IMAGING + _SYMPTOMS_AND_CARE + _BONE_HEALTH
ELEMENTS = MappingProxyType({element.name: element for element in _ALL})
# Several columns of remarks are common, and every one of them is read by a person.
REPEATABLE = frozenset({"comments"})

_SAME_WORD = {
    "number": "no num nr nbr numbers", "fracture": "fx frac fract", "date": "dt dates", "patient": "pt",
    "hospital": "hosp", "treatment": "rx tx treatments therapy", "management": "mx mgmt",
    "drug": "med meds medication medications medicine agent drugs", "vitamin": "vit",
    "start": "started starting begun began commenced initiated begin", "loss": "lost",
    "done": "performed taken recorded scored measured", "visit": "appointment appt", "dxa": "dexa",
    "nrs": "vas nprs", "mri": "mr", "history": "hx", "previous": "prev prior past earlier",
    "vertebra": "vertebral vertebrae vb", "neuro": "neurological neurologic neurology", "oedema": "edema",
    "exam": "examination", "manager": "mgr", "coordinator": "coord", "osteoporosis": "osteop op",
    "malignancy": "malignant", "specialist": "spec", "xray": "radiograph xr",
}  # fmt: skip
_SHORT_FORMS = {said: word for word, group in _SAME_WORD.items() for said in group.split()}
_UNIT_WORDS = frozenset([
    "percent", "percentage", "pct", "pc", "deg", "degs", "degree", "degrees", "cm", "m", "kg", "mg", "g",
    "iu", "units", "day", "daily", "sd",
])  # fmt: skip


def fold(text: str) -> str:
    """Case, accents, spaces and punctuation do not tell two headings apart."""
    return "".join(_tokens(text))


def _tokens(text: str) -> list[str]:
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(mark for mark in decomposed if not unicodedata.combining(mark))
    spelled = plain.replace("#", " fracture ").replace("%", " percent ").replace("&", " and ")
    return [_SHORT_FORMS.get(word, word) for word in re.findall(r"[a-z0-9]+", spelled)]


def _index(elements: Iterable[Element]) -> dict[str, str]:
    return {fold(said): each.name for each in elements for said in (*each.headings, each.name)}


_BY_HEADING = _index(_ALL)


def recognise(heading: str) -> str | None:
    """The data element a heading names, or None when it is not a known way of saying one."""
    bare = re.sub(r"[(\[][^)\]]*[)\]]|(?:/|\bout of|\b0 ?-) ?10+\b", " ", heading)
    without_units = "".join(word for word in _tokens(bare) if word not in _UNIT_WORDS)
    for said in (fold(heading), fold(bare), without_units):
        if said in _BY_HEADING:
            return _BY_HEADING[said]
    return None


def heading_unit(heading: str) -> str:
    """The unit a heading states for its whole column, as in "Height (m)"; empty when none."""
    bracketed = re.search(r"[(\[]([^)\]]*)[)\]]\s*$", heading)
    if bracketed:
        return bracketed.group(1).strip()
    last = heading.rsplit(maxsplit=1)[-1] if heading.strip() else ""
    if last == "%" or heading.lstrip().startswith("%"):
        return "%"
    return last if last.casefold() in _UNIT_WORDS and len(heading.split()) > 1 else ""
