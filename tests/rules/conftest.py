"""Properties here are repeatable; see tests/journeys/repeatable.py."""

from tests.journeys import repeatable

repeatable.load()
