"""A desk at which signing material is made: the sample app, a simulated Apple that issues, and a real vault."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.apple.portal import gateway
from pipeline.apple.portal.facts import AppLanes
from pipeline.apple.signing.facts import SigningPolicy
from pipeline.apple.signing.trust import APPLE_ROOTS, Anchors
from pipeline.apple.xcode.discovery import discover
from pipeline.engine.journal import Journal
from pipeline.engine.leases import Leases
from pipeline.engine.perform import Rights
from pipeline.engine.walk import Cast, steps_told, walk
from pipeline.engine.wiring import registry_of
from pipeline.model import Declaration, Lane, Source, Stage
from pipeline.model.run import Run
from pipeline.ports.clock import BriskClock, Clock
from pipeline.ports.files import Files, LiveFiles
from pipeline.ports.http import Http
from pipeline.ports.live_http import CarriedHttp
from pipeline.ports.retries import RetryingHttp
from pipeline.ports.secrets import EnvironmentSecrets, Secrets
from pipeline.ports.vault import Vault
from pipeline.simulator.apple import HOSTS, SimulatedApple
from pipeline.simulator.authority import Authority
from pipeline.simulator.faults import Scenario
from pipeline.simulator.issuing import AuthorityIssuer
from pipeline.stages.account import ACCOUNT
from pipeline.stages.certificate import CERTIFICATE
from pipeline.stages.keeping import KEEP, KEEP_PROFILES
from pipeline.stages.provisioning import PROFILES
from pipeline.stages.request import REQUEST
from pipeline.stages.revoking import REVOKE, TIDY
from pipeline.subject import SAMPLE
from pipeline.vault.opening import new_identity, opened

CREATE: tuple[Stage, ...] = (ACCOUNT, REQUEST, CERTIFICATE, KEEP, PROFILES, KEEP_PROFILES, REVOKE, TIDY)
TEAM, BUNDLE_ID = "77CCZHWQL7", "com.mshaler.isometry"
CONNECT = "api.appstoreconnect.apple.com"
AHEAD = timedelta(0)


class ShiftedClock(BriskClock):
    """A clock some time ahead. `pace` is how long a second of sleep really takes."""

    def __init__(self, ahead: timedelta, pace: float) -> None:
        super().__init__()
        self._pace = 0.0
        self.sleep(ahead.total_seconds())
        self._pace = pace

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds * self._pace)
        super().sleep(seconds)


class Desk:
    """One folder with everything in it; another desk over the same folder goes on where the first one stopped."""

    def __init__(
        self,
        folder: Path,
        *,
        project: Path = SAMPLE,
        lanes: tuple[str, ...] = (),
        secrets: Mapping[str, str] | None = None,
        ahead: timedelta = AHEAD,
        pace: float = 0.0,
        **scenario: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ahead, self.pace = ahead, pace
        self.files = LiveFiles(project)
        self.lanes = tuple(lane for lane in discover(self.files).lanes if not lanes or lane.name in lanes)
        self.secrets = EnvironmentSecrets(dict(secrets or {}))
        apps = [{"bundle_id": BUNDLE_ID, "name": "Isometry", "platforms": ["IOS", "MAC_OS"]}]
        self.scenario = Scenario.load({"team_id": TEAM, "team_name": "Isometry", "apps": apps, **scenario})

    def clock(self) -> Clock:
        return ShiftedClock(self.ahead, self.pace)

    @cached_property
    def authority(self) -> Authority:
        return Authority(self.folder / "authority.json", datetime.now(UTC))

    @cached_property
    def apple(self) -> SimulatedApple:
        hour = lambda: datetime.now(UTC) + self.ahead  # noqa: E731
        issuer = AuthorityIssuer(self.authority)
        return SimulatedApple(self.folder / "apple", self.scenario, now=hour, issuer=issuer)

    @cached_property
    def keys(self) -> tuple[str, str]:
        """The private and the public key of whoever sits here."""
        path = self.folder / "key.json"
        if not path.exists():
            fresh = path.with_suffix(".new")
            fresh.write_text(json.dumps(new_identity()))
            fresh.replace(path)
        secret, public = json.loads(path.read_text())
        return secret, public

    @cached_property
    def vault(self) -> Vault:
        return opened(str(self.folder / "vault"), lambda: self.keys[0], cache=self.folder / "cache")

    def policy(self, **decided: Any) -> SigningPolicy:
        return SigningPolicy(**{"recipients": (("Ann", self.keys[1]),), "by": "Ann", **decided})

    def http(self, clock: Clock) -> Http:
        def carry(
            method: str, url: str, headers: Mapping[str, str], body: bytes
        ) -> tuple[int, Mapping[str, str], bytes]:
            return self.apple.handle(method, url, headers, body, now=clock.now())

        key = {CONNECT: lambda: {"authorization": "Bearer rehearsal"}}
        return RetryingHttp(CarriedHttp(carry, HOSTS, authorizers=key), clock, chance=lambda: 0.5)

    def cast(self, run: str, *, stages: tuple[Stage, ...] = CREATE, resume: bool = False, **decided: Any) -> Cast:
        clock = self.clock()
        anchors = APPLE_ROOTS.including("the test authority", self.authority.root)
        declared = Declaration(bundle_id=BUNDLE_ID, team_id=TEAM)
        ports: dict[type, Any] = {
            Http: self.http(clock),
            Vault: decided.pop("vault", self.vault),
            Clock: clock,
            Files: self.files,
            Secrets: self.secrets,
        }
        givens: dict[type, Any] = {
            Declaration: declared,
            Anchors: anchors,
            SigningPolicy: self.policy(**decided),
            AppLanes: AppLanes(tuple((lane, declared) for lane in self.lanes)),
        }
        folder = self.folder / run
        folder.mkdir(exist_ok=True)
        journal = Journal(folder / "journal.jsonl")
        if resume and list(journal.entries()):
            journal.append("resume")
        else:
            told = steps_told(stages, self.lanes)
            journal.append(
                "run", run=run, theatre="rehearsal", app="isometry", root="", version="", lanes=[], steps=told
            )
        return Cast(
            stages=stages,
            lanes=self.lanes,
            registry=registry_of([gateway]),
            ports=lambda _lane: ports,
            givens=lambda _lane: givens,
            clock=lambda _lane: clock,
            journal=journal,
            rights=Rights(Leases(self.folder / "leases", run)),
            policy=lambda finding: finding,
            excerpt=lambda _place: "",
            stop=threading.Event(),
        )

    def walk(self, run: str = "r1", **how: Any) -> Run:
        return walk(self.cast(run, **how))

    # What can be seen afterwards -------------------------------------------------------------------------------------

    def effects(self) -> list[str]:
        return [each["effect"] for each in self.apple.effects()]

    def paths(self) -> list[str]:
        """The vault's files: the folders they are in, and their endings."""
        return sorted(
            f"{e.path.partition('/')[0]}/*.{e.path.rpartition('.')[2]} {e.told.get('kind', '')}"
            for e in self.vault.look().entries
        )

    def get(self, path: str) -> Any:
        """What the simulated Apple answers."""
        url, key = f"https://{CONNECT}{path}", {"Authorization": "Bearer rehearsal"}
        status, _, body = self.apple.handle("GET", url, key, now=datetime.now(UTC) + self.ahead)
        assert status == 200, body
        return json.loads(body)["data"]


def findings(run: Run) -> list[tuple[str, str]]:
    """Rule and severity of everything that was found."""
    return [(finding.rule, str(finding.severity)) for finding in run.findings]


def done(run: Run) -> list[str]:
    """Outcome and description of every action."""
    return [f"{action.outcome} {action.describe}" for step in run.steps for action in step.actions]


__all__ = ["BUNDLE_ID", "CREATE", "TEAM", "Desk", "Lane", "Source", "done", "findings"]
