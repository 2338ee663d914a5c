"""CDS Hooks 2.0: what to do next, as cards that another system shows while it has the patient open."""
