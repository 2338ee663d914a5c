"""FHIR R4 out: what is known of each patient, and the pathway itself, as other systems read it.

Resources are plain mappings in the shape of R4 (4.0.1); the tests read each of them with the models.
"""
