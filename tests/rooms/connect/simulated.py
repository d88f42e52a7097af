"""A whole client stack in front of the simulated Apple, and an app archive that it can read."""

from __future__ import annotations

import hashlib
import plistlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.apple.bundle.facts import ExportedApp
from pipeline.apple.connect import gateway
from pipeline.apple.connect.actions import UploadBuild
from pipeline.apple.connect.client import HOST
from pipeline.apple.connect.facts import AcceptedContent, AppRecord, Builds, BuildUploads, ReleaseTarget, StoreVersions
from pipeline.apple.testflight import gateway as testflight
from pipeline.model import Lane, Platform, Reading
from pipeline.ports.clock import BriskClock
from pipeline.ports.live_http import CarriedHttp
from pipeline.ports.progress import ToldProgress
from pipeline.ports.retries import RetryingHttp
from pipeline.ports.tenure import Tenure
from pipeline.simulator.apple import HOSTS, SimulatedApple
from pipeline.simulator.connect.authorization import REHEARSAL_TOKEN
from pipeline.simulator.faults import Scenario

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.apple.testflight.facts import BetaGroups, BuildBetaState

F = TypeVar("F")

BUNDLE = "com.example.app"
TARGET = ReleaseTarget(BUNDLE, "2.5.0", "250", "IOS")
LANE = Lane("ios", Platform.IOS, "A.xcodeproj", "A", "Release")


def app_archive(path: Path, filling: bytes = b"") -> Path:
    """An .ipa of about 6 kB, the same bytes each time."""
    info = {"CFBundleIdentifier": BUNDLE, "CFBundleShortVersionString": "2.5.0", "CFBundleVersion": "250"}
    info |= {"MinimumOSVersion": "17.0", "ITSAppUsesNonExemptEncryption": False}  # type: ignore[dict-item]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("Payload/Example.app/Info.plist"), plistlib.dumps(info))
        archive.writestr(zipfile.ZipInfo("Payload/Example.app/Example"), bytes(range(256)) * 20 + filling)
    return path


@dataclass
class Rehearsal:
    """One app at a simulated Apple. `observe` methods go through the same probes as a release."""

    apple: SimulatedApple
    http: RetryingHttp
    clock: BriskClock
    ipa: Path

    @classmethod
    def of(cls, folder: Path, keys: Mapping[str, str] | None = None, **scenario: Any) -> Rehearsal:
        """A rehearsal in a folder; parts are 1000 bytes small."""
        clock = BriskClock()
        told = {"part_size": 1000, "apps": [{"bundle_id": BUNDLE, "name": "Example"}], **scenario}
        apple = SimulatedApple(folder / "apple", Scenario.load(told), now=clock.now, keys=keys)

        def carrier(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Any:
            return apple.handle(method, url, headers, body, now=clock.now())

        token = {"authorization": f"Bearer {REHEARSAL_TOKEN}"}
        carried = CarriedHttp(carrier, HOSTS, authorizers={HOST: lambda: token})
        return cls(apple, RetryingHttp(carried, clock), clock, app_archive(folder / "Example.ipa"))

    @property
    def exported(self) -> ExportedApp:
        data = self.ipa.read_bytes()
        sha = hashlib.sha256(data).hexdigest()
        return ExportedApp(
            bundle_id=BUNDLE, version="2.5.0", build="250", path=str(self.ipa), size=len(data), sha256=sha, kind="ipa"
        )

    @property
    def action(self) -> UploadBuild:
        app = self.exported
        return UploadBuild(BUNDLE, Platform.IOS, app.version, app.build, self.record.id, app.path, app.sha256, app.size)

    @property
    def record(self) -> AppRecord:
        found: AppRecord = gateway.app_record(self.http, TARGET)
        return found

    @property
    def uploads(self) -> BuildUploads:
        found: BuildUploads = seen(gateway.build_uploads(self.http, self.record, TARGET, self.clock))
        return found

    @property
    def builds(self) -> Builds:
        found: Builds = seen(gateway.builds(self.http, self.record, TARGET))
        return found

    @property
    def versions(self) -> StoreVersions:
        found: StoreVersions = seen(gateway.store_versions(self.http, self.record, TARGET))
        return found

    @property
    def content(self) -> AcceptedContent:
        found: AcceptedContent = gateway.accepted_content(self.http, TARGET, self.uploads, self.exported)
        return found

    @property
    def groups(self) -> BetaGroups:
        found: BetaGroups = seen(testflight.beta_groups(self.http, self.record))
        return found

    @property
    def state(self) -> BuildBetaState:
        found: BuildBetaState = testflight.build_beta_state(self.http, TARGET, self.builds)
        return found

    def upload(self) -> Mapping[str, Any]:
        """Perform the action."""
        return gateway.upload_build(self.action, self.http, self.clock, ToldProgress(), Tenure(lambda: None))

    def effects(self, name: str) -> int:
        """How often a mutation was accepted."""
        return sum(effect["effect"] == name for effect in self.apple.effects())


def seen(found: Reading[F] | F) -> F:
    """The value of a probe that may answer with a reading."""
    value = found.value if isinstance(found, Reading) else found
    assert value is not None, found
    return value
