"""A simulated Apple behind a socket, an app in a git checkout, and people who release it with real credentials."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.faults import Scenario
from pipeline.simulator.server import Server, serve
from tests.rehearsals.theatre import ROOT, Told

BUNDLE_ID, TEAM, CONTAINER = "com.mshaler.isometry", "77CCZHWQL7", "iCloud.com.mshaler.isometry"
KEY_ID, ISSUER, TOKEN = "TESTKEY123", "69a6de70-0000-47e3-e053-5b8c7c11a4d1", "management-token-of-a-test"
ARTIFACT_RULES = ("BUND006", "BUND007", "BUND015")
"""What Apple's anchors rightly say about an artifact that a rehearsal's authority has signed."""

_KEY = ec.generate_private_key(ec.SECP256R1())
PRIVATE = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = _KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

AT_ONCE = {"seconds": 0, "builds_invisible": 0, "validating": 0}

CREDENTIALS = {
    "ASC_KEY_ID": KEY_ID,
    "ASC_ISSUER_ID": ISSUER,
    "ASC_PRIVATE_KEY": PRIVATE,
    "CLOUDKIT_MANAGEMENT_TOKEN": TOKEN,
}


class Gate:
    """Stands before a simulated Apple: keeps the list of what was asked, and holds requests back while it is shut."""

    def __init__(self, apple: SimulatedApple) -> None:
        self.asked: list[tuple[str, str]] = []
        self.held = 0
        self._wanted: tuple[str, str, int] = ("", "", 0)
        self._way = threading.Event()
        self._way.set()
        self._handle = apple.handle
        apple.handle = self._guarded  # type: ignore[method-assign]

    def shut(self, method: str, path: str, *, after: int = 0) -> None:
        """Hold back such requests once `after` of them have passed."""
        self._wanted = (method, path, after)
        self._way.clear()

    def open(self) -> None:
        self._way.set()

    def _guarded(self, method: str, url: str, *rest: Any, **named: Any) -> Any:
        path = url.split("/", 3)[3].partition("?")[0]
        self.asked.append((method, f"/{path}"))
        wanted, beginning, after = self._wanted
        if not self._way.is_set() and method == wanted and f"/{path}".startswith(beginning):
            seen = sum(m == method and p.startswith(beginning) for m, p in self.asked)
            if seen > after:
                self.held += 1
                self._way.wait(30)
        return self._handle(method, url, *rest, **named)


@dataclass
class Premises:
    """Everything around one release. `env` holds what a person has exported."""

    folder: Path
    ipa: Path
    pkg: Path
    server: Server
    env: dict[str, str] = field(default_factory=lambda: dict(CREDENTIALS))

    gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        self.gate = Gate(self.server.apple)

    def close(self) -> None:
        self.gate.open()
        self.server.stop()
        self.server.apple.close()

    @property
    def app(self) -> Path:
        return self.folder / "app"

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def config(self) -> Path:
        return self.folder / "config" / "pipeline.yaml"

    def configure(self, *, waived: tuple[str, ...] = ARTIFACT_RULES, policy: str = "", url: str = "") -> None:
        waivers = "".join(
            f"    - {{rule: {rule}, reason: signed by a test authority, until: 2099-12-31}}\n" for rule in waived
        )
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_text(
            f"apps:\n  isometry:\n    path: app\n    bundle_id: {BUNDLE_ID}\n    team_id: {TEAM}\n"
            f'    version: "2.5.0"\n    build: "250"\n    containers: [{CONTAINER}]\n'
            "    schema: app/Schema/isometry.ckdb\n    groups: [Internal Testers]\n"
            f"services:\n  connect: {url or self.server.url}\n  cloudkit: {url or self.server.url}\n"
            + (f"policy:\n{policy}" if policy or waivers else "")
            + (f"  waivers:\n{waivers}" if waivers else "")
        )

    def arguments(self, verb: str, *more: str) -> list[str]:
        named = ["--runs", str(self.runs)]
        if verb in ("release", "plan"):
            named += ["--config", str(self.config)]
        return [verb, *more, *named]

    def artifacts(self) -> list[str]:
        return ["--ipa", str(self.ipa), "--pkg", str(self.pkg)]

    def start(self, verb: str, *more: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """A person's command, in a process of its own that is not waited for."""
        dropped = ("GITHUB_", "ASC_", "CI", "PIPELINE_", "CLOUDKIT_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "pipeline", *self.arguments(verb, *more)],
            cwd=self.folder,
            env={**kept, **self.env, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def tell(self, verb: str, *more: str, env: Mapping[str, str] | None = None) -> Told:
        """A person's command, to its end."""
        return ended(self.start(verb, *more, env=env))

    def approved(self) -> str:
        """A plan that Ann has approved; the name of its run."""
        planned = self.tell("plan")
        assert planned.code == 0, planned.out + planned.err
        said = self.tell("approve", "--by", "Ann", "--yes")
        assert said.code == 0, said.err
        return self.newest()

    def newest(self) -> str:
        return max(path.name for path in self.runs.iterdir() if (path / "wishes.json").is_file())

    def release(self, *more: str, env: Mapping[str, str] | None = None) -> Told:
        return self.tell("release", *self.artifacts(), *more, env=env)

    def writes(self) -> list[str]:
        """The effects of writes, without the parts."""
        return [each["effect"] for each in self.server.apple.effects() if not each["effect"].startswith("PUT ")]


EVERYTHING_ONCE = sorted(
    2
    * [
        "POST /v1/buildUploads",
        "POST /v1/buildUploadFiles",
        "PATCH /v1/buildUploadFiles/{id}",
        "POST /v1/betaGroups/{id}/relationships/builds",
    ]
)
"""What a release of two lanes does at Apple, each write once a lane."""


def ended(process: subprocess.Popen[str], seconds: float = 60) -> Told:
    """What a person saw of a process, at its end."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"did not end in {seconds} s:\n{out}\n{err}") from None
    return Told(process.returncode, out, err)


def until(what: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> None:
    """Wait until something has come true; a process that ends before is a failure."""
    for _ in range(1500):
        if what():
            return
        if process is not None and process.poll() is not None:
            raise AssertionError(f"ended with {process.returncode}: {process.communicate()}")
        time.sleep(0.02)
    raise AssertionError("it did not come true within 30 s")


def furnish(folder: Path, ipa: Path, pkg: Path, scenario: Mapping[str, Any] | None = None) -> Premises:
    """An app in a git checkout and a simulated Apple that knows it; the caller stops the server."""
    app = folder / "app"
    shutil.copytree(ROOT / "pipeline/simulator/sample", app)
    (app / "config" / "pipeline.yaml").unlink()
    git = ["git", "-C", str(app), "-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "The app"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    schema = (app / "Schema/isometry.ckdb").read_text()
    groups = [{"name": "Internal Testers", "all_builds": False}]
    described = {
        "processing": AT_ONCE,
        "part_size": 20_000,
        "team_id": TEAM,
        "apps": [{"bundle_id": BUNDLE_ID, "name": "Isometry", "platforms": ["IOS", "MAC_OS"], "groups": groups}],
        "containers": [{"identifier": CONTAINER, "development": schema, "production": schema}],
    }
    played = Scenario.load({**described, **(scenario or {})})
    apple = SimulatedApple(folder / "apple", played, now=lambda: datetime.now(UTC), keys={KEY_ID: PUBLIC})
    premises = Premises(folder, ipa, pkg, serve(apple))
    premises.configure()
    return premises
