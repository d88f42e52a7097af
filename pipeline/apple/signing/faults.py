"""The one error of this room: bytes that are not the certificate or profile they are said to be."""

from __future__ import annotations

from typing import ClassVar

from pipeline.model.errors import EXIT_USAGE, PipelineError


class SigningFault(PipelineError):
    """A certificate, profile or listing cannot be read; `what` says which, `why` says where it breaks."""

    exit_code: ClassVar[int] = EXIT_USAGE
