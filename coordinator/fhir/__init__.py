"""FHIR R4 in: what a hospital's export says of fractures and of patients who are followed already.

Only the commands and screens that need a room here open it: the FHIR models take longer to load than all the rest
of the program, so nothing is imported for convenience in this file.
"""
