"""What the way of a rehearsal through the simulator may load, and what it must never reach."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

PROBE = """
import sys
from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.faults import Scenario
from pathlib import Path
from datetime import UTC, datetime
apple = SimulatedApple(Path(sys.argv[1]), Scenario.for_apps("T", [("a.b", "A", ["IOS"])]), now=lambda: datetime.now(UTC))
assert apple.handle("GET", "https://api.appstoreconnect.apple.com/v1/apps", {"Authorization": "Bearer rehearsal"})[0] == 200
print(" ".join(sorted(sys.modules)))
"""
HEAVY = {
    "http.server",
    "socketserver",
    "yaml",
    "email",
    "uuid",
    "zipfile",
    "plistlib",
    "cryptography",
    "jwt",
    "requests",
    "difflib",
}


def test_nothing_heavy_is_loaded_on_the_way(tmp_path: Path, root: Path) -> None:
    argv = [sys.executable, "-c", PROBE, str(tmp_path)]
    loaded = set(subprocess.run(argv, capture_output=True, text=True, check=True, cwd=root).stdout.split())
    assert loaded & HEAVY == set()
    assert not [name for name in loaded if name.startswith(("pipeline.apple", "pipeline.model", "pipeline.ports"))]


def test_the_services_import_nothing_of_the_clients(root: Path) -> None:
    folder = root / "pipeline" / "simulator"
    files = [*folder.glob("*.py"), *(folder / "connect").glob("*.py"), *(folder / "cloudkit").glob("*.py")]
    assert len(files) > 15
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [n for n in names if n.startswith(("pipeline.apple", "pipeline.model"))], path
