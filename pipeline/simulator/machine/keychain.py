"""The developer's keychain and provisioning profiles: what the app's project needs, spoilt as the scenario says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pipeline.simulator.authority import Authority, Identity, Kind, Profile
from pipeline.simulator.machine import entitlements
from pipeline.simulator.machine.project import SDKS, BuildError, Project, Sdk, Target
from pipeline.simulator.machine.scenario import Scenario, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FOLDER = "Library/Developer/Xcode/UserData/Provisioning Profiles"
"""Below the home folder; where Xcode 16 and later keep profiles."""
_WITH_PROFILES = (".application", ".app-extension", ".extensionkit-extension")
"""Ends of product types whose bundles carry a profile of their own."""
_STRANGER = "ZZ9PLURAL1"
_YEAR = timedelta(days=365)
_DEVICES = ("00008130-001A2B3C4D5E6F70", "00008103-000A11112222001E")


@dataclass(frozen=True)
class Registration:
    """An app as Apple's portal knows it: what profiles are made of."""

    bundle_id: str
    sdk: Sdk
    asked: dict[str, Any]
    profile_name: str


class Keychain:
    """Identities in the order in which `security` lists them, and installed profiles.

    Args:
        home: the simulated home folder; keys and profiles are kept below it.
        team_id: the app's team; empty takes the first that one of the projects names.
        projects: the app's projects: their targets decide for which bundle identifiers there are profiles.
    """

    def __init__(
        self,
        home: Path,
        authority: Authority,
        scenario: Scenario,
        *,
        team_id: str,
        organization: str,
        projects: Sequence[Project],
    ) -> None:
        self.authority = authority
        self.scenario = scenario
        self.organization = organization
        found = list(_registrations(projects))
        self.team_id = team_id or next((team for _, team in found if team), _STRANGER)
        self.revoked: set[str] = set()
        self.identities: list[Identity] = []
        self._add(Kind.DEVELOPMENT, scenario.development)
        self._add(Kind.DISTRIBUTION, scenario.distribution)
        self._add(Kind.MAC_INSTALLER_DISTRIBUTION, scenario.installer)
        if scenario.developer_id:
            self._add(Kind.DEVELOPER_ID_APPLICATION, Standing.VALID)
        self.folder = home / FOLDER
        self.profiles: list[Profile] = []
        store = {(r.bundle_id, r.sdk.name, r.profile_name): r for r, _ in reversed(found) if r.bundle_id}
        for registration in reversed(store.values()):
            self._profile(registration, store=True)
        for registration in {(r.bundle_id, r.sdk.name): r for r in store.values()}.values():
            self._profile(registration, store=False)
        authority.save()

    def of_kind(self, *kinds: Kind) -> list[Identity]:
        """Identities of the team with which Xcode would sign now: valid, not revoked."""
        now = self.authority.now
        return [
            identity
            for identity in self.identities
            if identity.kind in kinds
            and identity.team_id == self.team_id
            and identity.sha1 not in self.revoked
            and identity.begins <= now <= identity.ends
        ]

    @property
    def certificates(self) -> list[bytes]:
        """Every certificate, DER: those of the identities, then the intermediates above them, as in a real keychain."""
        held = [identity.certificate for identity in self.identities]
        return list(dict.fromkeys([*held, *(above for i in self.identities for above in i.chain[:-1])]))

    def complaint(self, identity: Identity) -> str:
        """The code that `security find-identity` puts behind an identity that is not valid."""
        if identity.sha1 in self.revoked:
            return "CSSMERR_TP_CERT_REVOKED"
        return "" if identity.begins <= self.authority.now <= identity.ends else "CSSMERR_TP_CERT_EXPIRED"

    def _add(self, kind: Kind, standing: Standing) -> None:
        if standing is Standing.MISSING:
            return
        expired = standing is Standing.EXPIRED
        identity = self.authority.issue(
            kind,
            team_id=_STRANGER if standing is Standing.OTHER_TEAM else self.team_id,
            organization=self.organization,
            begins=-(_YEAR + timedelta(days=35)) if expired else timedelta(hours=-1),
            ends=timedelta(days=-35) if expired else _YEAR,
            label=standing,
        )
        if standing is Standing.REVOKED:
            self.revoked.add(identity.sha1)
        self.identities.append(identity)

    def _profile(self, registration: Registration, *, store: bool) -> None:
        standing = self.scenario.profiles if store else Standing.VALID
        kind = Kind.DISTRIBUTION if store else Kind.DEVELOPMENT
        if standing is Standing.MISSING:
            return
        team_id = _STRANGER if standing is Standing.OTHER_TEAM else self.team_id
        expired = standing is Standing.EXPIRED
        certificates = [i.certificate for i in self.identities if i.kind is kind]
        if standing is Standing.OTHER_CERTIFICATE or not certificates:
            stranger = self.authority.issue(
                kind, team_id=self.team_id, organization=self.organization, label="on another machine"
            )
            certificates = [stranger.certificate]
        mac = registration.sdk.name == "macosx"
        label = "Mac" if mac else "iOS"
        grants = entitlements.granted(
            registration.asked, registration.sdk, team_id, registration.bundle_id, store=store
        )
        if store:
            grants = {key: value for key, value in grants.items() if key not in self.scenario.profiles_lack}
        default = f"{registration.bundle_id} {label} App Store"
        team_profile = f"{label} Team Provisioning Profile: {registration.bundle_id}"
        made = self.authority.profile(
            name=(registration.profile_name or default) if store else team_profile,
            team_id=team_id,
            team_name=self.organization,
            platforms=("OSX",) if mac else ("iOS", "xrOS", "visionOS"),
            entitlements=grants,
            certificates=certificates,
            app_name=f"XC {registration.bundle_id.replace('.', ' ')}",
            devices=() if store else _DEVICES[1:] if mac else _DEVICES,
            managed=not store,
            begins=-(_YEAR + timedelta(days=35)) if expired else timedelta(hours=-1),
            ends=timedelta(days=-35) if expired else _YEAR,
        )
        self.profiles.append(made)
        self.folder.mkdir(parents=True, exist_ok=True)
        extension = "provisionprofile" if mac else "mobileprovision"
        (self.folder / f"{made.uuid}.{extension}").write_bytes(made.data)


def _registrations(projects: Sequence[Project]) -> Iterator[tuple[Registration, str]]:
    for project in projects:
        for target in project.targets:
            if target.product_type.endswith(_WITH_PROFILES):
                for configuration in target.configurations:
                    if configuration != "Debug":
                        yield from _registered(target, configuration)


def _registered(target: Target, configuration: str) -> Iterator[tuple[Registration, str]]:
    try:
        for name in target.platforms(configuration):
            settings = target.settings(SDKS[name], configuration, {})
            asked = entitlements.declared(target, settings)
            specifier = settings["PROVISIONING_PROFILE_SPECIFIER"].rpartition("/")[2]
            profile_name = specifier if settings["CODE_SIGN_STYLE"] == "Manual" else ""
            registration = Registration(settings["PRODUCT_BUNDLE_IDENTIFIER"], SDKS[name], asked, profile_name)
            yield registration, settings["DEVELOPMENT_TEAM"]
    except BuildError:
        # A project that cannot be built still has a developer; the build itself will say what is wrong.
        return
