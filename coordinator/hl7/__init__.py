"""HL7 v2 in: messages are stored as they came, then turned into what an import of FHIR takes in, by the same rules.

Nothing outside this package knows the library hl7.
"""
