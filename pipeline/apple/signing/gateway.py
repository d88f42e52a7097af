"""Asks the machine on which the tools run for its signing identities and provisioning profiles."""

import binascii

from pipeline.apple.signing.certificates import CertificateKind
from pipeline.apple.signing.facts import Identities, Identity, InstalledProfiles, ProfileProblem, SigningNeed
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.profiles import ProvisioningProfile, read_profile
from pipeline.apple.signing.security import read_certificates, read_identities
from pipeline.apple.signing.trust import APPLE_INTERMEDIATES, Anchors, walk
from pipeline.apple.xcode.facts import TargetEntitlements, TargetSettings
from pipeline.model import Declaration, Lane, Reading, probe
from pipeline.ports.clock import Clock
from pipeline.ports.tools import Completed, Tools

NO_KEYCHAIN = "no keychain on this machine: `security` exists only on macOS"
SIGN_ELSEWHERE = "sign on a Mac, or give the finished artifact with --ipa or --pkg"
PATIENCE = 60.0
"""Seconds. A locked keychain makes `security` wait for a person."""
MOST_PROFILES = 2_000

PROFILE_FOLDERS = (
    "Library/Developer/Xcode/UserData/Provisioning Profiles",
    "Library/MobileDevice/Provisioning Profiles",
)
"""Below the home folder: since Xcode 16 (release note 54347894), and before; Xcode reads both."""


@probe(lasting=True, scope="APP")
def keychain_identities(tools: Tools, clock: Clock, anchors: Anchors) -> Identities | Reading[Identities]:
    """The code-signing identities with their certificates and chains.

    macOS fetches an intermediate certificate that no keychain holds, so Apple's are at hand here too.
    Installer certificates are not for code signing, so `find-identity` never lists them; they are picked from all
    certificates by kind, because their names are no proof.
    """
    if tools.find("security") is None:
        return Reading.unknown(Identities, NO_KEYCHAIN, remedy=SIGN_ELSEWHERE)
    listed = tools.run(["security", "find-identity", "-p", "codesigning"], timeout=PATIENCE)
    held = tools.run(["security", "find-certificate", "-a", "-Z", "-p"], timeout=PATIENCE)
    for answer in (listed, held):
        if answer.returncode != 0:
            return Reading.unknown(Identities, _complaint(answer))
    certificates, problems = read_certificates(held.stdout)
    by_sha1 = {certificate.sha1: certificate for certificate in certificates}
    authorities = [certificate.der for certificate in certificates if certificate.kind is CertificateKind.AUTHORITY]
    at = clock.now()
    identities: list[Identity] = []
    for line in read_identities(listed.stdout):
        certificate = by_sha1.get(line.sha1)
        if certificate is None:
            identities.append(Identity(line.sha1, line.label, line.problem))
            continue
        chain = walk(certificate.der, (*APPLE_INTERMEDIATES, *authorities), anchors, at)
        identities.append(
            Identity(line.sha1, line.label, line.problem, certificate, chain.trusted, chain.reason, chain.missing)
        )
    installers = tuple(each for each in certificates if each.kind is CertificateKind.MAC_INSTALLER_DISTRIBUTION)
    return Identities(tuple(identities), installers, problems, at)


@probe(lasting=True, scope="APP")
def installed_profiles(tools: Tools, clock: Clock, anchors: Anchors) -> InstalledProfiles | Reading[InstalledProfiles]:
    """The profiles in both install folders, each once, with their signatures checked."""
    if tools.find("security") is None:
        return Reading.unknown(InstalledProfiles, NO_KEYCHAIN, remedy=SIGN_ELSEWHERE)
    told = tools.run(["printenv", "HOME"], timeout=PATIENCE)
    home = told.stdout.strip("\r\n").rstrip("/")
    if told.returncode != 0 or not home.startswith("/"):
        return Reading.unknown(InstalledProfiles, "the home folder, where profiles are installed, is not known (HOME)")
    found = tools.run(_search(home), timeout=PATIENCE)
    if found.returncode != 0 and not _only_absent(found.stderr):
        return Reading.unknown(InstalledProfiles, _complaint(found))
    paths = [line for line in found.stdout.splitlines() if line.endswith((".mobileprovision", ".provisionprofile"))]
    if len(paths) > MOST_PROFILES:
        return Reading.unknown(
            InstalledProfiles, f"{len(paths):,} profiles are installed; at most {MOST_PROFILES:,} are read"
        )
    profiles: dict[bytes, ProvisioningProfile] = {}
    problems: list[ProfileProblem] = []
    for path in paths:
        answer = tools.run(["base64", "-i", path], timeout=PATIENCE)
        if answer.returncode != 0:
            problems.append(ProfileProblem(path, _complaint(answer)))
            continue
        try:
            data = binascii.a2b_base64(answer.stdout)
            if data not in profiles:
                profiles[data] = read_profile(data, anchors, path=path)
        except (SigningFault, ValueError) as fault:
            problems.append(ProfileProblem(path, str(fault)))
    return InstalledProfiles(tuple(profiles.values()), tuple(problems), clock.now())


@probe
def signing_need(
    settings: TargetSettings, entitlements: TargetEntitlements, declared: Declaration, lane: Lane
) -> SigningNeed:
    """What the lane's target asks of signing; what `config/` declares stands in where the project is silent."""
    return SigningNeed(
        platform=lane.platform,
        team_id=settings.team_id.text or declared.team_id,
        bundle_id=settings.bundle_id.text or declared.bundle_id,
        extension_ids=tuple(each.bundle_id.text for each in settings.extensions if each.bundle_id),
        entitlements=entitlements.values,
        entitlement_places=entitlements.places,
        style=settings.code_sign_style.text or "Automatic",
        identity_name=settings.code_sign_identity.text,
        identity_at=settings.code_sign_identity.location,
        profile_specifier=settings.profile_specifier.text,
        profile_at=settings.profile_specifier.location,
    )


def _search(home: str) -> list[str]:
    folders = [f"{home}/{folder}" for folder in PROFILE_FOLDERS]
    kinds = ["(", "-name", "*.mobileprovision", "-o", "-name", "*.provisionprofile", ")"]
    return ["find", "-L", *folders, "-type", "f", *kinds]


def _only_absent(complaints: str) -> bool:
    """Whether all that `find` complained of is a folder that does not exist: Xcode makes them when it needs them."""
    lines = complaints.splitlines()
    return bool(lines) and all(line.endswith("No such file or directory") for line in lines)


def _complaint(answer: Completed) -> str:
    tool = " ".join(answer.argv[:2])
    first = next((line.strip() for line in answer.stderr.splitlines() if line.strip()), "")
    return f"`{tool}` ended with status {answer.returncode}" + (f": {first}" if first else "")
