"""An environment that is made already, for tests that start the real scripts: nothing is installed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

BAITS = ("pipeline/__init__", "pipeline/__main__", "queue", "invoke", "signal", "compileall", "venv", "pip")


def baited(folder: Path) -> Path:
    """Fill the folder of an app with modules named as ours; the file that exists once one of them was imported."""
    caught = folder.parent / "caught"
    for name in BAITS:
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"import sys\nopen({str(caught)!r}, 'a').write(__file__)\nsys.exit(77)\n", encoding="utf-8")
    return caught


def made_environment(root: Path, folder: Path) -> dict[str, str]:
    """Variables for a process that sees no credentials and no home; everything it writes goes below the folder."""
    environment = folder / "environment"
    (environment / "bin").mkdir(parents=True)
    python = environment / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    shutil.copy(root / "requirements/run.lock", environment / ".run.lock")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PIPELINE_ENVIRONMENT": str(environment),
        "PIPELINE_RUNS": str(folder / "runs"),
    }
