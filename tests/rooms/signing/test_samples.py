"""Every real certificate and profile: what it is, stated as `openssl` and `asn1parse` show it, not as our readers do.

Certificates: `openssl x509 -inform DER -text` for subject, markers and key usage; `openssl verify -attime` a day after
the beginning, with the intermediates of `authorities.py` and the samples that are authorities, for the chain. Profiles:
`openssl cms -verify -inform DER -CAfile roots.pem -attime <signing time> -purpose any`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.apple.signing.authorities import INTERMEDIATES, ROOTS
from pipeline.apple.signing.certificates import CertificateKind, read_certificate
from pipeline.apple.signing.cms import read_signed
from pipeline.apple.signing.der import envelope
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.profiles import ProfileKind, Seal, read_profile
from pipeline.apple.signing.trust import APPLE_INTERMEDIATES, APPLE_ROOTS, walk

K = CertificateKind
WWDR_G1 = "Apple Worldwide Developer Relations Certification Authority (Apple Worldwide Developer Relations)"
ROOT, ROOT_G3 = "Apple Root CA", "Apple Root CA - G3"


@dataclass(frozen=True)
class Sample:
    """A certificate: `unit` is the subject's OU, the team where there is one; chain ends in `anchor` or lacks `missing`.

    `digest` is that of the signature on it; `ends` is the earliest end in the chain, where one was found.
    """

    kind: K
    unit: str
    digest: str
    anchor: str = ""
    missing: str = ""
    length: int = 1
    ends: str = ""


CERTIFICATES = {
    "apple_developer": Sample(K.APPLE_DEVELOPMENT, "AA6YJ3JMV8", "sha256", ROOT, "", 3, "2022-02-09"),
    "aps_development": Sample(K.PUSH, "S56PJTAYEL", "sha1", missing=WWDR_G1),
    "configuration_profile": Sample(
        K.OTHER,
        "Configuration Profiles",
        "sha256",
        missing="Apple Application Integration 2 Certification Authority (Apple Certification Authority)",
    ),
    "developer_id": Sample(K.DEVELOPER_ID_APPLICATION, "372S63A2R8", "sha256", ROOT, "", 3, "2017-04-22"),
    "developer_id_installer": Sample(K.DEVELOPER_ID_INSTALLER, "7Z6EMTD2C6", "sha256", ROOT, "", 3, "2023-10-05"),
    "fastlane-match-dist": Sample(K.IOS_DISTRIBUTION, "439BBM9367", "sha1", missing=WWDR_G1),
    "ios_provisioning_profile": Sample(K.PROFILE_SIGNING, "", "sha1", ROOT, "", 3, "2020-05-21"),
    "iphone_developer": Sample(K.IOS_DEVELOPMENT, "M2657GZ2M9", "sha1", missing=WWDR_G1),
    "mac_app_store_installer": Sample(K.APP_STORE_INSTALLER, "", "sha256", missing=WWDR_G1),
    "mac_app_store_receipt": Sample(K.OTHER, "Apple Worldwide Developer Relations", "sha1", missing=WWDR_G1),
    "mac_developer": Sample(K.MAC_DEVELOPMENT, "Z7P62XVNWC", "sha1", missing=WWDR_G1),
    "mac_provisioning_profile": Sample(K.PROFILE_SIGNING, "", "sha1", missing=WWDR_G1),
    "osx_provisioning_profile": Sample(K.PROFILE_SIGNING, "", "sha1", missing=WWDR_G1),
    "sec_AppleSystemIntegrationCA4": Sample(
        K.AUTHORITY, "Apple Certification Authority", "sha384", ROOT_G3, "", 2, "2032-02-18"
    ),
    "sec_AppleWWDR-G3": Sample(K.AUTHORITY, "G3", "sha256", ROOT, "", 2, "2030-02-20"),
    "sec_AppleWWDR-G5": Sample(K.AUTHORITY, "G5", "sha256", ROOT, "", 2, "2030-12-10"),
    "sec_AppleiPhoneCA": Sample(K.AUTHORITY, "Apple Certification Authority", "sha1", ROOT, "", 2, "2022-04-12"),
    "test_ios_provisioning_profile": Sample(K.PROFILE_SIGNING, "", "sha1", ROOT, "", 3, "2009-05-02"),
}


@dataclass(frozen=True)
class Profile:
    """A provisioning profile, all as its content and `openssl cms` say."""

    kind: ProfileKind
    team: str
    uuid: str
    expires: str
    signed: str
    seal: Seal
    reason: str
    signer: str
    certificate: str
    """SHA-1 of its one developer certificate."""


SIGNER = "Apple iPhone OS Provisioning Profile Signing"
PROFILES = {
    "fastlane-match-appstore.mobileprovision": Profile(
        ProfileKind.APP_STORE,
        "439BBM9367",
        "736590c3-dfe8-4c25-b2eb-2404b8e65fb8",
        "2016-12-03T03:02:08",
        "2015-12-04T03:13:56",
        Seal.APPLE,
        "",
        SIGNER,
        "ef4751ca452094e26a79d6f8bfdc08413ce6c90d",
    ),
    "fastlane-match.provisionprofile": Profile(
        ProfileKind.MAC_APP_STORE,
        "439BBM9367",
        "98264c6b-5151-4349-8d0f-66691e48ae35",
        "2016-11-07T20:58:52",
        "2015-11-08T21:09:03",
        Seal.DOCTORED,
        "its content is not what was signed",
        "",
        "061d3b3dddce32ce3fb5901ac608e5aa6c9c540c",
    ),
    "fastlane-test.mobileprovision": Profile(
        ProfileKind.APP_STORE,
        "439BBM9367",
        "98264c6b-5151-4349-8d0f-66691e48ae35",
        "2016-11-07T20:58:52",
        "2015-11-08T21:09:03",
        Seal.APPLE,
        "",
        SIGNER,
        "061d3b3dddce32ce3fb5901ac608e5aa6c9c540c",
    ),
}


def test_every_file_is_stated(shared_data: Path) -> None:
    for folder, stated in (("certificates", {f"{name}.cer" for name in CERTIFICATES}), ("profiles", set(PROFILES))):
        assert {path.name for path in (shared_data / "signing" / folder).iterdir()} == stated


@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificate(shared_data: Path, name: str) -> None:
    folder, stated = shared_data / "signing/certificates", CERTIFICATES[name]
    data = (folder / f"{name}.cer").read_bytes()
    read = read_certificate(data)
    assert (read.kind, read.team_id) == (stated.kind, stated.unit)
    others = (*APPLE_INTERMEDIATES, *(path.read_bytes() for path in sorted(folder.glob("sec_*.cer"))))
    chain = walk(data, others, APPLE_ROOTS, read.not_before + timedelta(days=1))
    assert (chain.anchor, chain.missing, len(chain.certificates)) == (stated.anchor, stated.missing, stated.length)
    assert chain.trusted is bool(stated.anchor)
    assert not stated.ends or f"{chain.expires:%Y-%m-%d}" == stated.ends


@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificate_by_openssl(shared_data: Path, tmp_path: Path, name: str) -> None:
    """The statements above are `openssl`'s: subject, digest, and the verdict on the chain."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine to compare with")
    folder, stated = shared_data / "signing/certificates", CERTIFICATES[name]
    leaf, pem = folder / f"{name}.cer", tmp_path / "leaf.pem"
    shown = openssl("x509", "-inform", "DER", "-in", str(leaf), "-noout", "-text", "-nameopt", "multiline,utf8")
    assert re.search(rf"Signature Algorithm: \S*{stated.digest}", shown, re.IGNORECASE)
    subject = shown.partition("Subject:")[2].partition("Subject Public Key Info")[0]
    unit = re.search(r"organizationalUnitName *= (.*)", subject)
    assert (unit.group(1) if unit else "") == stated.unit
    begins = datetime.strptime(re.search(r"Not Before: (.*) GMT", shown)[1], "%b %d %H:%M:%S %Y")  # type: ignore[index]  # noqa: DTZ007
    pem.write_text(openssl("x509", "-inform", "DER", "-in", str(leaf)))
    (tmp_path / "roots.pem").write_text("".join(as_pem(der) for *_, der in ROOTS))
    pool = "".join(openssl("x509", "-inform", "DER", "-in", str(path)) for path in sorted(folder.glob("sec_*.cer")))
    (tmp_path / "pool.pem").write_text(pool + "".join(as_pem(der) for *_, der in INTERMEDIATES))
    verdict = openssl(
        "verify",
        "-ignore_critical",
        "-attime",
        str(int(begins.replace(tzinfo=UTC).timestamp()) + 86_400),
        "-CAfile",
        str(tmp_path / "roots.pem"),
        "-untrusted",
        str(tmp_path / "pool.pem"),
        "-show_chain",
        str(pem),
        check=False,
    )
    assert ("OK" in verdict) is bool(stated.anchor)
    assert ("unable to get local issuer" in verdict) is bool(stated.missing)
    assert not stated.anchor or verdict.count("depth=") == stated.length


@pytest.mark.parametrize("name", PROFILES)
def test_profile(shared_data: Path, name: str) -> None:
    stated = PROFILES[name]
    read = read_profile((shared_data / "signing/profiles" / name).read_bytes(), APPLE_ROOTS)
    assert (read.kind, read.team_ids, read.uuid) == (stated.kind, (stated.team,), stated.uuid)
    assert read.expires == datetime.fromisoformat(stated.expires + "Z")
    assert read.signed_at == datetime.fromisoformat(stated.signed + "Z")
    assert (read.seal, read.seal_reason, read.signer) == (stated.seal, stated.reason, stated.signer)
    assert [each.sha1 for each in read.developer_certificates] == [stated.certificate]
    assert (read.problems, read.distribution_type) == ((), "")


@pytest.mark.parametrize("name", PROFILES)
def test_profile_by_openssl(shared_data: Path, tmp_path: Path, name: str) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine to compare with")
    stated = PROFILES[name]
    (tmp_path / "roots.pem").write_text("".join(as_pem(der) for *_, der in ROOTS))
    signed = int(datetime.fromisoformat(stated.signed + "Z").timestamp())
    verdict = openssl(
        *("cms", "-verify", "-inform", "DER", "-in", str(shared_data / "signing/profiles" / name)),
        *("-CAfile", str(tmp_path / "roots.pem"), "-attime", str(signed), "-purpose", "any"),
        *("-out", str(tmp_path / "content")),
        check=False,
    )
    assert ("Verification successful" in verdict) is (stated.seal is Seal.APPLE)
    assert stated.uuid in (tmp_path / "content").read_text()


@pytest.mark.parametrize("name", [name for name, told in PROFILES.items() if told.seal is Seal.APPLE])
def test_no_flipped_byte_leaves_the_seal_intact(shared_data: Path, name: str) -> None:
    """But for two places that say nothing.

    The root that came along: the chain is checked with the pinned one of the same name and key. And `rsaEncryption`, with the digest beside
    it, says the same as `sha1WithRSAEncryption` (RFC 3370, 3.2), which is one bit away.
    """
    data = (shared_data / "signing" / "profiles" / name).read_bytes()
    message = read_signed(data)
    (root,) = (each for each in message.certificates if envelope(each).issuer == envelope(each).subject)
    inner = range((start := data.index(root)) + 4, start + len(root))
    synonym = data.rindex(bytes.fromhex("2a864886f70d010101")) + 8
    first = data.index(message.content)
    unsigned = (*range(first), *range(data.rindex(root) + len(root), len(data) - 256))
    flips = [(place, 0xFF) for place in range(len(data)) if place not in inner]
    flips += [(place, 1 << bit) for place in unsigned for bit in (0, 2, 5)]
    left = [flip for flip in flips if _sealed(data, *flip)]
    assert left == [(synonym, 0x04)]
    assert all(_sealed(data, place, 0xFF) for place in inner[::37])
    assert envelope(root).public_key in {envelope(each).public_key for each in APPLE_ROOTS.certificates}


def _sealed(data: bytes, place: int, mask: int) -> bool:
    changed = bytes((*data[:place], data[place] ^ mask, *data[place + 1 :]))
    try:
        return read_profile(changed, APPLE_ROOTS).seal is Seal.APPLE
    except SigningFault:
        return False


def test_the_algorithms_of_all_samples_are_checked(shared_data: Path) -> None:
    """SHA-1 and SHA-256 with RSA, and SHA-384 with ECDSA: each is the signature of a chain above that was verified."""
    verified = {stated.digest for stated in CERTIFICATES.values() if stated.anchor}
    assert verified == {"sha1", "sha256", "sha384"}


def test_the_authorities_end_when_apple_says(shared_data: Path) -> None:
    """Of `apple_ca_certs.txt`: name, SHA-256 and last day of each that we carry."""
    published = (shared_data / "signing/apple_ca_certs.txt").read_text().splitlines()
    by_digest = {
        match[1]: line.split("|") for line in published if (match := re.search(r"sha256=([0-9a-f]{64})", line))
    }
    for name, sha256, der in (*ROOTS, *INTERMEDIATES):
        told = by_digest[sha256]
        read = read_certificate(as_pem(der).encode())
        assert f"CN={name}" in told[1] + ","
        assert f"{read.not_after:%Y-%m-%d}" in told
        assert read.sha256 == sha256


def as_pem(base64: str) -> str:
    lines = "\n".join(base64[at : at + 64] for at in range(0, len(base64), 64))
    return f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"


def openssl(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=check, timeout=30)
    return done.stdout + done.stderr
