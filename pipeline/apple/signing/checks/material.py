"""Whether what was given to sign with, in files or in the environment, can be opened and belongs together.

Silent where the keychain signs: it opens what it holds by itself.
"""

from collections.abc import Iterator

from pipeline.apple.signing.facts import JudgedMaterial, Origin
from pipeline.apple.signing.material import Fault, Material
from pipeline.model import Finding, check, error, warning

PASSWORD = "SIGNING_CERTIFICATES_PASSWORD"  # noqa: S105 -- the name of a variable
SHUT = frozenset({Fault.PASSWORD_NEEDED, Fault.WRONG_PASSWORD})
BROKEN = frozenset({Fault.UNREADABLE, Fault.NOT_SIGNED})


@check("SIGN022", "The password opens what is encrypted")
def material_opens_with_the_password(judged: JudgedMaterial) -> Iterator[Finding]:
    """A .p12 or private key that stays shut. In a folder, another may do: then SIGN001 does not miss it."""
    for each in judged.materials:
        if each.fault in SHUT:
            yield shut(each, named=judged.names(each))


@check("SIGN023", "What was given can be read")
def material_is_readable(judged: JudgedMaterial) -> Iterator[Finding]:
    """Damaged files, and files that were named one by one and are nothing to sign with."""
    for each in judged.materials:
        if each.fault in BROKEN:
            yield broken(each, named=judged.names(each))


@check("SIGN024", "Every private key has its certificate")
def private_keys_have_certificates(judged: JudgedMaterial) -> Iterator[Finding]:
    """A key whose certificate was given elsewhere is fine; in folders lie keys for other ends, so those are let be."""
    public = {each.certificate.public_key_sha256 for each in judged.materials if each.certificate}
    for each in judged.materials:
        if each.key_only and each.public_key_sha256 not in public and (each.fault or judged.names(each)):
            yield error(
                f"the private key in {each.origin} fits none of the certificates that "
                + ("were given" if judged.origin is Origin.FILES else "the environment holds")
                + (f"; it is {each.why}" if each.why and not each.fault else ""),
                subject=each.origin,
                remedy="give the certificate that was made for this key, or the key of the certificate",
            )


def shut(material: Material, *, named: bool = True) -> Finding:
    """What is said of something encrypted that stays shut; an error where it was `named` by itself."""
    make = error if named else warning
    if material.fault is Fault.WRONG_PASSWORD:
        return make(
            f"the password does not open {material.origin}",
            subject=material.origin,
            remedy=f"put the password with which it was exported into {PASSWORD}",
        )
    return make(
        f"{material.origin} is encrypted, and no password was given",
        subject=material.origin,
        remedy=f"put its password into {PASSWORD}",
    )


def broken(material: Material, *, named: bool = True) -> Finding:
    """What is said of something that cannot be read; an error where it was `named` by itself."""
    make = error if named else warning
    return make(
        f"{material.origin} cannot be used: {material.why or 'it is damaged'}",
        subject=material.origin,
        remedy="export or download it anew"
        + (", and encode it with base64" if material.origin.startswith("$") else ""),
    )
