"""The start stays short: what must not be imported to show the menu, or to rehearse. The clock is not asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LOADED = """
import json, sys
sys.argv = ["release-pipeline", *{arguments!r}]
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
    from pipeline.__main__ import main
    main()
print(json.dumps(sorted(sys.modules)))
"""

MENU = {
    "requests",
    "urllib3",
    "jwt",
    "cryptography",
    "tenacity",
    "structlog",
    "rich",
    "asn1crypto",
    "plistlib",
    "xml.etree",
}
REHEARSAL = {"requests", "urllib3", "jwt", "tenacity", "structlog", "rich", "http.server", "jsonschema"}


def loaded(*arguments: str) -> set[str]:
    code = LOADED.format(arguments=list(arguments))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_menu_imports_invoke_and_little_else() -> None:
    modules = loaded("--list")
    assert modules & MENU == set()
    ours = {name for name in modules if name.startswith("pipeline")}
    assert ours <= {
        "pipeline",
        "pipeline.__main__",
        "pipeline.menu",
        "pipeline.values",
        "pipeline.tasks",
        "pipeline.verbs",
        "pipeline.model",
        *(
            f"pipeline.model.{m}"
            for m in ("actions", "errors", "exhibits", "findings", "lanes", "marks", "readings", "stages")
        ),
    }


def test_a_rehearsal_imports_nothing_that_only_the_network_or_a_long_run_needs(tmp_path: Path) -> None:
    assert loaded("release", "--dry-run", "--quiet", "--runs", str(tmp_path)) & REHEARSAL == set()


@pytest.mark.parametrize("arguments", [["--list"], ["--help", "release"], ["runs.list"]])
def test_small_questions_open_no_world(arguments: list[str]) -> None:
    assert "pipeline.engine.walk" not in loaded(*arguments)
