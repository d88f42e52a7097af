"""The menu of `invoke` as a program of its own, which any folder can start."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from invoke import Config, Program
from invoke.exceptions import ParseError

from pipeline import __version__
from pipeline.model.errors import EXIT_INTERRUPTED, EXIT_USAGE
from pipeline.tasks import named, namespace

NAME = "release-pipeline"


class Plain(Config):
    """Invoke's settings in somebody's home folder or in /etc are about other menus, and may be broken."""

    def load_base_conf_files(self) -> None:
        """See `Config.load_base_conf_files`: none are read."""


class Menu(Program):
    """Invoke's own program, except for exit codes, hints at what was mistyped, and `status RUN` for `status --run RUN`.

    Invoke knows no argument that has a place and may be left out.
    """

    def parse_tasks(self) -> None:
        """See `Program.parse_tasks`."""
        self.core.unparsed = named(self.core.unparsed)
        try:
            super().parse_tasks()
        except ParseError as fault:
            print(f"error: {_worded(str(fault))}", file=sys.stderr)  # noqa: T201
            print(f"  help: {self._hint(fault)}", file=sys.stderr)  # noqa: T201
            sys.exit(EXIT_USAGE)

    def _hint(self, fault: ParseError) -> str:
        word = str(fault).partition("'")[2].partition("'")[0]
        task = fault.context.name if fault.context else ""
        known: Iterable[str] = fault.context.flags if word.startswith("-") and fault.context else self._names()
        if close := _nearest(word, known):
            return f"did you mean {close!r}?"
        return f"`--help {task}` shows its options" if task else "`--list` shows the menu, `--help TASK` its options"

    def _names(self) -> Iterable[str]:
        for name, aliases in self.collection.task_names.items():
            yield from (name, *aliases)


def _worded(fault: str) -> str:
    unknown = fault.removeprefix("No idea what ").removesuffix(" is!")
    if unknown != fault:
        return f"there is no {'option' if unknown[1:2] == '-' else 'task'} {unknown}"
    if fault.startswith("Flag ") and fault.endswith("needed value and was not given one!"):
        name = fault.partition("<Argument: ")[2].partition(" ")[0].rstrip(">")
        return f"the option {_dashed(name)} needs a value" if name else fault
    return fault


def _dashed(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _nearest(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    return next(iter(get_close_matches(word[:80], list(known), 1, 0.6)), "")


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the menu; ends with SystemExit, whose code is the run's."""
    told = None if arguments is None else [NAME, *arguments]
    menu = Menu(
        name=NAME, binary=NAME, binary_names=[NAME], namespace=namespace, version=__version__, config_class=Plain
    )
    try:
        menu.run(told)
    except SystemExit as fault:
        if isinstance(fault.__context__, KeyboardInterrupt):
            # Invoke ends with 1 then, which would say that findings block.
            sys.exit(EXIT_INTERRUPTED)
        raise
