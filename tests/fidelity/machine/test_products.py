"""What the simulated Xcode makes, read by readers that share nothing with its writers."""

from __future__ import annotations

import hashlib
import io
import plistlib
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms, x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from pipeline.simulator.machine import xar
from tests.fidelity.machine import readers
from tests.fidelity.machine.conftest import Desk

TEAM = "77CCZHWQL7"
BUNDLE = "com.mshaler.isometry"
CONTAINER = "iCloud.com.mshaler.isometry"


def exported(desk: Desk, platform: str) -> dict[str, bytes]:
    """Files of the exported app, by path below the bundle or its Contents."""
    if platform == "iOS":
        with zipfile.ZipFile(desk.folder / "iOS/Isometry.ipa") as ipa:
            assert ipa.testzip() is None
            prefix = "Payload/Isometry.app/"
            return {n.removeprefix(prefix): ipa.read(n) for n in ipa.namelist() if not n.endswith("/")}
    package = readers.package((desk.folder / "macOS/Isometry.pkg").read_bytes())
    entries = readers.payload(package.files[f"{BUNDLE}.pkg/Payload"])
    prefix = "./Isometry.app/Contents/"
    return {n.removeprefix(prefix): data for n, (mode, data) in entries.items() if not mode & 0o040000}


def archived(desk: Desk, platform: str) -> dict[str, bytes]:
    """Files of the archived app, likewise."""
    app = desk.folder / f"{platform}.xcarchive/Products/Applications/Isometry.app"
    inside = app / "Contents" if platform == "macOS" else app
    return {p.relative_to(inside).as_posix(): p.read_bytes() for p in inside.rglob("*") if p.is_file()}


def executable(files: dict[str, bytes], platform: str) -> bytes:
    """The main executable."""
    return files["MacOS/Isometry" if platform == "macOS" else "Isometry"]


def profile_values(data: bytes) -> dict[str, Any]:
    """The plist in a provisioning profile."""
    content = cms.ContentInfo.load(data, strict=True)["content"]["encap_content_info"]["content"].native
    return dict(plistlib.loads(content))


def assert_message_holds(message: Any, content: bytes) -> x509.Certificate:
    """Digest and signature of a CMS message are right; returns the signer's certificate."""
    (signer,) = message["signer_infos"]
    values = {a["type"].native: a["values"][0].native for a in signer["signed_attrs"]}
    assert values["message_digest"] == hashlib.sha256(content).digest()
    assert values["content_type"] == "data"
    assert "signing_time" in values
    serial = signer["sid"].chosen["serial_number"].native
    (leaf,) = [c.chosen for c in message["certificates"] if c.chosen.serial_number == serial]
    key = load_der_public_key(leaf.public_key.dump())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signer["signature"].native, signer["signed_attrs"].untag().dump(), ec.ECDSA(SHA256()))
    return leaf


@pytest.mark.parametrize("platform", ["iOS", "macOS"])
@pytest.mark.parametrize("read", [archived, exported])
def test_every_seal_of_the_signature_holds(desk: Desk, platform: str, read: Any) -> None:
    files = read(desk, platform)
    for image in readers.thin_images(executable(files, platform)):
        signed = readers.signature(image)
        assert signed.pages == readers.page_hashes(image, signed.limit, signed.page)
        parts = {
            1: files["Info.plist"],
            3: files["_CodeSignature/CodeResources"],
            2: signed.blobs[2],
            5: signed.blobs[5],
            7: signed.blobs[7],
        }
        for slot, data in parts.items():
            assert signed.special[slot] == hashlib.sha256(data).digest()
        assert (signed.identifier, signed.team) == (BUNDLE, TEAM)
        leaf = assert_message_holds(signed.message, signed.directory)
        name = "embedded.provisionprofile" if platform == "macOS" else "embedded.mobileprovision"
        assert leaf.dump() in profile_values(files[name])["DeveloperCertificates"]
        assert readers.der_value(signed.blobs[7][8:]) == signed.entitlements


@pytest.mark.parametrize("platform", ["iOS", "macOS"])
@pytest.mark.parametrize("read", [archived, exported])
def test_the_sealed_resources_are_the_files(desk: Desk, platform: str, read: Any) -> None:
    files = read(desk, platform)
    sealed = plistlib.loads(files["_CodeSignature/CodeResources"])
    unsealed = {"_CodeSignature/CodeResources", "Info.plist", "PkgInfo", "Isometry", "MacOS/Isometry"}
    assert set(sealed["files2"]) == set(files) - unsealed
    for path, entry in sealed["files2"].items():
        assert entry["hash2"] == hashlib.sha256(files[path]).digest()
    for path, digest in sealed["files"].items():
        assert digest == hashlib.sha1(files[path]).digest()
    assert sealed["rules2"]["^.*"] is True


def test_ios_executable_is_what_the_store_asks_for(desk: Desk) -> None:
    (image,) = readers.thin_images(executable(exported(desk, "iOS"), "iOS"))
    commands = readers.load_commands(image)
    platform, minimum, sdk = [int.from_bytes(commands[0x32][at : at + 4], "little") for at in (8, 12, 16)]
    assert (platform, minimum, sdk) == (2, 17 << 16, 26 << 16 | 2 << 8)
    offset, size, encrypted = [int.from_bytes(commands[0x2C][at : at + 4], "little") for at in (8, 12, 16)]
    assert (offset % 0x4000, size % 0x1000, encrypted) == (0, 0, 0)
    assert b"/usr/lib/libSystem.B.dylib" in commands[0xC]
    for address, memory, file, _ in readers.segments(image).values():
        assert address % 0x4000 == memory % 0x4000 == file % 0x4000 == 0


def test_mac_executable_is_universal_and_hardened(desk: Desk) -> None:
    images = readers.thin_images(executable(exported(desk, "macOS"), "macOS"))
    assert [int.from_bytes(image[4:8], "little") for image in images] == [0x01000007, 0x0100000C]
    assert all(0x2C not in readers.load_commands(image) for image in images)
    assert [readers.signature(image).flags for image in images] == [0x10000, 0x10000]


@pytest.mark.parametrize("platform", ["iOS", "macOS"])
def test_symbols_belong_to_the_executable(desk: Desk, platform: str) -> None:
    symbols = desk.folder / f"{platform}.xcarchive/dSYMs/Isometry.app.dSYM/Contents/Resources/DWARF/Isometry"
    images = readers.thin_images(executable(archived(desk, platform), platform))
    debug = readers.thin_images(symbols.read_bytes())
    assert [readers.load_commands(i)[0x1B] for i in images] == [readers.load_commands(i)[0x1B] for i in debug]
    assert {int.from_bytes(image[12:16], "little") for image in debug} == {10}


def test_entitlements_of_the_ios_export(desk: Desk) -> None:
    signed = readers.signature(readers.thin_images(executable(exported(desk, "iOS"), "iOS"))[0])
    assert signed.entitlements == {
        "application-identifier": f"{TEAM}.{BUNDLE}",
        "aps-environment": "production",
        "beta-reports-active": True,
        "com.apple.developer.icloud-container-environment": "Production",
        "com.apple.developer.icloud-container-identifiers": [CONTAINER],
        "com.apple.developer.icloud-services": ["CloudKit"],
        "com.apple.developer.team-identifier": TEAM,
        "get-task-allow": False,
    }
    assert signed.exec_flags == 1


def test_entitlements_of_the_ios_archive(desk: Desk) -> None:
    signed = readers.signature(readers.thin_images(executable(archived(desk, "iOS"), "iOS"))[0])
    assert signed.entitlements["get-task-allow"] is True
    assert signed.entitlements["aps-environment"] == "development"
    assert signed.entitlements["com.apple.developer.icloud-container-environment"] == "Development"
    assert signed.exec_flags == 0x11


def test_entitlements_of_the_mac_export(desk: Desk) -> None:
    signed = readers.signature(readers.thin_images(executable(exported(desk, "macOS"), "macOS"))[0])
    assert signed.entitlements == {
        "com.apple.application-identifier": f"{TEAM}.{BUNDLE}",
        "com.apple.developer.aps-environment": "production",
        "com.apple.developer.icloud-container-environment": "Production",
        "com.apple.developer.icloud-container-identifiers": [CONTAINER],
        "com.apple.developer.icloud-services": ["CloudKit"],
        "com.apple.developer.team-identifier": TEAM,
        "com.apple.security.app-sandbox": True,
        "com.apple.security.files.user-selected.read-write": True,
        "com.apple.security.network.client": True,
    }


@pytest.mark.parametrize("platform", ["iOS", "macOS"])
def test_the_embedded_profile_is_signed_and_for_the_store(desk: Desk, platform: str) -> None:
    name = "embedded.provisionprofile" if platform == "macOS" else "embedded.mobileprovision"
    data = exported(desk, platform)[name]
    message = cms.ContentInfo.load(data, strict=True)["content"]
    signer = assert_message_holds(message, message["encap_content_info"]["content"].native)
    assert "Provisioning Profile Signing" in signer.subject.native["common_name"]
    values = profile_values(data)
    assert "ProvisionedDevices" not in values
    assert "ProvisionsAllDevices" not in values
    assert values["Platform"][0] == ("OSX" if platform == "macOS" else "iOS")
    assert values["TeamIdentifier"] == values["ApplicationIdentifierPrefix"] == [TEAM]
    assert (values["ExpirationDate"] - values["CreationDate"]).days in (364, 365)
    granted = values["Entitlements"]
    assert granted["com.apple.developer.icloud-container-environment"] == "Production"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_verifies_profile_and_code_signature(desk: Desk, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_der_x509_certificate

    root = tmp_path / "root.pem"
    root.write_bytes(load_der_x509_certificate(desk.machine.authority.root).public_bytes(Encoding.PEM))
    files = exported(desk, "iOS")
    signed = readers.signature(readers.thin_images(files["Isometry"])[0])
    message, content = tmp_path / "message.der", tmp_path / "content"
    base = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-CAfile", str(root), "-purpose", "any"]
    base += ["-ignore_critical", "-out", "/dev/null", "-in", str(message)]
    for data, more in (
        (files["embedded.mobileprovision"], []),
        (signed.blobs[0x10000][8:], ["-content", str(content)]),
    ):
        message.write_bytes(data)
        content.write_bytes(signed.directory)
        done = subprocess.run([*base, *more], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
    content.write_bytes(signed.directory + b"!")
    assert subprocess.run([*base, "-content", str(content)], capture_output=True, check=False).returncode != 0


def test_the_package_is_signed_by_the_installer_certificate(desk: Desk) -> None:
    data = (desk.folder / "macOS/Isometry.pkg").read_bytes()
    package = readers.package(data)
    space = "{http://www.w3.org/2000/09/xmldsig#}"
    for name in ("signature", "x-signature"):
        node = package.toc.find(name)
        assert node is not None
        certificates = node.findall(f".//{space}X509Certificate")
        assert len(certificates) == 3
        offset, size = int(str(node.findtext("offset"))), int(str(node.findtext("size")))
        blob = package.heap[offset : offset + size]
        if name == "signature":
            import base64

            leaf = x509.Certificate.load(base64.b64decode(str(certificates[0].text)))
            key = load_der_public_key(leaf.public_key.dump())
            assert isinstance(key, ec.EllipticCurvePublicKey)
            key.verify(blob[: 2 + blob[1]], package.checksum, ec.ECDSA(SHA256()))
            usages = leaf.extended_key_usage_value.native
            assert usages == ["1.2.840.113635.100.4.9"]
        else:
            assert_message_holds(cms.ContentInfo.load(blob)["content"], package.checksum)


def test_the_payload_is_readable_by_everyone(desk: Desk) -> None:
    package = readers.package((desk.folder / "macOS/Isometry.pkg").read_bytes())
    entries = readers.payload(package.files[f"{BUNDLE}.pkg/Payload"])
    assert all(mode & 0o004 for mode, _ in entries.values())
    assert entries["./Isometry.app/Contents/MacOS/Isometry"][0] == 0o100755
    assert f'identifier="{BUNDLE}"' in package.files[f"{BUNDLE}.pkg/PackageInfo"].decode()


def test_the_packages_info_plist_is_found(desk: Desk) -> None:
    data = (desk.folder / "macOS/Isometry.pkg").read_bytes()
    assert xar.info_plist(data) == exported(desk, "macOS")["Info.plist"]
    for damaged in (b"", b"xar!", data[:200], data[:4000], b"\0" * 100, data[:28] + b"\0" * 5000):
        with pytest.raises(ValueError, match=r"package|xar"):
            xar.info_plist(damaged)


def test_the_ipa_keeps_modes_and_order(desk: Desk) -> None:
    with zipfile.ZipFile(desk.folder / "iOS/Isometry.ipa") as ipa:
        names = ipa.namelist()
        modes = {entry.filename: entry.external_attr >> 16 for entry in ipa.infolist()}
    assert names[:2] == ["Payload/", "Payload/Isometry.app/"]
    assert modes["Payload/Isometry.app/Isometry"] == 0o100755
    assert modes["Payload/Isometry.app/Info.plist"] == 0o100644


@pytest.mark.parametrize(("platform", "product"), [("iOS", "Isometry.ipa"), ("macOS", "Isometry.pkg")])
def test_the_distribution_summary_tells_the_truth(desk: Desk, platform: str, product: str) -> None:
    (about,) = plistlib.loads((desk.folder / platform / "DistributionSummary.plist").read_bytes())[product]
    files = exported(desk, platform)
    signed = readers.signature(readers.thin_images(executable(files, platform))[0])
    assert about["entitlements"] == signed.entitlements
    assert (about["versionNumber"], about["buildNumber"], about["team"]["id"]) == ("2.5.0", "250", TEAM)
    options = plistlib.loads((desk.folder / platform / "ExportOptions.plist").read_bytes())
    assert options["method"] == "app-store-connect"


def test_the_icons_are_pictures_without_alpha(desk: Desk) -> None:
    files = exported(desk, "iOS")
    for name, side in (("AppIcon60x60@2x.png", 120), ("AppIcon76x76@2x~ipad.png", 152)):
        picture = io.BytesIO(files[name]).getvalue()
        assert int.from_bytes(picture[16:20], "big") == int.from_bytes(picture[20:24], "big") == side
        assert picture[25] == 2
    icns = exported(desk, "macOS")["Resources/AppIcon.icns"]
    assert int.from_bytes(icns[4:8], "big") == len(icns)
    assert {b"ic09", b"ic10", b"ic14"} <= {icns[at : at + 4] for at in _entries(icns)}


def _entries(icns: bytes) -> list[int]:
    at, found = 8, []
    while at < len(icns):
        found.append(at)
        at += int.from_bytes(icns[at + 4 : at + 8], "big")
    return found


def test_info_plist_is_the_one_that_xcode_made(desk: Desk, shared_data: Path, tmp_path: Path) -> None:
    """Xcode 26.2 archived this very project; its Info.plist must come out again, key by key."""
    native = shared_data / "isometry/2026-02/native"
    real = native / "IsometrymacOS/Archive/Isometry.xcarchive"
    project = native / "IsometryiOS/IsometryiOS.xcodeproj"
    mine = Desk(type(desk.machine)(tmp_path / "home", projects=[project]), tmp_path, project)
    code, out, _ = mine.archive("iOS", scheme="IsometryiOS")
    assert code == 0, out
    inside = "Products/Applications/IsometryiOS.app/Info.plist"
    made = tmp_path / "iOS.xcarchive"
    assert plistlib.loads((made / inside).read_bytes()) == plistlib.loads((real / inside).read_bytes())
    symbols = "dSYMs/IsometryiOS.app.dSYM/Contents/Info.plist"
    assert plistlib.loads((made / symbols).read_bytes()) == plistlib.loads((real / symbols).read_bytes())
    ours, theirs = (plistlib.loads((where / "Info.plist").read_bytes()) for where in (made, real))
    unsigned = {"SigningIdentity": "", "Team": ""}
    assert ours["ApplicationProperties"] | unsigned == theirs["ApplicationProperties"]
    assert {**ours, "CreationDate": 0, "ApplicationProperties": 0} == {
        **theirs,
        "CreationDate": 0,
        "ApplicationProperties": 0,
    }
