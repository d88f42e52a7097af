"""A bare Mac with the secrets of its team, and the tables of certs.install and certs.uninstall played on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.apple.keychain import gateway
from pipeline.apple.signing import gateway as signing
from pipeline.apple.signing.facts import SigningPolicy
from pipeline.apple.signing.trust import APPLE_ROOTS, Anchors
from pipeline.engine.journal import Journal
from pipeline.engine.leases import Leases
from pipeline.engine.perform import Rights
from pipeline.engine.walk import Cast, steps_told, walk
from pipeline.engine.wiring import registry_of
from pipeline.model import Source, Stage
from pipeline.model.run import Run
from pipeline.ports.clock import BriskClock, Clock
from pipeline.ports.given import GivenFiles
from pipeline.ports.home import FolderHome, Home
from pipeline.ports.progress import Progress, ToldProgress
from pipeline.ports.secrets import EnvironmentSecrets, Secrets
from pipeline.ports.tools import Completed, PlayedTools, Tools
from pipeline.ports.vault import NoVault, Vault
from pipeline.simulator.machine.keychains import Keychains
from pipeline.simulator.machine.mac import Machine
from pipeline.simulator.machine.scenario import BARE, Scenario
from pipeline.simulator.machine.secrets import signing_secrets
from pipeline.stages.installing import INSTALLING_IDENTITIES, INSTALLING_PROFILES
from pipeline.stages.uninstalling import UNINSTALLING

ROOT = Path(__file__).resolve().parents[3]
PROJECT = ROOT / "pipeline/simulator/sample/Isometry.xcodeproj"
INSTALL = (INSTALLING_IDENTITIES, INSTALLING_PROFILES)
UNINSTALL = (UNINSTALLING,)
REGISTRY = registry_of([signing, gateway])


class Runner:
    """One Mac. Each `play` is another process as far as the pipeline can tell: nothing is remembered but files."""

    def __init__(self, folder: Path, scenario: Scenario = BARE, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.machine = Machine(folder / "mac", projects=[PROJECT], scenario=scenario)
        self.secrets = dict(signing_secrets(self.machine) if environment is None else environment)
        self.variables: dict[str, str] = {}
        self.argv: list[tuple[str, ...]] = []
        self.told: list[str] = []
        self.named: tuple[str, ...] = ()
        self.vault: Any = NoVault()
        self.home: Any = FolderHome(self.machine.home, Source.SIMULATED)
        self.tools: Any = PlayedTools(self._run, self.machine.find)
        self.keychains = Keychains(self.machine.home)
        self.count = 0

    def _run(self, argv: Sequence[str], cwd: Path | None, env: Mapping[str, str], stdin: str) -> tuple[int, str, str]:
        self.argv.append(tuple(argv))
        self.told.append(stdin)
        return self.machine.run(argv, cwd, {**self.variables, **env}, stdin)

    def play(self, table: tuple[Stage, ...]) -> Run:
        self.count += 1
        clock = BriskClock()
        journal = Journal(self.folder / f"run{self.count}" / "journal.jsonl")
        journal.append(
            "run",
            run=f"r{self.count}",
            theatre="rehearsal",
            app="",
            root="",
            version="",
            lanes=[],
            steps=steps_told(table, ()),
        )
        anchors = APPLE_ROOTS.including("the rehearsal's own root", self.machine.authority.root)
        ports: dict[type, Any] = {
            Tools: self.tools,
            Home: self.home,
            Clock: clock,
            GivenFiles: GivenFiles(self.named),
            Secrets: EnvironmentSecrets(self.secrets),
            Vault: self.vault,
            Progress: ToldProgress(),
        }
        leases = Leases(self.folder / "leases", f"r{self.count}")
        cast = Cast(
            stages=table,
            lanes=(),
            registry=REGISTRY,
            ports=lambda lane: ports,
            givens=lambda lane: {Anchors: anchors, SigningPolicy: SigningPolicy()},
            clock=lambda lane: clock,
            journal=journal,
            rights=Rights(leases),
            policy=lambda finding: finding,
            excerpt=lambda place: "",
            stop=threading.Event(),
            hands=1,
        )
        try:
            return walk(cast)
        finally:
            journal.close() if hasattr(journal, "close") else None

    def install(self) -> Run:
        return self.play(INSTALL)

    def uninstall(self) -> Run:
        return self.play(UNINSTALL)

    def searched(self) -> list[str]:
        return [str(path) for path in self.keychains.searched()]

    def identities(self) -> str:
        return self.machine.run(["security", "find-identity", "-v"])[1]

    def files(self) -> dict[str, bytes]:
        """All in the home folder but the authority's store, macOS's preferences, and the lock of who was killed."""
        kept = ("rehearsal-authority.json", "com.apple.security.plist", "lock")
        return {
            str(path.relative_to(self.machine.home)): path.read_bytes()
            for path in sorted(self.machine.home.rglob("*"))
            if path.is_file() and path.name not in kept
        }


def states(run: Run) -> dict[str, str]:
    return {step.name: str(step.state) for step in run.steps}


def summaries(run: Run) -> list[str]:
    return [f"{finding.rule} {finding.summary}" for finding in run.findings]


class Wrapped:
    """Tools or a home folder whose every call passes a gate first and after."""

    def __init__(self, inner: Any, gate: Callable[[str, tuple[Any, ...]], None], names: tuple[str, ...]) -> None:
        self._inner = inner
        self._gate = gate
        self._names = names

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name not in self._names:
            return value

        def gated(*args: Any, **kwargs: Any) -> Any:
            self._gate(f"before {name}", args)
            result = value(*args, **kwargs)
            self._gate(f"after {name}", args)
            return result

        return gated


__all__ = ["INSTALL", "PROJECT", "REGISTRY", "UNINSTALL", "Completed", "Runner", "Wrapped", "states", "summaries"]
