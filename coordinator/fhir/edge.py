"""The edge: the FHIR R4 models look at each resource that is used, once, before anything believes it.

The only module that imports fhir.resources, and its package R4B: the default package is R5 and refuses R4.
"""

from collections.abc import Mapping
from typing import Any

from fhir.resources.R4B.condition import Condition
from fhir.resources.R4B.diagnosticreport import DiagnosticReport
from fhir.resources.R4B.imagingstudy import ImagingStudy
from fhir.resources.R4B.medication import Medication
from fhir.resources.R4B.medicationrequest import MedicationRequest
from fhir.resources.R4B.medicationstatement import MedicationStatement
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient
from fhir.resources.R4B.procedure import Procedure
from fhir.resources.R4B.servicerequest import ServiceRequest
from pydantic import ValidationError

MODELS: Mapping[str, Any] = {
    "Condition": Condition,
    "DiagnosticReport": DiagnosticReport,
    "ImagingStudy": ImagingStudy,
    "Medication": Medication,
    "MedicationRequest": MedicationRequest,
    "MedicationStatement": MedicationStatement,
    "Observation": Observation,
    "Patient": Patient,
    "Procedure": Procedure,
    "ServiceRequest": ServiceRequest,
}
# What nothing here reads, however large it is: a fault in it is no reason to lose the rest.
NOT_READ = ("text", "extension", "photo", "contained", "presentedForm", "note")


def refused_because(resource: Mapping[str, Any]) -> str:
    """Why this is no such resource of R4, in words; empty where it is one."""
    shown = {name: value for name, value in resource.items() if name not in NOT_READ}
    try:
        MODELS[str(resource["resourceType"])].model_validate(shown)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        return f"it is not valid FHIR R4: {f'{where}: ' if where else ''}{said[:200]}"
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        # The models convert before they check, and trip over shapes that nobody foresaw.
        return f"it is not valid FHIR R4 ({type(error).__name__}: {str(error)[:120]})"
    return ""
