"""FHIR R4 as a service: reading and searching what `pathway export fhir` writes, under the same tokens as the API."""
