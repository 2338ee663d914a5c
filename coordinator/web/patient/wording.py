"""What a form calls the kinds and fields of the pathway. The words of rules and states come from the guideline."""

from collections.abc import Callable, Mapping
from functools import cache
from gettext import NullTranslations

from coordinator.web.text import _, translations

Words = Callable[[], Mapping[str, str]]

# The kinds that a coordinator records most, first.
COMMON = ("symptoms", "imaging", "dxa", "osteoporosis_rx", "supplements", "bone_referral")


def kind_titles() -> Mapping[str, str]:
    return {
        "symptoms": _("Symptoms"),
        "neuro_exam": _("Neurological examination"),
        "imaging": _("Imaging"),
        "malignancy_features": _("Signs of malignancy"),
        "malignancy": _("Judgement on malignancy"),
        "analgesia": _("Pain medicine"),
        "pulmonary": _("Breathing"),
        "dxa": _("Bone densitometry (DXA)"),
        "anthropometry": _("Height and weight"),
        "supplements": _("Calcium and vitamin D intake"),
        "osteoporosis_rx": _("Osteoporosis drug"),
        "bone_referral": _("Referral to endocrinology or rheumatology"),
        "calcitonin": _("Calcitonin started or stopped"),
        "bedside_signs": _("Bedside signs"),
        "mri_safety": _("Whether MRI is safe"),
        "mobility": _("Bed rest and brace"),
        "physiotherapy": _("Physiotherapy"),
        "function": _("Function"),
    }


def field_labels() -> Mapping[str, str]:
    return {**_of_the_examination(), **_of_imaging(), **_of_treatment()}


def _of_the_examination() -> Mapping[str, str]:
    return {
        "nrs": _("Pain now, 0 to 10"),
        "trend": _("Compared with before"),
        "changed": _("New or different symptoms since the last talk"),
        "resolved": _("Pain has resolved"),
        "complete": _("The examination is complete"),
        "motor_deficit": _("Weakness (motor deficit)"),
        "sensory_deficit": _("Numbness (sensory deficit)"),
        "reflex_abnormal": _("Abnormal reflexes"),
        "bowel_bladder": _("New bowel or bladder problem"),
        "reduced_rectal_tone": _("Reduced rectal tone"),
        "radicular": _("Radicular symptoms"),
        "cancer_history": _("History of cancer"),
        "weight_loss": _("Unexplained weight loss"),
        "failure_to_improve": _("Failure to improve"),
        "percussion": _("Percussion sign positive"),
        "supine": _("Supine sign positive"),
        "dysfunction": _("Breathing is impaired by the fracture"),
    }


def _of_imaging() -> Mapping[str, str]:
    return {
        "cord_compression": _("Cord compression"),
        "posterior_column": _("Posterior column involved"),
        "alignment_abnormal": _("Abnormal alignment"),
        "significant_deformity": _("Significant deformity"),
        "progressive_kyphosis": _("Progressive kyphosis"),
        "collapse_pct": _("Loss of height"),
        "kyphosis": _("Kyphosis angle"),
        "scoliosis": _("Scoliosis angle"),
        "performed": _("Date of the imaging"),
        "cleft": _("Fluid or gas cleft"),
        "acute_levels": _("Acutely fractured levels"),
        "fracture_levels": _("All fractured levels"),
        "pathologic": _("Pathologic fracture"),
        "t_score": _("Lowest T-score"),
        "secondary_workup": _("Work-up for secondary causes done"),
        "contraindicated": _("Contraindicated"),
        "mri_contraindicated": _("MRI is contraindicated"),
    }


def _of_treatment() -> Mapping[str, str]:
    return {
        "height_cm": _("Height"),
        "weight_kg": _("Weight"),
        "bmi": _("Body mass index"),
        "calcium_mg": _("Calcium, elemental"),
        "vitamin_d_iu": _("Vitamin D"),
        "nsaid": _("NSAID"),
        "opioid": _("Opioid by mouth"),
        "parenteral_opioid": _("Opioid by injection"),
        "hospitalised_for_pain": _("In hospital because of pain"),
        "agent": _("Drug"),
        "start": _("Date of the start"),
        "bed_rest_days": _("Days of bed rest"),
        "modality": _("Modality"),
        "contrast": _("Contrast"),
        "region": _("Region"),
        "retropulsion": _("Retropulsion"),
        "progression": _("Progression"),
        "new_fracture": _("New fracture"),
        "paracetamol": _("Paracetamol"),
        "adherence": _("Adherence"),
        "service": _("Service"),
        "site": _("Site"),
        "status": _("Status"),
        "action": _("Action"),
        "route": _("Route"),
        "brace": _("Brace"),
        "referred": _("Referred"),
        "supervised": _("Supervised"),
        "scale": _("Scale"),
        "date": _("Date"),
    }


def value_words() -> Mapping[str, str]:
    return {
        "XR": _("X-ray"),
        "BONE_SCAN": _("Bone scan"),
        "SPECT_CT": _("SPECT/CT"),
        "low_energy": _("Low energy"),
        "high_energy": _("High energy"),
        "atraumatic": _("Without trauma"),
        "none": _("None"),
        "suspected": _("Suspected"),
        "confirmed": _("Confirmed"),
        "excluded": _("Excluded"),
        "improving": _("Improving"),
        "unchanged": _("Unchanged"),
        "worsening": _("Worsening"),
        "start": _("Start"),
        "stop": _("Stop"),
    }


@cache
def _spoken(words: Words, _language: NullTranslations) -> Mapping[str, str]:
    """Looked up once for each language: a page asks for hundreds of them."""
    return words()


def kind_title(kind: str) -> str:
    return _spoken(kind_titles, translations()).get(kind) or spaced(kind)


def label(name: str) -> str:
    return _spoken(field_labels, translations()).get(name) or spaced(name)


def when_label(name: str) -> str:
    """What a form calls the date of something."""
    return _("Date") if name in ("effective", "date") else label(name)


def value_word(value: str) -> str:
    return _spoken(value_words, translations()).get(value) or (value if value.isupper() else spaced(value))


def spaced(name: str) -> str:
    """A name of the data as words: secondary_workup is Secondary workup."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
