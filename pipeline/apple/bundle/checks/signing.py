"""Is the exported product signed by someone who may submit it, and does every signature still hold?"""

from collections.abc import Iterator

from pipeline.apple.bundle.codesignature import teams_differ
from pipeline.apple.bundle.facts import Executable, ExportedApp, Signature
from pipeline.apple.signing.certificates import CertificateKind
from pipeline.apple.signing.profiles import ProfileKind, ProvisioningProfile, Seal
from pipeline.apple.signing.trust import Anchors
from pipeline.model import Finding, Lane, Platform, check, error, note, unseen, warning

SUBMISSION = frozenset({CertificateKind.APPLE_DISTRIBUTION, CertificateKind.IOS_DISTRIBUTION})
MAC_SUBMISSION = frozenset({CertificateKind.APPLE_DISTRIBUTION, CertificateKind.MAC_APP_DISTRIBUTION})
_SHOWN = 5


@check("BUND004", "all code is signed by a submission certificate")
def code_is_signed_for_submission(app: ExportedApp, lane: Lane) -> Iterator[Finding]:
    """Judged by the certificate's marker extensions, never by its name."""
    if app.kind in ("xcarchive", "tool"):
        return  # BUND075 says that an export signs anew, and who signed a tool.
    wanted = MAC_SUBMISSION if lane.platform is Platform.MAC_OS else SUBMISSION
    said: dict[tuple[str, str], list[str]] = {}
    for executable in _own(app):
        complaint, code = _not_submittable(executable, wanted), "ITMS-90034"
        if not complaint and (complaint := _of_another_team(executable.signature, app.signature)):
            code = "ITMS-90238" if app.on_mac else "ITMS-90035"
        if complaint:
            said.setdefault((complaint, code), []).append(executable.path)
    for (complaint, code), paths in said.items():
        yield error(
            f"{_named(paths)} {complaint}",
            subject=paths[0],
            remedy='export with method "app-store-connect" and an Apple Distribution certificate',
            apple=code,
        )


def _of_another_team(signature: Signature, app: Signature) -> str:
    own, main = signature.certificate, app.certificate
    if own is None or main is None:
        return ""
    if not (teams_differ(main.team_id, own.team_id) and teams_differ(own.team_id, main.team_id)):
        return ""
    return f"is signed by team {own.team_id}, and the app by team {main.team_id}: all code is signed by one team"


def _not_submittable(executable: Executable, wanted: frozenset[CertificateKind]) -> str:
    signature = executable.signature
    if not signature.present:
        return "is not signed"
    if signature.certificate is None and signature.adhoc:
        rest = f", and not at all for {', '.join(executable.unsigned)}" if executable.unsigned else ""
        return f"is signed ad hoc{rest}"
    if signature.certificate is None:
        return "has a signature without a readable certificate"
    if signature.certificate.kind not in wanted:
        kind = signature.certificate.kind.value.replace("_", " ").capitalize()
        return f"is signed by {signature.certificate.subject_name}, a certificate of kind “{kind}”"
    return ""


@check("BUND005", "code and resources are as they were signed")
def nothing_changed_after_signing(app: ExportedApp) -> Iterator[Finding]:
    """Page hashes, special slots, resource seal, CMS signature and timestamp, all computed again.

    A timestamp that cannot be checked is told and no more: what is sent to the App Store needs none.
    """
    for executable in app.executables:
        for flaw in executable.signature.flaws[:_SHOWN]:
            yield error(
                f"the signature is broken: {flaw}",
                subject=executable.bundle or executable.path,
                remedy="sign after the last change to the bundle: export again and change nothing in the product",
                apple="ITMS-90035",
            )
        for phrase in executable.signature.unseen[:_SHOWN]:
            yield unseen(f"not verified: {phrase}", subject=executable.bundle or executable.path)
        if doubt := executable.signature.timestamp_doubt:
            yield note(
                f"the signature's timestamp was not believed: {doubt}", subject=executable.bundle or executable.path
            )


@check("BUND006", "the signer's chain ends in a trusted root")
def signer_is_vouched_for(app: ExportedApp, anchors: Anchors) -> Iterator[Finding]:
    """Each certificate is judged once, whatever number of executables it signed. An export signs an archive anew."""
    roots = ", ".join(anchors.roots.values()) or "no root at all"
    judged = set()
    for executable in _own(app) if app.kind != "xcarchive" else ():
        signature = executable.signature
        certificate = signature.certificate
        if certificate is None or signature.trusted or (certificate.sha256, signature.reason) in judged:
            continue
        judged.add((certificate.sha256, signature.reason))
        if signature.missing:
            yield unseen(
                f"the chain of {certificate.subject_name} cannot be followed: {signature.reason}",
                subject=executable.path,
                remedy=f"install the certificate “{signature.missing}” on the machine that signs",
            )
        else:
            yield error(
                f"{certificate.subject_name} is not to be trusted: {signature.reason}",
                subject=executable.path,
                remedy=f"sign with a valid certificate whose chain ends in {roots}",
                apple="ITMS-90034",
            )


@check("BUND007", "an App Store profile is embedded")
def app_store_profile_is_embedded(app: ExportedApp, lane: Lane) -> Iterator[Finding]:
    """iOS: in the app and in every app extension. macOS: in the app, or TestFlight cannot use the build."""
    on_mac = lane.platform is Platform.MAC_OS
    for bundle in app.bundles if app.kind not in ("xcarchive", "tool") else ():
        profile = bundle.profile
        if profile is not None:
            yield from _wrong_profile(app, profile, ProfileKind.MAC_APP_STORE if on_mac else ProfileKind.APP_STORE)
        elif bundle.profile_path:
            continue  # BUND001 says why it cannot be read.
        elif on_mac and bundle is app:
            yield warning(
                "there is no embedded.provisionprofile: the build cannot be used in TestFlight",
                subject=bundle.place,
                remedy="export with a Mac App Store profile",
                apple="ITMS-90889",
            )
        elif not on_mac and bundle.is_app:
            yield error(
                "there is no embedded.mobileprovision",
                subject=bundle.place,
                remedy="export with an App Store profile for this bundle identifier",
                apple="ITMS-90174",
            )


def _wrong_profile(app: ExportedApp, profile: ProvisioningProfile, wanted: ProfileKind) -> Iterator[Finding]:
    if profile.kind is not wanted:
        kind = profile.kind.value.replace("_", " ").lower()
        yield error(
            f"the profile “{profile.name}” is of kind “{kind}”, not for the App Store",
            subject=profile.path,
            remedy='export with method "app-store-connect" and an App Store profile',
            apple="ITMS-90161",
        )
    if profile.expires <= app.at:
        yield error(
            f"the profile “{profile.name}” expired on {profile.expires:%Y-%m-%d}",
            subject=profile.path,
            remedy="renew the profile and export again",
            apple="ITMS-90161",
        )
    if profile.seal in (Seal.DOCTORED, Seal.FOREIGN):
        yield error(
            f"the profile “{profile.name}” does not come from Apple: {profile.seal_reason}",
            subject=profile.path,
            remedy="download the profile again and export again",
            apple="ITMS-90165",
        )
    elif profile.seal is Seal.UNKNOWN:
        yield unseen(f"not verified: the signature of the profile “{profile.name}” ({profile.seal_reason})")


@check("BUND008", "the signing certificate is in the embedded profile")
def signing_certificate_is_in_profile(app: ExportedApp) -> Iterator[Finding]:
    """The same certificate, byte for byte: a renewed one of the same name is another."""
    for bundle in app.bundles:
        certificate, profile = bundle.signature.certificate, bundle.profile
        if certificate is None or profile is None:
            continue
        if certificate.sha256 not in {each.sha256 for each in profile.developer_certificates}:
            yield error(
                f"{certificate.subject_name} (SHA-1 {certificate.sha1}) is not in the profile “{profile.name}”",
                subject=bundle.place,
                remedy="renew the profile with this certificate, or sign with one that the profile lists",
                apple="ITMS-90179",
            )


@check("BUND075", "the product is what is sent to Apple")
def product_is_final(app: ExportedApp) -> Iterator[Finding]:
    """An archive is signed anew when it is exported; a bare app is not what is uploaded, and a tool never is."""
    if app.kind == "xcarchive":
        yield note(
            "this is an archive: certificates, profiles and the entitlements that an export changes were not judged",
            subject=app.path,
            remedy="judge the .ipa or .pkg that is exported from it, too",
        )
    elif app.kind == "app":
        yield note(
            "this is an app on its own: the .ipa or .pkg around it was not judged",
            subject=app.path,
            remedy="judge the .ipa or .pkg that is uploaded, too",
        )
    elif app.kind == "tool":
        for executable in app.executables:
            signature = executable.signature
            doubt = f", and {signature.reason}" if signature.certificate and not signature.trusted else ""
            by = "signed by " if signature.certificate else ""
            signed = [name for name in executable.architectures if name not in executable.unsigned]
            rest = f"; {', '.join(executable.unsigned)}: not signed" if executable.unsigned else ""
            yield note(f"{', '.join(signed)}: {by}{signature}{doubt}{rest}", subject=executable.path)


@check("BUND015", "the package is signed by an installer certificate")
def package_is_signed_for_submission(app: ExportedApp) -> Iterator[Finding]:
    """A .pkg for the Mac App Store needs a second signature, by a certificate of another kind than the app's."""
    if app.kind != "pkg":
        return
    remedy = "export again with a 3rd Party Mac Developer Installer certificate"
    installer = app.installer
    complaint = ""
    if installer is None:
        complaint = "the package is not signed"
    elif not installer.holds:
        complaint = "the package changed after it was signed"
    elif installer.certificate is None:
        complaint = f"the package's certificate cannot be read: {installer.reason}"
    elif installer.certificate.kind is not CertificateKind.MAC_INSTALLER_DISTRIBUTION:
        complaint = f"the package is signed by {installer.certificate.subject_name}, no Mac installer distribution"
    elif installer.missing:
        yield unseen(f"the chain of {installer.certificate.subject_name} cannot be followed: {installer.reason}")
    elif not installer.trusted:
        complaint = f"{installer.certificate.subject_name} is not to be trusted: {installer.reason}"
    if complaint:
        yield error(complaint, subject=app.path, remedy=remedy, apple="ITMS-90237")


def _own(app: ExportedApp) -> Iterator[Executable]:
    return (executable for executable in app.executables if not executable.is_stub)


def _named(paths: list[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{paths[0]} (and {len(paths) - 1} more)"
