"""The command line: `pathway`. Every door leads to the same engine."""

import sys

from coordinator.cli.application import app

__all__ = ["app", "main"]


def main() -> None:
    """Run a command; whatever goes wrong is one sentence and exit code 2, never a traceback."""
    try:
        app()
    except KeyboardInterrupt:
        _end("stopped; what was finished is saved.", 130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:
        said = _sentence(error)
        if said is None:
            raise
        # 2, as for every refusal (coordinator.cli.output).
        _end(said, 2)


def _sentence(error: Exception) -> str | None:
    """What is said of a trouble that is known; None of a fault of ours, which shows its traceback."""
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 slow to load, and mostly nothing goes wrong

    from pathway.errors import PathwayError  # noqa: PLC0415 as above

    if isinstance(error, PathwayError):
        return str(error)
    if isinstance(error, SQLAlchemyError):
        said = " ".join(str(getattr(error, "orig", None) or error).split())
        return f"the database could not be used, nothing was saved: {said}"
    if isinstance(error, OSError):
        return f"a file could not be used: {error}"
    return None


def _end(said: str, code: int) -> None:
    from coordinator.cli.output import errors  # noqa: PLC0415 as above

    errors.print(f"pathway: {said}", markup=False)
    sys.exit(code)
