"""What must have come true after an install or a removal."""

from collections.abc import Iterator

from pipeline.apple.keychain.facts import (
    PROFILE_FOLDERS,
    InstallableMaterial,
    OwnIdentities,
    OwnKeychains,
    ProfileFiles,
)
from pipeline.model import Finding, check, error

_REMEDIES = {
    "CSSMERR_TP_NOT_TRUSTED": "put Apple's intermediate certificate (WWDR) beside the identity, and install again",
    "CSSMERR_TP_CERT_REVOKED": "make a new certificate (certs.create): this one was revoked",
    "CSSMERR_TP_CERT_EXPIRED": "renew the certificate (certs.renew): this one has expired",
}


@check("KEYC010", "The installed identities can sign")
def installed_identities_can_sign(material: InstallableMaterial, found: OwnIdentities) -> Iterator[Finding]:
    """`security find-identity` must list each without a code behind it, in a keychain of ours in the search list."""
    listed = {each.sha1: each for each in found.identities}
    for identity in material.wanted_identities:
        line = listed.get(identity.sha1)
        if line is None:
            yield error(
                f"the identity “{identity.name}” is in none of our keychains that the search list names",
                subject=identity.name,
                remedy="see who else changes the search list (`security list-keychains -d user`), and install again",
            )
        elif line.problem:
            yield error(
                f"the identity “{identity.name}” is installed, and macOS does not trust it: {line.problem}",
                subject=identity.name,
                remedy=_REMEDIES.get(line.problem, "look at the certificate in Keychain Access"),
                apple=line.problem,
            )


@check("KEYC011", "The installed profiles are where Xcode looks")
def installed_profiles_are_there(material: InstallableMaterial, files: ProfileFiles) -> Iterator[Finding]:
    for profile in material.wanted_profiles:
        for folder in PROFILE_FOLDERS:
            if not files.holds(f"{folder}/{profile.file}", profile.sha256):
                yield error(
                    f"the profile “{profile.name}” is not in ~/{folder}",
                    subject=profile.uuid,
                    remedy="see who else changes that folder (Xcode's account settings do), and install again",
                )


@check("KEYC012", "Nothing of ours is left")
def nothing_of_ours_is_left(own: OwnKeychains) -> Iterator[Finding]:
    for each in own.removable:
        left = "the search list still names it" if each.listed else "its file is still there" if each.there else ""
        yield error(
            f"{each.path} was not removed: {left or 'its record is still there'}",
            subject=each.id,
            remedy="run certs.uninstall again",
        )
