"""The console command: the menu of `invoke`, from any folder."""

from __future__ import annotations

import os
import sys

from invoke import Collection, Program
from invoke.exceptions import ParseError

from pipeline import __version__
from pipeline.model.errors import EXIT_USAGE


class Menu(Program):
    """Invoke's own program, except that a mistyped option ends with the exit code for usage."""

    def parse_tasks(self) -> None:
        try:
            super().parse_tasks()
        except ParseError as fault:
            print(f"error: {fault}", file=sys.stderr)  # noqa: T201
            print(f"  help: {self._hint(str(fault))}", file=sys.stderr)  # noqa: T201
            sys.exit(EXIT_USAGE)

    def _hint(self, fault: str) -> str:
        from difflib import get_close_matches

        word = fault.partition("'")[2].partition("'")[0]
        close = get_close_matches(word, self.collection.task_names, 1)
        return f"did you mean {close[0]!r}?" if close else "`--list` shows the menu, `--help TASK` its options"


def main() -> None:
    """Run the menu with the arguments of this process."""
    import gc

    # What is imported at the start lives to the end: to search it for garbage is a tenth of a run.
    gc.set_threshold(50_000, 20, 100)
    from pipeline.tasks import namespace

    try:
        _menu(namespace)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python must not complain about it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _menu(namespace: Collection) -> None:
    Menu(name="release-pipeline", binary="release-pipeline", namespace=namespace, version=__version__).run()


if __name__ == "__main__":
    main()
