"""The console command: `release-pipeline`, or `python -m pipeline`."""

# Nothing else is imported before the handlers stand: a Ctrl-C in an import would show a traceback.
import os
import signal
import sys

# EXIT_INTERRUPTED of pipeline.model.errors, whose package is already too much to import here.
_INTERRUPTED = 130


def main() -> None:
    """Run the menu with the arguments of this process."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _leave)
        _open_streams()
        _collect_less_garbage()
        from pipeline.menu import run

        run()
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python must not complain about it at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        # The exit code stands: a late Ctrl-C shall not break the interpreter's own end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _leave(_number: int, _frame: object) -> None:
    """Leave at once: outside a walk nothing is half done, and a walk has a handler of its own.

    An exception would be raised wherever Python happens to be. In the middle of an import it can leave a lock behind
    for which the next import waits for ever.
    """
    os.write(2, b"\ninterrupted\n")
    os._exit(_INTERRUPTED)


def _collect_less_garbage() -> None:
    """What is imported at the start lives to the end: to look through it over and over is a tenth of a run."""
    import gc

    gc.set_threshold(200_000, 20, 100)


def _open_streams() -> None:
    """Python has None for a stream that the caller has closed, and invoke writes to it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - to the end of the process


if __name__ == "__main__":
    main()
