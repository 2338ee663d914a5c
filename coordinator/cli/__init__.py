"""The command line: `pathway`. Every door leads to the same engine."""

import sys

from sqlalchemy.exc import SQLAlchemyError

from coordinator.cli import (
    calendar,
    colleagues,
    demo,
    exporting,
    fhir,
    fhir_out,
    guideline,
    health,
    hl7,
    importing,
    merging,
    messages,
    reading,
    recording,
    running,
    scenario,
    serving,
    templates,
    tokens,
    webhooks,
    working,
)
from coordinator.cli.base import app
from coordinator.cli.output import REFUSED, errors
from pathway.errors import PathwayError

__all__ = ["app", "main"]
COMMANDS = (
    calendar,
    colleagues,
    demo,
    exporting,
    fhir,
    fhir_out,
    guideline,
    health,
    hl7,
    importing,
    merging,
    messages,
    reading,
    recording,
    running,
    scenario,
    serving,
    templates,
    tokens,
    webhooks,
    working,
)


def main() -> None:
    """Run a command; whatever goes wrong is one sentence and exit code 2, never a traceback."""
    try:
        app()
    except PathwayError as error:
        errors.print(f"pathway: {error}", markup=False)
        sys.exit(REFUSED)
    except SQLAlchemyError as error:
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        errors.print(f"pathway: the database could not be used, nothing was saved: {said}", markup=False)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        errors.print("pathway: stopped; what was finished is saved.", markup=False)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        errors.print(f"pathway: a file could not be used: {error}", markup=False)
        sys.exit(REFUSED)
