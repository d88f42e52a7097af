"""What a person gets of a run: the report, the files that were asked for, and the command that repeats it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.model import UsageFault

if TYPE_CHECKING:
    from pipeline.model.run import Run

Options = Mapping[str, Any]


def wanted(options: Options) -> list[tuple[str, Path]]:
    """The reports that were asked for; told wrongly, that is said before anything is done."""
    from pipeline.reports import FORMATS

    found: list[tuple[str, Path]] = []
    for told in options.get("report", ()):
        name, separator, path = told.partition("=")
        if not separator or not path:
            raise UsageFault(
                f"--report {told!r} is not FORMAT=PATH",
                why=f"the formats are {', '.join(FORMATS)}",
                remedy="for instance --report html=run.html",
            )
        if name not in FORMATS:
            from pipeline.configuration.reading import nearest

            raise UsageFault(
                f"--report {told!r}: there is no format {name!r}",
                why=f"the formats are {', '.join(FORMATS)}",
                remedy=nearest(name, FORMATS),
            )
        found.append((name, _writable(Path(path))))
    return found


def _writable(path: Path) -> Path:
    """The path, where a file could be written as far as can be seen now: a release shall not end without its report."""
    full = Path(os.path.expanduser(path)).absolute()  # noqa: PTH111 - a tilde before an unknown name stays one
    folder = next(each for each in full.parents if each.exists())
    if full.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageFault(
            f"a report cannot be written to {path}",
            why="it is a folder" if full.is_dir() else f"{folder} is no folder that you may write to",
            remedy="name a file in a folder you may write to",
        )
    return full


def report(
    run: Run, options: Options, wanted: Sequence[tuple[str, Path]], told: Callable[[Run], str] | None = None
) -> None:
    """First what a person waits for, then the files: where one cannot be written, the rest was told."""
    from pipeline.reports import append_summary, render, write

    if options.get("json"):
        printed(render("json", run))
    elif told:
        printed(told(run))
    else:
        from pipeline.reports.terminal import look
        from pipeline.reports.terminal import render as painted

        printed(painted(run, look(sys.stdout)))
    for name, path in wanted:
        write(name, path, run)
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        append_summary(Path(summary), render("markdown", run))
    if os.environ.get("GITHUB_ACTIONS") == "true" and not options.get("json"):
        printed(render("annotations", run))


def printed(text: str) -> None:
    """Whoever reads the output may have seen enough; that changes neither the reports nor the exit code."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


REPEATED = (
    *("lanes", "project", "configuration", "ipa", "pkg", "archive", "file", "kind", "vault", "within"),
    *("key", "target", "artifact"),
)
"""The wishes that another command about the same repeats."""


def again(wishes: Mapping[str, Any], run: Run) -> str:
    """The options by which another command is about the same: the app, the lanes, the artifacts."""
    from pipeline.subject import SAMPLE

    config, app, root = (str(told or "") for told in (wishes.get("config"), wishes.get("app"), run.root))
    usual = str(Path(os.environ.get("PIPELINE_CONFIG") or "config/pipeline.yaml").absolute())
    told: list[tuple[str, str]] = []
    if wishes.get("artifact"):
        pass  # two files are compared, whatever app is around
    elif not config or config == str(Path(root) / "config" / "pipeline.yaml") != usual:
        # The folder leads to its own configuration, from wherever the command is given.
        told += [("app", root or app)] if root != str(SAMPLE) else []
    else:
        told += [] if config == usual else [("config", config)]
        told.append(("app", app))
    for name in REPEATED:
        value = wishes.get(name) or ()
        values = (value,) if isinstance(value, str) else value
        told += [(name.removesuffix("s"), str(each)) for each in values]
    return "".join(f" --{name} {quoted(value)}" for name, value in told if value)


def quoted(word: str) -> str:
    """A word for a command line that may be copied, with nothing in it that acts on a terminal."""
    from shlex import quote

    from pipeline.reports.text import shown

    return shown(quote(word))
