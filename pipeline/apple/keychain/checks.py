"""Judges signing material before it is installed, and what earlier installs have left, before that is removed."""

from collections.abc import Iterator

from pipeline.apple.keychain.facts import InstallableMaterial, OwnKeychains
from pipeline.apple.signing.profiles import Seal
from pipeline.model import Finding, check, error, note, unseen, warning

SUPPLY = (
    "name a .p12 with --file, set SIGNING_CERTIFICATES and SIGNING_PROFILES, or name a vault with --vault or in config/"
)
DOWNLOAD = "download it again from developer.apple.com/account/resources/profiles"
EXPORT = "export the certificate together with its private key from Keychain Access on the Mac where it was made"


@check("KEYC001", "There is something to install")
def there_is_something_to_install(material: InstallableMaterial) -> Iterator[Finding]:
    if not material.source:
        # A Mac with identities of its own needs none; whether it can sign is judged by the signing stage.
        yield warning(
            "there is no signing material, no files, no secrets and no vault: this Mac keeps what it has",
            remedy=SUPPLY,
        )
    elif not (material.identities or material.profiles or material.keyless or material.problems):
        yield error(
            f"there are neither certificates nor profiles in the {_PLACES[material.source]}",
            remedy=SUPPLY,
        )


@check("KEYC002", "All signing material can be opened")
def material_can_be_opened(material: InstallableMaterial) -> Iterator[Finding]:
    for problem in material.problems:
        yield error(
            f"{problem.origin} cannot be used: {problem.why}".rstrip("."),
            subject=problem.origin,
            remedy=problem.remedy or "replace it with a file that opens, or leave it out",
        )


@check("KEYC003", "Certificates come with their private keys")
def certificates_come_with_their_keys(material: InstallableMaterial) -> Iterator[Finding]:
    say = warning if material.identities else error
    for certificate in material.keyless:
        yield say(
            f"the certificate “{certificate.name}” comes without its private key and cannot sign",
            subject=certificate.origin,
            remedy=EXPORT,
        )


@check("KEYC004", "Identities are valid today")
def identities_are_valid(material: InstallableMaterial) -> Iterator[Finding]:
    wanted = {each.sha1 for each in material.wanted_identities}
    say = warning if wanted else error
    for identity in material.identities:
        if identity.sha1 not in wanted and not identity.alien:
            early = material.at < identity.begins
            when = (
                f"is not valid before {identity.begins:%Y-%m-%d}" if early else f"expired on {identity.ends:%Y-%m-%d}"
            )
            yield say(
                f"the identity “{identity.name}” {when} and is not installed",
                subject=identity.origin,
                remedy="set this machine's clock"
                if early
                else "renew the certificate (certs.renew), and give the new one",
            )


@check("KEYC005", "Profiles are valid today, and each is there once")
def profiles_can_be_installed(material: InstallableMaterial) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for profile in material.profiles:
        if not profile.uuid:
            yield error(
                f"the profile “{profile.name}” has no UUID, so Xcode cannot find it",
                subject=profile.origin,
                remedy=DOWNLOAD,
            )
        elif not profile.named:
            yield error(
                f"the UUID of the profile “{profile.name}” is none: {profile.uuid}",
                subject=profile.origin,
                remedy=DOWNLOAD,
            )
        elif profile.ends < material.at:
            yield warning(
                f"the profile “{profile.name}” expired on {profile.ends:%Y-%m-%d} and is not installed",
                subject=profile.origin,
                remedy="renew it (certs.renew), and give the new one",
            )
        elif seen.setdefault(profile.uuid, profile.sha256) != profile.sha256:
            yield error(
                f"the profile {profile.uuid} is there twice with different content",
                subject=profile.origin,
                remedy="leave out the one that was not downloaded from Apple",
            )


@check("KEYC009", "What is to be installed is Apple's")
def material_is_apples(material: InstallableMaterial) -> Iterator[Finding]:
    for identity in material.identities:
        told = f"the identity “{identity.name}” ({identity.origin})"
        if identity.alien:
            yield error(
                f"{told} is not Apple's: {identity.alien}",
                subject=identity.sha1,
                remedy=f"leave it out, find out who made it, and {EXPORT}",
            )
        elif identity.untraced:
            yield unseen(
                f"{told} cannot be traced to an Apple root: {identity.untraced}",
                subject=identity.sha1,
                remedy="put the certificate of its issuer beside it, from apple.com/certificateauthority",
            )
    for profile in material.profiles:
        told = f"the profile “{profile.name}” ({profile.origin})"
        if profile.alien:
            how = "was changed after Apple signed it" if profile.seal is Seal.DOCTORED else "is not signed by Apple"
            yield error(
                f"{told} {how}: {profile.seal_reason}",
                subject=profile.uuid,
                remedy=f"leave it out, and {DOWNLOAD}",
                apple="ITMS-90165",
            )
        elif profile.seal is Seal.UNKNOWN:
            yield unseen(
                f"the signature of {told} could not be checked: {profile.seal_reason}",
                subject=profile.uuid,
                remedy=DOWNLOAD,
            )


@check("KEYC006", "Keychains of other jobs are left alone")
def other_jobs_are_left_alone(own: OwnKeychains) -> Iterator[Finding]:
    for each in own.others:
        if each.working:
            yield note(f"{each.path} is being made by process {each.record.pid if each.record else 0}", subject=each.id)
        elif each.record is not None and each.record.job != own.job:
            job = f"the job {each.record.job}" if each.record.job else "somebody at this Mac"
            yield note(f"{each.path} belongs to {job} and stays", subject=each.id)


@check("KEYC007", "The records of installs can be read")
def records_can_be_read(own: OwnKeychains) -> Iterator[Finding]:
    for each in own.keychains:
        if each.damaged:
            yield warning(
                f"the record of {each.path} cannot be read, so the profiles that came with it stay",
                subject=each.id,
                remedy="delete what nobody needs from ~/Library/Developer/Xcode/UserData/Provisioning Profiles",
            )


@check("KEYC008", "No install was cut off")
def no_install_was_cut_off(own: OwnKeychains) -> Iterator[Finding]:
    if count := len(own.abandoned):
        left = "1 install was" if count == 1 else f"{count} installs were"
        yield note(f"{left} cut off; what is left is removed")


_PLACES = {"files": "given files", "environment": "environment's secrets", "vault": "vault"}
