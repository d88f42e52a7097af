"""What every verb of the menu has: options, an exit code, and an answer to whatever goes wrong."""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from inspect import Parameter, Signature
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from invoke import Context, Task
from invoke.exceptions import Exit

from pipeline.model.errors import EXIT_INTERRUPTED, PipelineError, UsageFault
from pipeline.values import dataclass

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Option:
    """One option, the same wherever it is offered. A tuple as default makes it repeatable."""

    help: str
    default: Any = ""


def verb(known: Mapping[str, Option], *options: str) -> Callable[[Callable[[Options], int | None]], Task[Any]]:
    """A task that offers some of the known options, tells errors as what, why and remedy, and exits with their code."""

    def made(function: Callable[[Options], int | None]) -> Task[Any]:
        def body(context: Context, **given: Any) -> None:
            chosen = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
            raise Exit(code=_guarded(_refused if context.config.run.dry else function, chosen))

        own = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=_default(known[name])) for name in options]
        body.__signature__ = Signature([Parameter("context", Parameter.POSITIONAL_OR_KEYWORD), *own])  # type: ignore[attr-defined]
        body.__name__, body.__doc__ = function.__name__, function.__doc__
        repeatable = [name for name in options if isinstance(known[name].default, tuple)]
        return Task(
            body,
            positional=[],
            iterable=repeatable,
            auto_shortflags=False,
            help={name.replace("_", "-"): known[name].help for name in options},
        )

    return made


def offered(task: Task[Any]) -> tuple[str, ...]:
    """The names of a task's options."""
    parameters = getattr(task.body, "__signature__", Signature()).parameters
    return tuple(parameters)[1:]


def _refused(_options: Options) -> int:
    raise UsageFault(
        "--dry before the task is not a rehearsal",
        why="it is invoke's own flag, and only keeps invoke from running shell commands",
        remedy="write it behind the task: `release --dry-run`",
    )


def _default(option: Option) -> Any:
    return [] if isinstance(option.default, tuple) else option.default


def _guarded(function: Callable[[Options], int | None], options: Options) -> int:
    if isinstance(sys.stdout, TextIOWrapper):
        # A name that the terminal's encoding cannot show is spelled out instead of stopping a release.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return int(function(options) or 0)
    except PipelineError as fault:
        return _complain(fault)
    except KeyboardInterrupt:
        print("interrupted; `invoke resume` goes on from here", file=sys.stderr, flush=True)
        if threading.active_count() > 1:
            # A thread that waits for an answer would keep the process here; the journal is on disk already.
            os._exit(EXIT_INTERRUPTED)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return 0  # whoever read the output has seen enough
    except OSError as fault:
        return _complain(_refused_here(fault)) if fault.errno in MACHINE or not _somewhere() else _confess(fault)
    except Exception as fault:  # noqa: BLE001 - the last door: our mistakes are kept in a file, not thrown at a person
        return _confess(fault)
    finally:
        _hush()


def _hush() -> None:
    """Streams that take no more: Python would complain of them at exit, and end with a code of its own."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


MACHINE = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.ELOOP,
        errno.EMFILE,
        errno.ENAMETOOLONG,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EPERM,
        errno.EROFS,
    }
)
"""What a machine answers when it is full, locked or out of something: nothing that we could have done better."""


def _somewhere() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def _refused_here(fault: OSError) -> UsageFault:
    if not _somewhere():
        return UsageFault("the current folder is gone", why=fault.strerror or "", remedy="change to one that is there")
    return UsageFault(
        f"this machine refuses: {fault.strerror}",
        why=f"at {fault.filename}" if fault.filename else "",
        remedy="make room or give access, then `invoke resume`: nothing was done that the journal does not say",
    )


def _complain(fault: PipelineError) -> int:
    from pipeline.reports.terminal import look

    bold = look(sys.stderr).paint("error", "bold red")
    with suppress(OSError):  # where nobody listens, the exit code says it
        for lead, told in ((bold, fault.what), ("  why", fault.why), ("  help", fault.remedy)):
            if told:
                print(f"{lead}: {_harmless(told)}", file=sys.stderr)
    return fault.exit_code


def _harmless(text: str) -> str:
    """The text on one line, without anything that acts on a terminal, and without credentials."""
    from pipeline.ports.secrets import without_credentials
    from pipeline.reports.text import shown

    return shown(without_credentials(text, dict(os.environ)))


def _confess(fault: Exception) -> int:
    """What only we can mend: the story goes into a file, and one line to the person."""
    import tempfile
    import traceback

    from pipeline.ports.secrets import without_credentials

    # What is cut short has to lose its secrets before: half of one would not be recognised.
    environment = dict(os.environ)
    said = without_credentials(str(fault), environment)[:500]
    story = without_credentials("".join(traceback.format_exception(fault)), environment)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="pipeline-fault-", suffix=".txt", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as file:
            file.write(story)
    except OSError:
        kept = "this line: its story could not be written anywhere"
    else:
        kept = file.name
    return _complain(
        PipelineError(
            f"an internal error: {type(fault).__name__}: {said}",
            why="this is a mistake in the pipeline, not in your app",
            remedy=f"report it with {kept}; nothing was done that the journal does not say",
        )
    )
