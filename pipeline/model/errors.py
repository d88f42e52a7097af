"""Errors a person can act on: what happened, why, and what to do next; each kind has its own exit code."""

from __future__ import annotations

from typing import ClassVar

EXIT_CLEAN = 0
EXIT_BLOCKED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_APPLE = 4
EXIT_INTERNAL = 5
EXIT_INTERRUPTED = 130


class PipelineError(Exception):
    """An error with its own advice.

    Args:
        what: what happened, one sentence.
        why: the cause, as far as it is known.
        remedy: the next thing to do.
    """

    exit_code: ClassVar[int] = EXIT_INTERNAL

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} ({self.why})" if self.why else self.what


class UsageFault(PipelineError):
    """The input is at fault: an option, a configuration file, a folder."""

    exit_code = EXIT_USAGE


class Refused(PipelineError):
    """Somebody else holds the lease, or the plan is not approved."""

    exit_code = EXIT_REFUSED


class AppleFailure(PipelineError):
    """Apple's side (a service or one of its tools) failed or refused."""

    exit_code = EXIT_APPLE

    def __init__(self, what: str, *, why: str = "", remedy: str = "", code: str = "", ambiguous: bool = False) -> None:
        super().__init__(what, why=why, remedy=remedy)
        self.code = code
        self.ambiguous = ambiguous
        """True when the request may have taken effect although no answer came back."""


class Interrupted(PipelineError):
    """The person at the keyboard, or the machine, asked to stop."""

    exit_code = EXIT_INTERRUPTED
