"""Asks the Mac, the files that were given and the environment for what there is to sign with."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.apple.signing.choice import is_governed
from pipeline.apple.signing.facts import (
    BundleNeed,
    EnvironmentMaterial,
    GivenMaterial,
    Identities,
    InstalledProfiles,
    JudgedMaterial,
    Keychain,
    Origin,
    ProfileFolders,
    ProfileProblem,
    SigningNeed,
    Unresolved,
    is_manual,
)
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.identities import (
    Authorities,
    judged_in_keychain,
    judged_in_materials,
    keychain_of,
    profiles_in_materials,
)
from pipeline.apple.signing.material import Fault, Material, pretends, read_material
from pipeline.apple.signing.profiles import ProvisioningProfile, read_profile
from pipeline.apple.signing.security import read_certificates, read_identities
from pipeline.apple.signing.trust import Anchors
from pipeline.apple.xcode.facts import (
    Companion,
    Companions,
    ProjectProblems,
    TargetEntitlements,
    TargetInfo,
    TargetSettings,
    Value,
)
from pipeline.apple.xcode.facts import Kind as XcodeKind
from pipeline.model import Declaration, Lane, Reading, UsageFault, probe
from pipeline.ports.clock import Clock
from pipeline.ports.files import Unreadable
from pipeline.ports.given import GivenFiles
from pipeline.ports.home import Home
from pipeline.ports.secrets import CERTIFICATES, Secrets, passwords
from pipeline.ports.tools import Completed, Tools

NO_KEYCHAIN = "no keychain on this machine: `security` exists only on macOS"
SIGN_ELSEWHERE = (
    "sign on a Mac, name the signing material with --file or in SIGNING_CERTIFICATES and SIGNING_PROFILES, or give the "
    "finished artifact with --ipa or --pkg"
)
PATIENCE = 60.0
"""Seconds. A locked keychain makes `security` wait for a person."""
MOST_PROFILES = 2_000
MOST_MATERIALS = 20_000
LARGEST = 16 * 1024 * 1024
"""Bytes; a profile with a thousand certificates and devices has two million."""

PROFILE_FOLDERS = (
    "Library/Developer/Xcode/UserData/Provisioning Profiles",
    "Library/MobileDevice/Provisioning Profiles",
)
"""Below the home folder: since Xcode 16 (release note 54347894), and before; Xcode reads both."""
PROFILE_NAMES = ("*.mobileprovision", "*.provisionprofile")

PROFILES = "SIGNING_PROFILES"
VARIABLES = (CERTIFICATES, PROFILES)

_NO_INFO = Reading.unknown(TargetInfo, "it was not asked for")
_NO_PROBLEMS = Reading.unknown(ProjectProblems, "they were not asked for")

_ZIP = b"PK\x03\x04"
_SIGNED_CODE = (
    b"xar!",
    *(b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"),
)
"""How installer packages and Mach-O files begin: who signed those is another room's to say."""


@probe(scope="APP")
def keychain(tools: Tools, clock: Clock, anchors: Anchors) -> Keychain | Reading[Keychain]:
    """Everything in the keychains of the search list."""
    return _keychain(tools, clock, anchors)


@probe(scope="APP")
def profile_folders(
    tools: Tools, home: Home, clock: Clock, anchors: Anchors
) -> ProfileFolders | Reading[ProfileFolders]:
    """Everything in both install folders."""
    return _profile_folders(tools, home, clock, anchors)


@probe(lasting=True, scope="APP")
def given_material(given: GivenFiles, secrets: Secrets, anchors: Anchors) -> Reading[GivenMaterial]:
    """The signing material in the files that `--file` names; a password opens them and is forgotten."""
    return Reading.of(GivenMaterial(_given(given, secrets, anchors), given.named), given.source)


@probe(lasting=True, scope="APP")
def environment_material(secrets: Secrets, anchors: Anchors) -> EnvironmentMaterial:
    """The signing material in the environment's secrets."""
    return EnvironmentMaterial(*_environment(secrets, anchors))


@probe(lasting=True, scope="APP")
def judged_material(
    given: GivenFiles, tools: Tools, secrets: Secrets, anchors: Anchors
) -> JudgedMaterial | Reading[JudgedMaterial]:
    """From where a lane would be signed: files that are named, else the keychain, else the environment."""
    if given.named:
        named = tuple(str(Path(each)) for each in given.named)
        return Reading.of(JudgedMaterial(Origin.FILES, _given(given, secrets, anchors), named), given.source)
    if tools.find("security") is not None:
        return Reading.of(JudgedMaterial(), tools.source)
    materials, variables = _environment(secrets, anchors)
    if not variables:
        return Reading.unknown(JudgedMaterial, NO_KEYCHAIN, remedy=SIGN_ELSEWHERE)
    named = tuple(f"${name}" for name in variables)
    return Reading.of(JudgedMaterial(Origin.ENVIRONMENT, materials, named), secrets.source)


@probe(lasting=True, scope="APP")
def identities(
    judged: JudgedMaterial, tools: Tools, clock: Clock, anchors: Anchors
) -> Identities | Reading[Identities]:
    """What there is to sign with, where the lane would be signed from."""
    if judged.origin is not Origin.KEYCHAIN:
        return Reading.of(judged_in_materials(judged, anchors, clock.now()))
    held = _keychain(tools, clock, anchors)
    if isinstance(held, Reading):
        return Reading.unknown(Identities, held.why, remedy=held.remedy)
    return judged_in_keychain(held)


@probe(lasting=True, scope="APP")
def installed_profiles(
    judged: JudgedMaterial, tools: Tools, home: Home, clock: Clock, anchors: Anchors
) -> InstalledProfiles | Reading[InstalledProfiles]:
    """The profiles that Xcode would find, where the lane would be signed from."""
    if judged.origin is not Origin.KEYCHAIN:
        return Reading.of(profiles_in_materials(judged, clock.now()))
    held = _profile_folders(tools, home, clock, anchors)
    if isinstance(held, Reading):
        return Reading.unknown(InstalledProfiles, held.why, remedy=held.remedy)
    return InstalledProfiles(held.profiles, held.problems, held.at)


@probe
def signing_need(
    settings: TargetSettings,
    entitlements: TargetEntitlements,
    companions: Companions,
    declared: Declaration,
    lane: Lane,
    *,
    info: Reading[TargetInfo] = _NO_INFO,
    problems: Reading[ProjectProblems] = _NO_PROBLEMS,
) -> SigningNeed:
    """What the lane's target asks of signing; what `config/` declares stands in where the project is silent.

    The team that `config/` declares is everybody's: the archive is given it on xcodebuild's command line.
    """
    known = (problems.value or ProjectProblems()).problems
    partial = any(each.missing or each.optional for each in known)
    missing = frozenset(each.missing for each in known if each.missing)
    identifier = _identifier(settings, info.value or TargetInfo())
    app = _need_of(Companion(settings=settings, entitlements=entitlements), identifier, declared, partial=partial)
    unresolved = [] if declared.bundle_id and not identifier.undefined else [*_nameless("", identifier, app)]
    unresolved += _unresolved("", settings, missing, partial=partial)
    inside = []
    for each in companions.targets:
        if not _has_need(each, lane):
            continue
        its = _identifier(each.settings, each.info)
        need = _need_of(each, its, declared, partial=partial)
        inside += [need] if need.bundle_id else []
        unresolved += [
            *_nameless(each.target, its, need),
            *_unresolved(each.target, each.settings, missing, partial=partial),
        ]
    return SigningNeed(
        platform=lane.platform,
        team_id=declared.team_id or app.team_id,
        bundle_id=app.bundle_id or declared.bundle_id,
        inside=tuple(inside),
        entitlements=app.entitlements,
        entitlement_places=app.places,
        style=app.style,
        identity_name=app.identity_name,
        identity_at=app.identity_at,
        profile_specifier=app.specifier,
        profile_at=app.specifier_at,
        unresolved=tuple(unresolved),
    )


def _has_need(companion: Companion, lane: Lane) -> bool:
    """Extensions, app clips and watch apps always; what only Mac apps carry, for what a profile must grant."""
    asked = companion.entitlements.values
    return companion.kind.is_signed_for_itself or (
        companion.kind in (XcodeKind.HELPER, XcodeKind.SERVICE, XcodeKind.SYSTEM_EXTENSION)
        and any(is_governed(key, value, lane.platform) for key, value in asked.items())
    )


def _identifier(settings: TargetSettings, info: TargetInfo) -> Value:
    """The bundle identifier that signing goes by: the setting's, else the Info.plist's.

    Source: swift-build, Provisioning.swift, computeBundleIdentifier.
    """
    setting = settings.bundle_id
    text = info.text("CFBundleIdentifier")
    if setting.text or not text:
        return setting
    return Value(text, info.place("CFBundleIdentifier"), setting.undefined)


def _is_open(value: Value, *, partial: bool) -> bool:
    """Whether a setting that nothing defines leaves a hole in it, or may be defined in a file that is not here.

    An empty suffix is often meant to be.
    """
    text = value.text
    return bool(value.undefined) and (partial or not text or text != text.strip(" .-") or ".." in text)


def _need_of(companion: Companion, identifier: Value, declared: Declaration, *, partial: bool) -> BundleNeed:
    settings = companion.settings
    named, specified = settings.code_sign_identity, settings.profile_specifier
    if _is_open(named, partial=partial):
        named = Value()
    return BundleNeed(
        bundle_id="" if _is_open(identifier, partial=partial) else identifier.text,
        team_id="" if declared.team_id else settings.team_id.text,
        style=settings.code_sign_style.text or "Automatic",
        specifier="" if _is_open(specified, partial=partial) else specified.text,
        specifier_at=specified.location,
        identity_name=named.text,
        identity_at=named.location,
        entitlements=_asked(companion.entitlements),
        places=companion.entitlements.places,
        unread="entitlements" in companion.unread,
    )


def _nameless(whose: str, identifier: Value, need: BundleNeed) -> Iterator[Unresolved]:
    if not need.bundle_id:
        yield Unresolved("PRODUCT_BUNDLE_IDENTIFIER", whose, identifier.undefined, location=identifier.location)


def _unresolved(
    whose: str, settings: TargetSettings, missing: frozenset[str], *, partial: bool
) -> Iterator[Unresolved]:
    """What is not known of the way in which it is signed; manually, of the profile and the identity that are named.

    A file that need not be here is as absent for Xcode on this machine, so only `missing` ones hide the style.
    """
    style = settings.code_sign_style
    if hidden := tuple(each for each in style.hidden if each in missing):
        yield Unresolved("CODE_SIGN_STYLE", whose, hidden=hidden, location=style.location)
    for setting, value in (
        ("PROVISIONING_PROFILE_SPECIFIER", settings.profile_specifier),
        ("CODE_SIGN_IDENTITY", settings.code_sign_identity),
    ):
        if is_manual(style.text) and _is_open(value, partial=partial):
            yield Unresolved(setting, whose, value.undefined, location=value.location)


def _asked(entitlements: TargetEntitlements) -> Mapping[str, Any]:
    return {**entitlements.values, **entitlements.prefixed}


def _keychain(tools: Tools, clock: Clock, anchors: Anchors) -> Keychain | Reading[Keychain]:
    """Three listings: identities that sign code, all identities (for installer packages), and all certificates."""
    if tools.find("security") is None:
        return Reading.unknown(Keychain, NO_KEYCHAIN, remedy=SIGN_ELSEWHERE)
    questions = (("find-identity", "-p", "codesigning"), ("find-identity", "-p", "basic"), _ALL_CERTIFICATES)
    answers = [tools.run(["security", *each], timeout=PATIENCE) for each in questions]
    for answer in answers:
        if answer.returncode != 0:
            return Reading.unknown(Keychain, _complaint(answer))
    for_code, for_all, held = (answer.stdout for answer in answers)
    try:
        coded, basic = read_identities(for_code), read_identities(for_all)
        certificates, problems = read_certificates(held)
    except SigningFault as fault:
        return Reading.unknown(Keychain, f"{fault.what}: {fault.why}", remedy=fault.remedy)
    authorities = Authorities(certificates, anchors, at := clock.now())
    listed = keychain_of(coded, basic, certificates, authorities)
    return Keychain(listed.identities, certificates, problems, at)


_ALL_CERTIFICATES = ("find-certificate", "-a", "-Z", "-p")


def _profile_folders(
    tools: Tools, home: Home, clock: Clock, anchors: Anchors
) -> ProfileFolders | Reading[ProfileFolders]:
    if tools.find("security") is None:
        return Reading.unknown(ProfileFolders, NO_KEYCHAIN, remedy=SIGN_ELSEWHERE)
    paths = [path for folder in PROFILE_FOLDERS for path in home.find(folder, *PROFILE_NAMES)]
    if len(paths) > MOST_PROFILES:
        told = f"{len(paths):,} profiles are installed; at most {MOST_PROFILES:,} are read"
        return Reading.unknown(ProfileFolders, told, remedy=f"clear ~/{PROFILE_FOLDERS[0]} of what is out of use")
    profiles: dict[bytes, ProvisioningProfile] = {}
    problems: list[ProfileProblem] = []
    for path in paths:
        shown = f"~/{path}"
        try:
            data = home.read(path, LARGEST)
            if data not in profiles:
                profiles[data] = read_profile(data, anchors, path=shown)
        except FileNotFoundError:
            continue  # deleted in between
        except (SigningFault, Unreadable) as fault:
            problems.append(ProfileProblem(shown, str(fault)))
    return ProfileFolders(tuple(profiles.values()), tuple(problems), clock.now())


def _given(given: GivenFiles, secrets: Secrets, anchors: Anchors) -> tuple[Material, ...]:
    known = passwords(secrets, given.source)
    named = {Path(each) for each in given.named}
    found: list[Material] = []
    for path in given.paths():
        read = _in_file(path, given, known, anchors)
        if read is None:
            continue
        if all(each.fault is Fault.UNREADABLE for each in read):
            # In a folder, what neither is signing material nor claims to be is none of our business.
            read = read or _nothing(str(path)) if path in named or pretends(path.name) else ()
        found += read
        if len(found) > MOST_MATERIALS:
            raise UsageFault(
                f"the given files hold more than {MOST_MATERIALS:,} certificates, keys and profiles",
                remedy="name fewer files with --file",
            )
    return tuple(found)


def _in_file(path: Path, given: GivenFiles, known: tuple[str, ...], anchors: Anchors) -> tuple[Material, ...] | None:
    """What a file holds; None for apps and packages, and for archives of something else."""
    head = b""
    try:
        with given.opened(path) as file:
            head = file.read(len(_ZIP))
        if head in _SIGNED_CODE:
            return None
        read = read_material(given.read(path, LARGEST), str(path), known, anchors)
    except (Unreadable, OSError) as fault:
        why = (fault.why or fault.what) if isinstance(fault, Unreadable) else fault.strerror or "it cannot be read"
        read = () if head == _ZIP else (Material(str(path), fault=Fault.UNREADABLE, why=why),)
    return read or (None if head == _ZIP else ())


def _nothing(origin: str) -> tuple[Material, ...]:
    return (Material(origin, fault=Fault.UNREADABLE, why="it holds no certificate, key or profile"),)


def _environment(secrets: Secrets, anchors: Anchors) -> tuple[tuple[Material, ...], tuple[str, ...]]:
    told = {name: value for name in VARIABLES if (value := secrets.get(name))}
    found: list[Material] = []
    for name, value in told.items():
        known = passwords(secrets, secrets.source) if name == CERTIFICATES else ()
        data, origin = value.encode("utf-8", "surrogateescape"), f"${name}"
        found += read_material(data, origin, known, anchors) or _nothing(origin)
    return tuple(found), tuple(told)


def _complaint(answer: Completed) -> str:
    tool = " ".join(answer.argv[:2])
    first = next((line.strip() for line in answer.stderr.splitlines() if line.strip()), "")
    return f"`{tool}` ended with status {answer.returncode}" + (f": {first}" if first else "")
