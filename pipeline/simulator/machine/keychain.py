"""The developer's own keychain and provisioning profiles: what the app needs, spoilt as the scenario says."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pipeline.simulator.authority import Authority, Identity, Kind, Profile
from pipeline.simulator.machine import entitlements
from pipeline.simulator.machine.keychains import Keychains
from pipeline.simulator.machine.project import SDKS, BuildError, Project, Sdk, Settings, Target
from pipeline.simulator.machine.scenario import Scenario, Standing
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FOLDER = "Library/Developer/Xcode/UserData/Provisioning Profiles"
"""Below the home folder; where Xcode 16 and later keep profiles."""
OLDER_FOLDER = "Library/MobileDevice/Provisioning Profiles"
"""Where Xcode kept them before; it still reads them there."""
_WITH_PROFILES = (
    ".application",
    ".app-extension",
    ".extensionkit-extension",
    ".messages-extension",
    ".tv-app-extension",
    ".watchapp2",
    ".watchkit2-extension",
    ".on-demand-install-capable",
)
"""Ends of product types whose bundles carry a profile of their own."""
_PLATFORMS = {
    "iphoneos": ("iOS", "xrOS", "visionOS"),
    "macosx": ("OSX",),
    "appletvos": ("tvOS",),
    "xros": ("iOS", "xrOS", "visionOS"),
}
"""As profiles spell the platforms they serve."""
TEAM_LIMIT = 4
_TEAM = re.compile(r"[A-Z0-9]{10}")
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
    """The login keychain's identities in the order in which `security` lists them, and installed profiles.

    Args:
        home: the simulated home folder; profiles are installed below it. None installs nothing.
        team_id: the app's team; empty takes the first that one of the projects names. The developer belongs to every
            team that the projects name besides.
        projects: the app's projects: their targets decide for which bundle identifiers there are profiles.
    """

    def __init__(
        self,
        home: Path | None,
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
        found = list(_registrations(projects, team_id))
        self.team_id = team_id or next((team for _, team in found if team), _STRANGER)
        self.revoked: set[str] = set()
        self.identities: list[Identity] = []
        named = (team for _, team in found if _TEAM.fullmatch(team))
        self.teams = tuple(dict.fromkeys((self.team_id, *named)))[:TEAM_LIMIT]
        for team in self.teams:
            self._add(Kind.DEVELOPMENT, scenario.development, team)
            self._add(Kind.DISTRIBUTION, scenario.distribution, team)
            self._add(Kind.MAC_INSTALLER_DISTRIBUTION, scenario.installer, team)
            if scenario.developer_id:
                self._add(Kind.DEVELOPER_ID_APPLICATION, Standing.VALID, team)
        self.home = home
        self._made: list[Profile] = []
        self._install(found)
        authority.save()

    def _install(self, found: Sequence[tuple[Registration, str]]) -> None:
        """A profile is made for an App ID, and that has every capability which any of its targets asks for."""
        asked: dict[tuple[str, str, str], dict[str, Any]] = {}
        store: dict[tuple[str, str, str, str], Registration] = {}
        for registration, named in found:
            team = named if named in self.teams else self.team_id
            app_id = (registration.bundle_id, registration.sdk.name, team)
            asked[app_id] = _joined(asked.get(app_id, {}), registration.asked)
            if registration.bundle_id:
                store.setdefault((*app_id, registration.profile_name), registration)
        once: dict[tuple[str, str, str], Registration] = {}
        for (bundle_id, sdk, team, _), registration in store.items():
            app_id = (bundle_id, sdk, team)
            once[app_id] = everything = replace(registration, asked=asked[app_id])
            self._profile(everything, team, store=True)
        if self.scenario.development is Standing.MISSING and self.scenario.profiles is Standing.MISSING:
            return  # nobody ever developed here
        for (_, _, team), registration in once.items():
            self._profile(registration, team, store=False)

    def of_kind(self, *kinds: Kind, team_id: str = "") -> list[Identity]:
        """Identities of a team, else of the app's, with which Xcode would sign now: valid, not revoked."""
        now = self.authority.now
        return [
            identity
            for identity in (*self.identities, *self._imported())
            if identity.kind in kinds
            and identity.team_id == (team_id or self.team_id)
            and identity.sha1 not in self.revoked
            and identity.begins <= now <= identity.ends
        ]

    @property
    def certificates(self) -> list[bytes]:
        """Every certificate, DER: those of the identities, then the intermediates above them, as in a real keychain."""
        held = [identity.certificate for identity in self.identities]
        return list(dict.fromkeys([*held, *(above for i in self.identities for above in i.chain[:-1])]))

    @property
    def profiles(self) -> list[Profile]:
        """What is installed: what this Mac was furnished with, and what somebody put into either folder since."""
        if self.home is None:
            return self._made
        added: dict[str, Profile] = {}
        made = {profile.uuid for profile in self._made}
        for folder in (FOLDER, OLDER_FOLDER):
            for path in sorted((self.home / folder).glob("*.*provision*")):
                if path.stem not in made and (values := _values(data := path.read_bytes())):
                    added.setdefault(path.stem, Profile(values, data))
        return [*self._made, *added.values()]

    @property
    def store_profiles(self) -> list[Profile]:
        """Those of the furnished ones that are for the App Store."""
        return [profile for profile in self._made if "ProvisionedDevices" not in profile.values]

    def _imported(self) -> Iterator[Identity]:
        """Identities in keychains of the search list that `codesign` may use without asking anybody."""
        if self.home is None:
            return
        keychains = Keychains(self.home)
        owned = {identity.sha1 for identity in self.identities}
        for path in keychains.searched():
            if path == keychains.login or not path.is_file():
                continue
            content = keychains.read(path)
            usable = {item.sha1 for item in content.items if item.keyed and "apple:" in item.partitions}
            if not content.locked:
                yield from (each for each in self.authority.issued() if each.sha1 in usable - owned)

    def complaint(self, identity: Identity) -> str:
        """The code that `security find-identity` puts behind an identity that is not valid."""
        if identity.sha1 in self.revoked:
            return "CSSMERR_TP_CERT_REVOKED"
        return "" if identity.begins <= self.authority.now <= identity.ends else "CSSMERR_TP_CERT_EXPIRED"

    def _add(self, kind: Kind, standing: Standing, team_id: str) -> None:
        if standing is Standing.MISSING:
            return
        expired = standing is Standing.EXPIRED
        identity = self.authority.issue(
            kind,
            team_id=_STRANGER if standing is Standing.OTHER_TEAM else team_id,
            organization=self.organization,
            begins=-(_YEAR + timedelta(days=35)) if expired else timedelta(hours=-1),
            ends=timedelta(days=-35) if expired else _YEAR,
            label=standing,
        )
        if standing is Standing.REVOKED:
            self.revoked.add(identity.sha1)
        self.identities.append(identity)

    def _profile(self, registration: Registration, owner: str, *, store: bool) -> None:
        standing = self.scenario.profiles if store else Standing.VALID
        kind = Kind.DISTRIBUTION if store else Kind.DEVELOPMENT
        if standing is Standing.MISSING:
            return
        team_id = _STRANGER if standing is Standing.OTHER_TEAM else owner
        expired = standing is Standing.EXPIRED
        certificates = [i.certificate for i in self.identities if i.kind is kind and i.team_id in (owner, _STRANGER)]
        if standing is Standing.OTHER_CERTIFICATE or not certificates:
            stranger = self.authority.issue(
                kind, team_id=owner, organization=self.organization, label="on another machine"
            )
            certificates = [stranger.certificate]
        mac = registration.sdk.name == "macosx"
        label = "Mac" if mac else registration.sdk.label
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
            platforms=_PLATFORMS[registration.sdk.name],
            entitlements=grants,
            certificates=certificates,
            app_name=f"XC {registration.bundle_id.replace('.', ' ')}",
            devices=() if store else _DEVICES[1:] if mac else _DEVICES,
            managed=not store,
            begins=-(_YEAR + timedelta(days=35)) if expired else timedelta(hours=-1),
            ends=timedelta(days=-35) if expired else _YEAR,
        )
        self._made.append(made)
        if self.home is None:
            return
        folder = self.home / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{made.uuid}.{extension_of(made)}").write_bytes(made.data)


def extension_of(profile: Profile) -> str:
    """A Mac's profiles have another extension than all others."""
    return "provisionprofile" if "OSX" in profile.values["Platform"] else "mobileprovision"


def _values(data: bytes) -> dict[str, Any]:
    """The plist of a provisioning profile; empty for anything else, which Xcode passes over too."""
    import plistlib
    from xml.parsers.expat import ExpatError

    from asn1crypto import cms

    try:
        content = cms.ContentInfo.load(data)["content"]["encap_content_info"]["content"].native
        values = plistlib.loads(content)
    except (ValueError, TypeError, KeyError, AttributeError, ExpatError):
        return {}
    needed = ("UUID", "Name", "Platform", "Entitlements", "DeveloperCertificates", "ExpirationDate", "TeamIdentifier")
    whole = isinstance(values, dict) and all(name in values for name in (*needed, "ApplicationIdentifierPrefix"))
    return values if whole else {}


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What either asks for; of two lists the items of both."""
    joined = {**other, **one}
    for key in one.keys() & other.keys():
        if isinstance(one[key], list) and isinstance(other[key], list):
            joined[key] = [*one[key], *(item for item in other[key] if item not in one[key])]
    return joined


def _registrations(projects: Sequence[Project], team_id: str) -> Iterator[tuple[Registration, str]]:
    for project in projects:
        for target in project.targets:
            if target.product_type.endswith(_WITH_PROFILES):
                for configuration in target.configurations:
                    if configuration != "Debug":
                        yield from _registered(target, configuration, team_id)


def _registered(target: Target, configuration: str, team_id: str) -> Iterator[tuple[Registration, str]]:
    try:
        # What runs on a watch travels in an iPhone app, and its profiles are those of iOS.
        names = target.platforms(configuration) or ["iphoneos"]
        for name in names:
            settings = target.settings(SDKS[name], configuration, {})
            if team_id and not settings["DEVELOPMENT_TEAM"]:
                # The team then comes from the command line, and identifiers may be made of it.
                settings = target.settings(SDKS[name], configuration, {"DEVELOPMENT_TEAM": team_id})
            specifier = settings["PROVISIONING_PROFILE_SPECIFIER"].rpartition("/")[2]
            profile_name = specifier if settings.signs_manually else ""
            asked = _asked(target, settings)
            registration = Registration(settings["PRODUCT_BUNDLE_IDENTIFIER"], SDKS[name], asked, profile_name)
            yield registration, settings["DEVELOPMENT_TEAM"]
    except BuildError:
        # A project that cannot be built still has a developer; the build itself will say what is wrong.
        return


def _asked(target: Target, settings: Settings) -> dict[str, Any]:
    try:
        return entitlements.declared(target, settings)
    except BuildError:
        # The App ID and its profiles are there whatever became of a file in the checkout.
        return {}
