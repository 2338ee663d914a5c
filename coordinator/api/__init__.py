"""The API for programs: the same engine, the same store and the same permissions as the screens, as JSON."""
