"""What can be known about an archive or an export: what it holds, who signed it, and whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Any, TypeVar

from pipeline.apple.bundle.macho import Slice
from pipeline.apple.signing.certificates import NEVER, Certificate
from pipeline.apple.signing.profiles import ProvisioningProfile
from pipeline.apple.xcode.facts import PrivacyFlaw
from pipeline.values import dataclass


@dataclass(frozen=True)
class ProductOnDisk:
    """Where a product is, or will be. `problem` says why what lies there is not whole; identity is empty then.

    Attributes:
        path: absolute path as text.
        given: whether it was named on the command line, so that nothing may be made in its place.
        uuids: LC_UUIDs of the main executable: the same in an archive and in what was exported from it.
    """

    path: str = ""
    exists: bool = False
    given: bool = False
    bundle_id: str = ""
    version: str = ""
    build: str = ""
    uuids: tuple[str, ...] = ()
    problem: str = ""

    def holds(self, bundle_id: str, version: str, build: str) -> bool:
        """Whether it is there, whole, and has this identity."""
        found = (self.bundle_id, self.version, self.build)
        return self.exists and not self.problem and found == (bundle_id, version, build)

    def __str__(self) -> str:
        if not self.exists:
            return f"none yet ({self.path})"
        return self.problem or f"{self.bundle_id} {self.version} ({self.build}), {self.path}"


class Archive(ProductOnDisk):
    """The .xcarchive of a lane."""


class Export(ProductOnDisk):
    """The .ipa or .pkg of a lane."""


@dataclass(frozen=True)
class Signature:
    """A code signature after it was verified.

    Attributes:
        present: whether there is one; an unsigned bundle has all other fields empty.
        identifier: the signing identifier, usually the bundle identifier.
        runtime: whether the hardened runtime is on.
        trusted: whether the chain ends in a trusted root; `reason` says why not, `missing` names an absent issuer.
        signed_at: when, as the signer claims (aware, UTC).
        timestamp: when, as a timestamp proves (aware, UTC); None without one. What is sent to the App Store needs none.
        timestamp_doubt: why a timestamp that is there could not be checked.
        flaws: what does not hold (pages, slots, resources, CMS), each a sentence.
        unseen: what could not be verified, each a phrase.
        cdhashes: identities of the signed code, lower-case hex.
    """

    present: bool = False
    adhoc: bool = False
    identifier: str = ""
    team_id: str = ""
    runtime: bool = False
    certificate: Certificate | None = None
    trusted: bool = False
    reason: str = ""
    missing: str = ""
    signed_at: datetime | None = None
    timestamp: datetime | None = None
    timestamp_doubt: str = ""
    flaws: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    cdhashes: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.present:
            return "not signed"
        if self.certificate is None:
            return "signed ad hoc" if self.adhoc else "signature unreadable"
        return self.certificate.subject_name


Signed = TypeVar("Signed", "Executable", "Bundle")


def _as_signed(one: Signed) -> Iterator[Signed]:
    if not one.rights:
        yield one
    for name, claimed in one.rights.items():
        yield replace(one, entitlements=claimed, rights={}, architecture=name)


@dataclass(frozen=True)
class Executable:
    """One Mach-O file. `path` is inside the product; `bundle` is the place of the bundle that it is the program of.

    Attributes:
        entitlements: those of the first signed slice.
        rights: the entitlements of all signed slices by architecture, where they differ; else empty.
        unsigned: the architectures without a signature, where another one has one.
        architecture: the one that `as_signed` speaks of.
    """

    path: str = ""
    bundle: str = ""
    slices: tuple[Slice, ...] = ()
    signature: Signature = field(default_factory=Signature)
    entitlements: Mapping[str, Any] = field(default_factory=dict)
    rights: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unsigned: tuple[str, ...] = ()
    architecture: str = ""

    @property
    def as_signed(self) -> Iterator[Executable]:
        """Itself, once for each of its architectures where they are signed with different entitlements."""
        return _as_signed(self)

    @property
    def label(self) -> str:
        """Its path, and the architecture where that matters."""
        return f"{self.path} ({self.architecture})" if self.architecture else self.path

    @property
    def architectures(self) -> tuple[str, ...]:
        """arm64, x86_64, …"""
        return tuple(part.architecture for part in self.slices)

    @property
    def is_stub(self) -> bool:
        """Whether it is Apple's own stub of a watch app, which stays signed by Apple."""
        return "/_WatchKitStub/" in self.path

    @property
    def runs(self) -> bool:
        """Whether it is a program of its own and no library."""
        return any(part.file_type == "executable" for part in self.slices)


@dataclass(frozen=True)
class Picture:
    """A PNG at the top of a bundle, as its header says. Sizes are in pixels, 0 where the header cannot be read."""

    name: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Catalog:
    """The app icons in a compiled asset catalog.

    Attributes:
        icons: their names.
        pictures: of each icon, under its name; alternates and all devices together.
        scaled: names of icons whose sizes are not told by pictures: the system makes every size of layers, or of one
            picture for all devices; and what may be an icon of another kind.
        thinned: whether sizes for other devices were taken out.
        problem: why it could not be read; everything else is empty then.
    """

    icons: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    scaled: tuple[str, ...] = ()
    thinned: bool = False
    problem: str = ""


@dataclass(frozen=True)
class BundledManifest:
    """A privacy manifest inside a product.

    Attributes:
        owner: place of the app, app extension or framework whose code it speaks for.
        flaws: what Apple would not accept in it.
        categories: the required-reason APIs that it declares, whatever the reasons.
    """

    path: str = ""
    owner: str = ""
    flaws: tuple[PrivacyFlaw, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class SwiftLibrary:
    """One of Swift's libraries in SwiftSupport: pairs of architecture and UUID, and whether Apple signed it."""

    path: str = ""
    uuids: tuple[tuple[str, str], ...] = ()
    by_apple: bool = True


@dataclass(frozen=True)
class OriginSignature:
    """What Xcode recorded of the signature of an .xcframework (Signatures/*.signature): `library` is what it holds."""

    path: str = ""
    library: str = ""
    signed: bool = False


@dataclass(frozen=True)
class Bundle:
    """A bundle inside a product. `place` is its folder inside the product; `info` is its Info.plist.

    Attributes:
        entitlements, rights, architecture: those of its program.
        executable: path that Info.plist names; empty when it names none.
        profile_path: where a profile is embedded; `profile` is None without one, or when it cannot be read.
        catalog: whether there is a compiled asset catalog.
        catalogued: the app icons in it; None where there is none, or a file that does not begin as one.
        pictures: the PNGs beside the Info.plist (on macOS in Resources).
        icns: the kinds of picture in the .icns that CFBundleIconFile names; None where there is none.
        screens: names of compiled storyboards and nibs, in any language.
    """

    place: str = ""
    bundle_id: str = ""
    version: str = ""
    build: str = ""
    package_type: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)
    entitlements: Mapping[str, Any] = field(default_factory=dict)
    rights: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    architecture: str = ""
    signature: Signature = field(default_factory=Signature)
    profile: ProvisioningProfile | None = None
    profile_path: str = ""
    executable: str = ""
    catalog: bool = False
    catalogued: Catalog | None = None
    pictures: tuple[Picture, ...] = ()
    icns: tuple[str, ...] | None = None
    screens: frozenset[str] = frozenset()

    @property
    def as_signed(self) -> Iterator[Bundle]:
        """Itself, once for each architecture of its program where they are signed with different entitlements."""
        return _as_signed(self)

    @property
    def label(self) -> str:
        """Its place, and the architecture where that matters."""
        return f"{self.place} ({self.architecture})" if self.architecture else self.place

    def text(self, key: str) -> str:
        """A string of Info.plist; "" for anything else."""
        value = self.info.get(key)
        return value if isinstance(value, str) else ""

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings of a list of Info.plist; a lone string counts as a list of one."""
        value = self.info.get(key)
        if isinstance(value, str):
            return (value,)
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, (list, tuple)) else ()

    @property
    def is_watch(self) -> bool:
        """Whether it is a watch app, or lies in one."""
        return "/Watch/" in self.place or "WatchOS" in self.texts("CFBundleSupportedPlatforms")

    @property
    def is_app(self) -> bool:
        """Whether it is an app or app extension: a program with identity, entitlements and a profile of its own."""
        return self.place.endswith((".app", ".appex"))

    @property
    def uses_cloudkit(self) -> bool:
        """Whether its signature asks for CloudKit."""
        services = self.claims("com.apple.developer.icloud-services")
        return any(service in ("CloudKit", "CloudKit-Anonymous", "*") for service in services)

    def claims(self, key: str) -> tuple[str, ...]:
        """The strings of a signed entitlement; a lone string counts as a list of one."""
        value = self.entitlements.get(key)
        if isinstance(value, str):
            return (value,)
        return tuple(item for item in value if isinstance(item, str)) if isinstance(value, (list, tuple)) else ()


@dataclass(frozen=True)
class Installer:
    """Who signed a .pkg. `holds`: the signature fits the package's table of contents."""

    certificate: Certificate | None = None
    holds: bool = False
    trusted: bool = False
    reason: str = ""
    missing: str = ""


@dataclass(frozen=True)
class BuiltApp(Bundle):
    """An app as it was built: the bundle itself, what it holds, and the file it comes in.

    Attributes:
        path: where the product lies, absolute, as text.
        kind: "xcarchive", "app", "ipa", "pkg", or "tool" for a single Mach-O file.
        size: bytes of the file; of all files together for an archive.
        sha256: of the file, lower-case hex; empty for an archive, which is a folder.
        platform: as App Store Connect spells it (IOS, MAC_OS, TV_OS, VISION_OS); empty when nothing tells.
        apps: places of all apps at the top of the product: a sound one has exactly one.
        executables: all Mach-O files, the app's main executable first.
        installer: who signed the .pkg; None when nobody did or when it is none.
        problems: what kept the product, or a part of it, from being read.
        at: when it was read (aware, UTC).
        manifests: all privacy manifests.
        origins: what Xcode recorded of the signatures of binary frameworks.
        libraries: static libraries (.a) inside the app.
        crowded: bundles of the macOS kind, each with the first thing that Apple does not allow beside its Contents, or
            beside the versions of a framework.
        misplaced: folders named Frameworks inside app extensions and frameworks.
        swift_support: whether SwiftSupport is beside the app.
        swift_libraries: what is in it.
        quarantined: AppleDouble files (._name) that carry com.apple.quarantine.
        private: files of a package that nobody but root can read.
        symbols: UUIDs of the debug symbols (dSYMs) in an archive.
        record: what Xcode wrote into an archive's own Info.plist about the app: SigningIdentity, Team, ….
    """

    path: str = ""
    kind: str = ""
    size: int = 0
    sha256: str = ""
    platform: str = ""
    minimum_os: str = ""
    name: str = ""
    apps: tuple[str, ...] = ()
    nested: tuple[Bundle, ...] = ()
    executables: tuple[Executable, ...] = ()
    installer: Installer | None = None
    problems: tuple[str, ...] = ()
    at: datetime = NEVER
    manifests: tuple[BundledManifest, ...] = ()
    origins: tuple[OriginSignature, ...] = ()
    libraries: tuple[str, ...] = ()
    crowded: tuple[tuple[str, str], ...] = ()
    misplaced: tuple[str, ...] = ()
    swift_support: bool = False
    swift_libraries: tuple[SwiftLibrary, ...] = ()
    quarantined: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    record: Mapping[str, str] = field(default_factory=dict)

    @property
    def comparable(self) -> bool:
        """Whether it holds an app, or is a program on its own."""
        return bool(self.info) or (self.kind == "tool" and bool(self.executables))

    @property
    def on_mac(self) -> bool:
        """Whether it is for macOS, as far as anything tells."""
        return self.platform == "MAC_OS"

    @property
    def on_mobile(self) -> bool:
        """Whether it is for iOS, tvOS or visionOS."""
        return self.platform in ("IOS", "TV_OS", "VISION_OS")

    @property
    def bundles(self) -> Iterator[Bundle]:
        """The app itself, then everything nested in it."""
        yield self
        yield from self.nested

    @property
    def signed_bundles(self) -> Iterator[Bundle]:
        """All bundles, each once for every way in which its architectures are signed."""
        return (each for bundle in self.bundles for each in bundle.as_signed)

    @property
    def signed_executables(self) -> Iterator[Executable]:
        """All executables, each once for every way in which its architectures are signed."""
        return (each for executable in self.executables for each in executable.as_signed)

    def __str__(self) -> str:
        if not self.bundle_id:
            return f"{self.kind}, {self.size:,} bytes: {self.problems[0] if self.problems else 'no app'}"
        named = f"{self.name} {self.version} ({self.build})"
        return f"{named}, {self.kind}, {self.size:,} bytes, {self.signature}"


class ArchivedApp(BuiltApp):
    """The app in the lane's .xcarchive."""


class ExportedApp(BuiltApp):
    """The app in the lane's .ipa or .pkg."""


@dataclass(frozen=True)
class GivenSignature:
    """Who signed one thing that was named with `--file`.

    Attributes:
        origin: the file or product; for what lies deeper inside a product, its path there behind a colon.
        identifier: the signing identifier; empty for an installer package.
        team_id: as the code directory says, else as the certificate says.
        certificates: the signer's own, then its issuers as far as the chain goes; empty when nobody's is in it.
        trusted: whether the signature holds and its chain ended in a trusted root when it was made: at the time of its
            timestamp, else at the time that the signer claims. Until when the signer's certificate is valid is another
            question, and revocation is not asked.
        reason: why it is not trusted.
        signed_at: when, as the signer claims (aware, UTC).
        timestamp: when, as a timestamp proves (aware, UTC); None without one.
        timestamp_doubt: why a timestamp that is there could not be checked.
        platform_words: "macOS, arm64 and x86_64", or "installer package".
        fault: what does not hold, or is damaged; empty when the signature is whole.
        unread: why it could not be judged here, although nothing says that it is damaged.
        others: how many more files of the same product have the same signer and are judged alike.
    """

    origin: str = ""
    identifier: str = ""
    team_id: str = ""
    certificates: tuple[Certificate, ...] = ()
    trusted: bool = False
    reason: str = ""
    signed_at: datetime | None = None
    timestamp: datetime | None = None
    timestamp_doubt: str = ""
    platform_words: str = ""
    fault: str = ""
    unread: str = ""
    adhoc: bool = False
    unsigned: bool = False
    is_installer: bool = False
    others: int = 0

    @property
    def leaf(self) -> Certificate | None:
        """The signer's own certificate."""
        return self.certificates[0] if self.certificates else None

    def __str__(self) -> str:
        if self.leaf:
            return self.leaf.subject_name
        return "not signed" if self.unsigned else "signed ad hoc" if self.adhoc else self.fault or self.unread


@dataclass(frozen=True)
class GivenSignatures:
    """The signatures in everything that was named with `--file`, and when they were read (aware, UTC)."""

    items: tuple[GivenSignature, ...] = ()
    at: datetime = NEVER

    def __str__(self) -> str:
        signers = {item.leaf.sha256 for item in self.items if item.leaf}
        return f"{len(self.items)} in the given files, {len(signers)} signers"
