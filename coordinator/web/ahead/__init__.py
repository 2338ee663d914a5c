"""The time machine as values: what falls due by day, a leave and who stands in, and time that is let pass."""
