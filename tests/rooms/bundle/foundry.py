"""Small products for tests: real Mach-O files, signatures, seals, zips and packages, written from Apple's layouts."""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import io
import plistlib
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import pkcs7

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ADC = "1.2.840.113635.100."
CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
TIME_STAMPING = "1.3.6.1.5.5.7.3.8"
TEAM = "A1B2C3D4E5"
BUNDLE_ID = "com.example.app"
PAGE = 4096
ARM64 = (0x0100000C, 0)
X86_64 = (0x01000007, 3)
IOS, MACOS, IOS_SIMULATOR = 2, 1, 7

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Identity:
    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


def issue(
    name: str,
    issuer: Identity | None,
    markers: tuple[str, ...],
    usage: str = "",
    *,
    ca: bool = False,
    rsa_key: bool = False,
    days: int = 200,
    team: str = TEAM,
) -> Identity:
    key: Key = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
            x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, team),
        ]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=100))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
    )
    for marker in markers:
        oid = x509.ObjectIdentifier(ADC + marker)
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, b"\x05\x00"), critical=True)
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage)]), critical=True)
    return Identity(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


@dataclass(frozen=True)
class Authority:
    root: Identity
    wwdr: Identity
    distribution: Identity
    development: Identity
    developer_id: Identity
    installer: Identity
    profiles: Identity
    stamper: Identity


@functools.cache
def authority() -> Authority:
    root = issue("Test Root CA", None, (), ca=True)
    wwdr = issue("Test WWDR", root, ("6.2.1",), ca=True)
    return Authority(
        root,
        wwdr,
        issue(f"Apple Distribution: Example ({TEAM})", wwdr, ("6.1.7", "6.1.4"), CODE_SIGNING),
        issue("Apple Development: Jane (PERSON)", wwdr, ("6.1.2", "6.1.12"), CODE_SIGNING),
        issue(f"Developer ID Application: Example ({TEAM})", wwdr, ("6.1.13",), CODE_SIGNING),
        issue(f"3rd Party Mac Developer Installer: Example ({TEAM})", wwdr, ("6.1.8",), ADC + "4.9", rsa_key=True),
        issue("Apple iPhone OS Provisioning Profile Signing", wwdr, ("6.2.2.1",)),
        issue("Timestamp Signer", wwdr, (), TIME_STAMPING),
    )


def blob(magic: int, content: bytes) -> bytes:
    return struct.pack(">II", magic, len(content) + 8) + content


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    width = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(width))) + width + content


def der_value(value: Any) -> bytes:
    if isinstance(value, bool):
        return der(0x01, b"\xff" if value else b"\0")
    if isinstance(value, int):
        return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    if isinstance(value, str):
        return der(0x0C, value.encode())
    if isinstance(value, list):
        return der(0x30, b"".join(map(der_value, value)))
    return der(0xB0, b"".join(der(0x30, der_value(k) + der_value(v)) for k, v in sorted(value.items())))


def old_der_entitlements(entitlements: Mapping[str, Any]) -> bytes:
    """As Xcode 13 wrote them: the dictionary alone, and as a set."""
    return der(0x31, b"".join(der(0x30, der_value(k) + der_value(v)) for k, v in sorted(entitlements.items())))


def der_entitlements(entitlements: Mapping[str, Any]) -> bytes:
    return der(0x70, der(0x02, b"\x01") + der_value(dict(entitlements)))


def code_directory(
    code: bytes, slots: Mapping[int, bytes], identifier: str, *, team: str = TEAM, flags: int = 0, kind: int = 2
) -> bytes:
    name, width = {1: ("sha1", 20), 2: ("sha256", 32)}[kind]
    pages = b"".join(hashlib.new(name, code[at : at + PAGE]).digest() for at in range(0, len(code), PAGE))
    special = b"".join(
        hashlib.new(name, slots[slot]).digest() if slot in slots else bytes(width) for slot in range(7, 0, -1)
    )
    head = 88
    names = identifier.encode() + b"\0" + team.encode() + b"\0"
    hashes_at = head + len(names) + len(special)
    body = struct.pack(
        ">7I4BI",
        0x20400,
        flags,
        hashes_at,
        head,
        7,
        -(-len(code) // PAGE),
        len(code),
        width,
        kind,
        0,
        12,
        0,
    )
    body += struct.pack(">IIIQQQQ", 0, head + len(identifier) + 1 if team else 0, 0, 0, 0, 0, 0)
    return blob(0xFADE0C02, body + names + special + pages)


HASHES = {1: ("sha1", "1.3.14.3.2.26"), 2: ("sha256", "2.16.840.1.101.3.4.2.1")}


def signed_data(
    identity: Identity,
    content: bytes,
    cdhashes: list[Any] | None = None,
    *,
    others: bool = True,
    digests: list[tuple[str, bytes]] | None = None,
    bare: bool = False,
    stamp: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """A detached signature; `stamp` makes a timestamp token from the signature's octets."""
    from asn1crypto import cms, core

    attributes = [
        cms.CMSAttribute({"type": "content_type", "values": ["data"]}),
        cms.CMSAttribute({"type": "signing_time", "values": [cms.Time({"utc_time": NOW})]}),
        cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(content).digest()]}),
    ]
    covered = b"".join(attribute.dump() for attribute in attributes)
    if cdhashes is not None:
        plist = plistlib.dumps({"cdhashes": cdhashes})
        oid = core.ObjectIdentifier(ADC + "9.1").dump()
        covered += der(0x30, oid + der(0x31, core.OctetString(plist).dump()))
    if digests is not None:
        pairs = b"".join(der(0x30, core.ObjectIdentifier(o).dump() + der(0x04, each)) for o, each in digests)
        covered += der(0x30, core.ObjectIdentifier(ADC + "9.2").dump() + der(0x31, pairs))
    return _message(identity, content, None if bare else der(0x31, covered), stamp, others=others)


def _message(
    identity: Identity,
    content: bytes,
    signed_attrs: bytes | None,
    stamp: Callable[[bytes], bytes] | None = None,
    *,
    others: bool = True,
    kind: str = "data",
    inside: bool = False,
) -> bytes:
    from asn1crypto import algos, cms, core
    from asn1crypto import x509 as asn1_x509

    message = content if signed_attrs is None else signed_attrs
    if isinstance(identity.key, rsa.RSAPrivateKey):
        signature = identity.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        algorithm = "rsassa_pkcs1v15"
    else:
        signature = identity.key.sign(message, ec.ECDSA(hashes.SHA256()))
        algorithm = "sha256_ecdsa"
    own = asn1_x509.Certificate.load(identity.der)
    chain = [own, asn1_x509.Certificate.load(authority().wwdr.der)] if others else [own]
    told: dict[str, Any] = {
        "version": "v1",
        "sid": cms.SignerIdentifier(
            "issuer_and_serial_number", {"issuer": own.issuer, "serial_number": own.serial_number}
        ),
        "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
        "signature_algorithm": {"algorithm": algorithm},
        "signature": signature,
    }
    if signed_attrs is not None:
        told["signed_attrs"] = cms.CMSAttributes.load(signed_attrs)
    if stamp:
        token = cms.ContentInfo.load(stamp(signature))
        told["unsigned_attrs"] = [{"type": "signature_time_stamp_token", "values": [token]}]
    held = {"content": core.OctetString(content, explicit=0)} if inside else {}
    body = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [algos.DigestAlgorithm({"algorithm": "sha256"})],
            "encap_content_info": {"content_type": kind, **held},
            "certificates": chain,
            "signer_infos": [cms.SignerInfo(told)],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": body}).dump())


def timestamp(
    signature: bytes,
    at: datetime = NOW,
    stamper: Identity | None = None,
    *,
    others: bool = True,
    kind: str = "1.2.840.113549.1.9.16.1.4",
    digest: str = "sha256",
) -> bytes:
    """A timestamp token as Apple's authority gives it."""
    from asn1crypto import cms, tsp

    content = tsp.TSTInfo(
        {
            "version": "v1",
            "policy": "1.2.3",
            "message_imprint": {
                "hash_algorithm": {"algorithm": digest},
                "hashed_message": hashlib.new(digest, signature).digest(),
            },
            "serial_number": 7,
            "gen_time": at,
        }
    ).dump()
    attributes = [
        cms.CMSAttribute({"type": "content_type", "values": [kind]}),
        cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(content).digest()]}),
    ]
    covered = der(0x31, b"".join(attribute.dump() for attribute in attributes))
    return _message(stamper or authority().stamper, content, covered, others=others, kind=kind, inside=True)


def macho(
    cpu: tuple[int, int] = ARM64,
    platform: int = IOS,
    *,
    file_type: int = 2,
    code: int = 9000,
    signature: int = 0,
    extra: bytes = b"",
    sdk: int = 0x1A0200,
) -> bytes:
    """A thin 64-bit Mach-O with LC_BUILD_VERSION, LC_UUID, a library and, when `signature` > 0, LC_CODE_SIGNATURE."""
    library = b"/usr/lib/libSystem.B.dylib\0\0\0\0\0\0"
    commands = [
        struct.pack("<6I", 0x32, 24, platform, 0x110000, sdk, 0),
        struct.pack("<2I", 0x1B, 24) + hashlib.md5(bytes(str(cpu), "ascii"), usedforsecurity=False).digest(),
        struct.pack("<6I", 0xC, 24 + len(library), 24, 0, 0, 0) + library,
        struct.pack("<5I", 0x2C, 24, PAGE, PAGE, 0) + bytes(4),
    ]
    size = -(-code // 16) * 16
    if signature:
        commands.append(struct.pack("<4I", 0x1D, 16, size, signature))
    body = b"".join(commands) + extra
    count = len(commands) + (1 if extra else 0)
    head = b"\xcf\xfa\xed\xfe" + struct.pack("<7I", *cpu, file_type, count, len(body), 0, 0)
    text = hashlib.sha512(str((cpu, platform)).encode()).digest() * (size // 64 + 1)
    return (head + body + text)[:size]


def sign_macho(
    identity: Identity | None,
    *,
    entitlements: Mapping[str, Any] | None = None,
    identifier: str = BUNDLE_ID,
    info: bytes | None = None,
    resources: bytes | None = None,
    both_hashes: bool = False,
    der_twin: Mapping[str, Any] | None = None,
    names: str = "list",
    stamp: Callable[[bytes], bytes] | None = None,
    others: bool = True,
    team: str = TEAM,
    **shape: Any,
) -> bytes:
    """A signed thin Mach-O; ad hoc when `identity` is None.

    `names` says how the signature names its directories: "list", "digests", "list and digests", "" or "bare".
    """
    room = 24_000
    code = macho(signature=room, **shape)
    blobs: dict[int, bytes] = {2: blob(0xFADE0C01, bytes(4))}
    if entitlements is not None:
        blobs[5] = blob(0xFADE7171, plistlib.dumps(dict(entitlements)))
        blobs[7] = blob(0xFADE7172, der_entitlements(entitlements if der_twin is None else der_twin))
    slots = {**blobs, **({1: info} if info else {}), **({3: resources} if resources else {})}
    flags = 0 if identity else 2
    kinds = (1, 2) if both_hashes else (2,)
    directories = [code_directory(code, slots, identifier, team=team, flags=flags, kind=kind) for kind in kinds]
    numbered = list(zip(kinds, directories, strict=True))
    digests = [(HASHES[kind][1], hashlib.new(HASHES[kind][0], raw).digest()) for kind, raw in numbered]
    blobs[0] = directories[0]
    blobs.update({0x1000 + number: raw for number, raw in enumerate(directories[1:])})
    message = b""
    if identity:
        message = signed_data(
            identity,
            directories[0],
            [digest[:20] for _, digest in digests] if "list" in names else None,
            digests=digests if "digests" in names else None,
            bare=names == "bare",
            stamp=stamp,
            others=others,
        )
    blobs[0x10000] = blob(0xFADE0B01, message)
    return code + superblob(blobs).ljust(room, b"\0")


def superblob(blobs: Mapping[int, bytes]) -> bytes:
    at = 12 + 8 * len(blobs)
    index = body = b""
    for slot, content in sorted(blobs.items()):
        index += struct.pack(">II", slot, at + len(body))
        body += content
    return struct.pack(">III", 0xFADE0CC0, at + len(body), len(blobs)) + index + body


def fat(*slices: bytes) -> bytes:
    head = b"\xca\xfe\xba\xbe" + struct.pack(">I", len(slices))
    at = 0x4000
    table = body = b""
    for part in slices:
        cpu = struct.unpack_from("<II", part, 4)
        table += struct.pack(">5I", *cpu, at + len(body), len(part), 14)
        body += part.ljust(-(-len(part) // 0x4000) * 0x4000, b"\0")
    return (head + table).ljust(at, b"\0") + body[: len(body)]


RULES2: dict[str, Any] = {
    "^.*": True,
    "^.*\\.lproj/": {"optional": True, "weight": 1000.0},
    "^.*\\.lproj/locversion.plist$": {"omit": True, "weight": 1100.0},
    "^Base\\.lproj/": {"weight": 1010.0},
    "^(.*/)?\\.DS_Store$": {"omit": True, "weight": 2000.0},
    "^Info\\.plist$": {"omit": True, "weight": 20.0},
    "^PkgInfo$": {"omit": True, "weight": 20.0},
    "^embedded\\.provisionprofile$": {"weight": 20.0},
    "^version\\.plist$": {"weight": 20.0},
    ".*\\.dSYM($|/)": {"weight": 11.0},
}


def seal(files: Mapping[str, bytes], nested: Mapping[str, bytes] | None = None) -> bytes:
    listed: dict[str, Any] = {
        path: {"hash": hashlib.sha1(data, usedforsecurity=False).digest(), "hash2": hashlib.sha256(data).digest()}
        for path, data in files.items()
    }
    listed |= {
        path: {"cdhash": cdhash, "requirement": "anchor apple generic"} for path, cdhash in (nested or {}).items()
    }
    return plistlib.dumps({"files": {}, "files2": listed, "rules": {}, "rules2": RULES2})


def profile(
    entitlements: Mapping[str, Any],
    certificates: tuple[Identity, ...],
    *,
    devices: tuple[str, ...] = (),
    platform: str = "iOS",
) -> bytes:
    told: dict[str, Any] = {
        "AppIDName": "Example",
        "ApplicationIdentifierPrefix": [TEAM],
        "CreationDate": (NOW - timedelta(days=30)).replace(tzinfo=None),
        "ExpirationDate": (NOW + timedelta(days=300)).replace(tzinfo=None),
        "DeveloperCertificates": [identity.der for identity in certificates],
        "Entitlements": dict(entitlements),
        "Name": "Example App Store",
        "Platform": [platform],
        "TeamIdentifier": [TEAM],
        "TeamName": "Example",
        "TimeToLive": 365,
        "UUID": "11111111-2222-3333-4444-555555555555",
        "Version": 1,
    }
    if devices:
        told["ProvisionedDevices"] = list(devices)
    signer = authority().profiles
    builder = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(plistlib.dumps(told))
        .add_signer(signer.certificate, signer.key, hashes.SHA256())
        .add_certificate(authority().wwdr.certificate)
    )
    return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary])


ENTITLEMENTS: dict[str, Any] = {
    "application-identifier": f"{TEAM}.{BUNDLE_ID}",
    "com.apple.developer.team-identifier": TEAM,
    "com.apple.developer.icloud-services": ["CloudKit"],
    "com.apple.developer.icloud-container-identifiers": ["iCloud.com.example.app"],
    "com.apple.developer.icloud-container-environment": "Production",
    "aps-environment": "production",
    "beta-reports-active": True,
    "get-task-allow": False,
}
GRANTED: dict[str, Any] = {
    **ENTITLEMENTS,
    "com.apple.developer.icloud-services": "*",
    "com.apple.developer.icloud-container-environment": ["Development", "Production"],
}
INFO: dict[str, Any] = {
    "CFBundleIdentifier": BUNDLE_ID,
    "CFBundleName": "Example",
    "CFBundleExecutable": "Example",
    "CFBundlePackageType": "APPL",
    "CFBundleShortVersionString": "2.5.0",
    "CFBundleVersion": "250",
    "CFBundleSupportedPlatforms": ["iPhoneOS"],
    "CFBundleIcons": {"CFBundlePrimaryIcon": {"CFBundleIconFiles": ["AppIcon60x60"], "CFBundleIconName": "AppIcon"}},
    "ITSAppUsesNonExemptEncryption": False,
    "LSApplicationCategoryType": "public.app-category.productivity",
    "MinimumOSVersion": "17.0",
    "UIDeviceFamily": [1],
}


KEYS = (12, 15, 17, 1, 2, 9)
"""What the numbers of a key in a catalog mean: scale, idiom, identifier, element, part, which of several."""


def bom(blocks: list[bytes], names: Mapping[str, int]) -> bytes:
    """A BOM store: blocks by number, some with names."""
    content, places = b"", []
    for block in blocks:
        places.append((512 + len(content), len(block)))
        content += block
    index = struct.pack(">I", len(places)) + b"".join(struct.pack(">2I", *place) for place in places)
    named = struct.pack(">I", len(names))
    for name, number in names.items():
        named += struct.pack(">IB", number, len(name)) + name.encode()
    at = 512 + len(content)
    head = b"BOMStore" + struct.pack(">6I", 1, len(blocks), at, len(index), at + len(index), len(named))
    return head.ljust(512, b"\0") + content + index + named


def catalog(
    pictures: tuple[tuple[int, int], ...] = ((120, 1), (152, 2), (167, 2), (512, 0), (1024, 6)),
    *,
    name: str = "AppIcon",
    thinned: str = "",
    layers: bool = False,
) -> bytes:
    """A compiled asset catalog with one icon: sides in pixels, each with its idiom."""
    entries = [
        (struct.pack("<6H", 2, idiom, 7, 85, 220, n), rendition(side, 12)) for n, (side, idiom) in enumerate(pictures)
    ]
    entries.append((struct.pack("<6H", 1, 1, 7, 85, 218, 0), rendition(0, 1010)))
    if layers:
        entries.append((struct.pack("<6H", 1, 0, 7, 85, 245, 0), rendition(1024, 1019)))
    facets = [(name.encode(), struct.pack("<9H", 0, 0, 3, 1, 85, 2, 220, 17, 7))]
    blocks = [b"", b"META" + thinned.encode().ljust(1024, b"\0"), struct.pack("<4s2I6I", b"tmfk", 0, 6, *KEYS)]
    names = {"EXTENDED_METADATA": 1, "KEYFORMAT": 2}
    for tree, items in (("FACETKEYS", facets), ("RENDITIONS", entries)):
        leaf = struct.pack(">2H2I", 1, len(items), 0, 0)
        first = len(blocks) + 2
        for n in range(len(items)):
            leaf += struct.pack(">2I", first + 2 * n + 1, first + 2 * n)
        names[tree] = len(blocks)
        blocks += [struct.pack(">4s4IB", b"tree", 1, len(blocks) + 1, 4096, len(items), 0), leaf]
        for key, value in items:
            blocks += [key, value]
    return bom(blocks, names)


def rendition(side: int, layout: int) -> bytes:
    """A picture's header in a catalog, and nothing behind it."""
    head = struct.pack("<4s5I4sI", b"ISTC", 1, 0, side, side, 200, b"BGRA", 1)
    return head + struct.pack("<I2H128s4I", 0, layout, 0, b"icon.png", 0, 1, 0, 0)


@dataclass
class App:
    """An app to be: change it, then ask for its files."""

    identity: Identity | None = field(default_factory=lambda: authority().distribution)
    entitlements: dict[str, Any] = field(default_factory=lambda: dict(ENTITLEMENTS))
    granted: dict[str, Any] = field(default_factory=lambda: dict(GRANTED))
    certificates: tuple[Identity, ...] = field(default_factory=lambda: (authority().distribution,))
    info: dict[str, Any] = field(default_factory=lambda: dict(INFO))
    resources: dict[str, bytes] = field(default_factory=lambda: {"Assets.car": catalog(), "en.lproj/A.strings": b"x"})
    nested: dict[str, bytes] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    deep: bool = False
    shapes: tuple[dict[str, Any], ...] = ({},)

    def files(self) -> dict[str, bytes]:
        """Files by path inside the .app."""
        base = "Contents/" if self.deep else ""
        info = plistlib.dumps(self.info, fmt=plistlib.FMT_BINARY)
        embedded = "embedded.provisionprofile" if self.deep else "embedded.mobileprovision"
        platform = "OSX" if self.deep else "iOS"
        sealed = {f"Resources/{path}" if self.deep else path: data for path, data in self.resources.items()}
        sealed[embedded] = profile(self.granted, self.certificates, devices=self.devices, platform=platform)
        resources = seal(sealed, self.nested)
        slices = [
            sign_macho(self.identity, info=info, resources=resources, **{"entitlements": self.entitlements, **shape})
            for shape in self.shapes
        ]
        name = str(self.info["CFBundleExecutable"])
        files = {base + path: data for path, data in sealed.items()}
        files[f"{base}MacOS/{name}" if self.deep else name] = fat(*slices) if len(slices) > 1 else slices[0]
        files[base + "Info.plist"] = info
        files[base + "_CodeSignature/CodeResources"] = resources
        return files


def ipa(files: Mapping[str, bytes], *, folder: str = "Payload/Example.app/") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(folder + path, data)
    return out.getvalue()


def odc(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    out = b""
    members = [(path, 0o100644, data) for path, data in files.items()]
    members += [(path, 0o120755, target.encode()) for path, target in (links or {}).items()]
    for path, mode, data in [(".", 0o40755, b""), *members, ("TRAILER!!!", 0, b"")]:
        name = path.encode() + b"\0"
        out += b"070707" + b"%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o" % (
            0,
            0,
            mode,
            0,
            0,
            1,
            0,
            0,
            len(name),
            len(data),
        )
        out += name + data
    return out


def newc(files: Mapping[str, bytes]) -> bytes:
    out = b""
    for path, data in [*files.items(), ("TRAILER!!!", b"")]:
        name = path.encode() + b"\0"
        fields = (1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        head = b"070701" + b"".join(b"%08x" % value for value in fields) + name
        out += head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
    return out


def pbzx(content: bytes) -> bytes:
    import lzma

    step = 64 * 1024
    chunks = [content[at : at + step] for at in range(0, len(content), step)]
    out = b"pbzx" + struct.pack(">Q", 0x01000000)
    for number, chunk in enumerate(chunks):
        packed = lzma.compress(chunk) if number % 2 == 0 else chunk
        more = 0x01000000 if number + 1 < len(chunks) else 0
        out += struct.pack(">QQ", more, len(packed)) + packed
    return out


def pkg(
    payload: bytes,
    identity: Identity | None = None,
    *,
    break_signature: bool = False,
    message: bytes | None = None,
    encoding: str = "octet-stream",
    size: int | None = None,
    checksum: tuple[str, str] | None = None,
    stamp: Callable[[bytes], bytes] | None = None,
    bare: str = "RSA",
) -> bytes:
    """A product archive with one component; signed over the checksum of its table of contents, as Apple's xar does.

    `message`: add a signature in CMS over this content, b"" standing for the true checksum.
    `size`: what the payload unpacks to, when it has an encoding; `checksum`: (style, hex), None for the true one.
    """
    style, digest = checksum or ("sha1", hashlib.sha1(payload, usedforsecurity=False).hexdigest())
    archived = f'<archived-checksum style="{style}">{digest}</archived-checksum>' if style else ""
    kind = f"application/{encoding}" if "/" not in encoding else encoding
    signature_size = 256 if identity else 0
    message_size = 8192 if message is not None else 0
    at = 20 + signature_size + message_size
    signature = ""
    if identity:
        certificates = "".join(
            f"<X509Certificate>{base64.b64encode(raw).decode()}</X509Certificate>"
            for raw in (identity.der, authority().wwdr.der)
        )
        signature = (
            f'<signature style="{bare}"><offset>20</offset><size>{signature_size}</size>'
            f'<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>{certificates}</X509Data></KeyInfo></signature>'
        )
    if message is not None:
        place = f"<offset>{20 + signature_size}</offset><size>{message_size}</size>"
        signature += f'<x-signature style="CMS">{place}</x-signature>'
    toc = (
        '<?xml version="1.0" encoding="UTF-8"?><xar><toc><checksum style="sha1"><offset>0</offset><size>20</size></checksum>'
        f'{signature}<file id="1"><name>app.pkg</name><type>directory</type><file id="2"><name>Payload</name>'
        f"<data><length>{len(payload)}</length><offset>{at}</offset><size>{len(payload) if size is None else size}</size>"
        f'<encoding style="{kind}"/>{archived}</data></file></file></toc></xar>'
    ).encode()
    packed = zlib.compress(toc)
    proof = hashlib.sha1(packed, usedforsecurity=False).digest()
    head = b"xar!" + struct.pack(">HHQQI", 28, 1, len(packed), len(toc), 1)
    signed = b""
    if identity:
        assert isinstance(identity.key, rsa.RSAPrivateKey)
        signed = identity.key.sign(proof, padding.PKCS1v15(), utils.Prehashed(hashes.SHA1()))
        signed = bytes(256) if break_signature else signed
    if identity and message is not None:
        signed += signed_data(identity, message or proof, stamp=stamp).ljust(message_size, b"\0")
    return head + packed + proof + signed + payload


def mac_pkg(files: Mapping[str, bytes], identity: Identity | None = None) -> bytes:
    return pkg(gzip.compress(odc({f"./Example.app/{path}": data for path, data in files.items()})), identity)
