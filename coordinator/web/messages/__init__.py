"""The outbox as values for screens: words for kinds and outcomes, whom a message is for, what holds it, its text."""
