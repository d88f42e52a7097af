"""Reports: a Run in, a text out, one module per format; what is simulated is never told as real."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model.run import Run

FORMATS = {
    "terminal": "pipeline.reports.terminal",
    "markdown": "pipeline.reports.markdown",
    "annotations": "pipeline.reports.annotations",
    "json": "pipeline.reports.jsondoc",
    "sarif": "pipeline.reports.sarif",
    "junit": "pipeline.reports.junit",
    "html": "pipeline.reports.html",
}
"""The module of each format; each has `render(run) -> str` and is only imported when it is asked for."""


def render(form: str, run: Run) -> str:
    """The run as a text of that format. Raises UsageFault when there is no such format."""
    from importlib import import_module

    from pipeline.model.errors import UsageFault

    if form not in FORMATS:
        raise UsageFault(
            f"there is no report format {form[:40]!r}",
            why=f"the formats are {', '.join(FORMATS)}",
            remedy=f"did you mean --report {_nearest(form)}=PATH?",
        )
    text: str = import_module(FORMATS[form]).render(run)
    return text


def write(form: str, path: Path, run: Run) -> None:
    """Render to a file, whole or not at all. Raises UsageFault: no such format, or the path cannot be written."""
    from pipeline.reports.paper import put

    put(path, render(form, run))


def append_summary(path: Path, text: str) -> None:
    """Append to a job summary such as the file that $GITHUB_STEP_SUMMARY names. Raises UsageFault."""
    from pipeline.reports.paper import append

    append(path, text)


def _nearest(form: str) -> str:
    from difflib import get_close_matches

    return next(iter(get_close_matches(form[:40].lower(), FORMATS, n=1, cutoff=0.0)), "terminal")
