"""`python -m coordinator` is `pathway`."""

from coordinator.cli import main

main()
