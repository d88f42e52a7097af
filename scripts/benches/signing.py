"""How long judging takes: all provisioning profiles and certificates in one process, beside one `openssl` for each.

Made as Apple makes them: RSA-2048 for developers, authorities and the signer of the property list, P-256 for the signer
of the copy in DER, the whole chain enclosed. Ours reads files, verifies every signature and link, compares the copy and
tells what each thing is. `openssl cms -verify` verifies one signature and its chain, so a profile with its copy needs
it twice; `openssl verify` verifies a certificate's chain; `openssl x509` only reads. Real samples, where `shared/data`
is beside the checkout, are judged under other names again and again.
"""

from __future__ import annotations

import argparse
import json
import os
import plistlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID
from pairing import ROOT

from pipeline.apple.signing.certificates import CertificateKind, read_certificate
from pipeline.apple.signing.profiles import Seal, read_profile
from pipeline.apple.signing.trust import APPLE_INTERMEDIATES, APPLE_ROOTS, walk
from pipeline.simulator import twin
from pipeline.simulator.authority import Identity

APPLE = "1.2.840.113635.100."
TEAM = "ABCDE12345"
NOW = datetime.now(UTC).replace(microsecond=0)
GOAL = 10.0
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
RSA_KEYS = 8
"""So many keys for all developers: making one takes long, and readers do not care whose it is."""


@dataclass
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)


def issue(name: str, key: Key, by: Issued | None = None, *, markers: Sequence[str] = (), usage: str = "") -> Issued:
    """A certificate like Apple's; without markers' usage it is an authority or a signer of profiles."""
    authority = not markers or markers[0].startswith("6.2.1") or name.endswith("CA 4")
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.USER_ID, TEAM),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, TEAM),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
        ]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=30))
        .not_valid_after(NOW + timedelta(days=300))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([x509.ObjectIdentifier(usage)]), critical=True)
    for marker in markers:
        known = x509.UnrecognizedExtension(x509.ObjectIdentifier(APPLE + marker), b"\x05\x00")
        builder = builder.add_extension(known, critical=bool(usage))
    return Issued(builder.sign(by.key if by else key, hashes.SHA256()), key)


def new_rsa() -> rsa.RSAPrivateKey:
    """2048 bits, as Apple's."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def new_ec() -> ec.EllipticCurvePrivateKey:
    """P-256, as the signer of the copies in DER."""
    return ec.generate_private_key(ec.SECP256R1())


def make(folder: Path, count: int) -> None:
    """`count` certificates and as many profiles, the root, and the intermediate."""
    root = issue("Bench Root CA", new_rsa())
    wwdr = issue("Bench Worldwide Developer Relations CA", new_rsa(), root, markers=("6.2.1",))
    signer = issue("Apple iPhone OS Provisioning Profile Signing", new_rsa(), wwdr, markers=("6.58",))
    integration = issue("Bench System Integration CA 4", new_ec(), root, markers=("6.2.17",))
    key = new_ec()
    copier = issue(twin.SIGNER, key, integration, markers=("12.19",))
    identity = Identity(
        name=twin.SIGNER,
        certificate=copier.der,
        key=key,
        chain=(integration.der, root.der),
        serial=copier.certificate.serial_number,
        issuer_name=copier.certificate.issuer.public_bytes(),
    )
    keys = [new_rsa() for _ in range(RSA_KEYS)]
    (folder / "root.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
    (folder / "wwdr.pem").write_bytes(wwdr.certificate.public_bytes(Encoding.PEM))
    for number in range(count):
        name = f"Apple Distribution: Example {number} ({TEAM})"
        developer = issue(name, keys[number % RSA_KEYS], wwdr, markers=("6.1.7", "6.1.4"), usage="1.3.6.1.5.5.7.3.3")
        (folder / "certificates" / f"{number}.cer").write_bytes(developer.der)
        (folder / "certificates" / f"{number}.pem").write_bytes(developer.certificate.public_bytes(Encoding.PEM))
        told = values(number, developer.der)
        copied = twin.encoded_profile(told, identity, NOW)
        (folder / "copies" / f"{number}.der").write_bytes(copied)
        for kind, content in (("older-profiles", told), ("profiles", {**told, twin.KEY: copied})):
            path = folder / kind / f"{number}.mobileprovision"
            path.write_bytes(signed(plistlib.dumps(content, sort_keys=False), signer, (wwdr, root)))


def values(number: int, developer: bytes) -> dict[str, Any]:
    """What an App Store profile says."""
    bundle = f"com.example.app{number}"
    return {
        "AppIDName": f"Example {number}",
        "ApplicationIdentifierPrefix": [TEAM],
        "CreationDate": NOW.replace(tzinfo=None),
        "Platform": ["iOS", "xrOS", "visionOS"],
        "IsXcodeManaged": False,
        "DeveloperCertificates": [developer],
        "Entitlements": {
            "beta-reports-active": True,
            "aps-environment": "production",
            "application-identifier": f"{TEAM}.{bundle}",
            "keychain-access-groups": [f"{TEAM}.*", "com.apple.token"],
            "get-task-allow": False,
            "com.apple.developer.team-identifier": TEAM,
        },
        "ExpirationDate": (NOW + timedelta(days=300)).replace(tzinfo=None),
        "Name": f"Example {number} App Store",
        "TeamIdentifier": [TEAM],
        "TeamName": "Example",
        "TimeToLive": 300,
        "UUID": f"00000000-0000-4000-8000-{number:012}",
        "Version": 1,
    }


def signed(content: bytes, signer: Issued, above: Sequence[Issued]) -> bytes:
    """CMS around the content, the chain enclosed."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
    builder = builder.add_signer(signer.certificate, signer.key, hashes.SHA256())
    for each in above:
        builder = builder.add_certificate(each.certificate)
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])


def real_samples() -> Path | None:
    """The folder of real profiles and certificates, when it is here."""
    places = [os.environ.get("SHARED_DATA", ""), str(ROOT.parent / "shared" / "data")]
    return next((Path(place) / "signing" for place in places if place and (Path(place) / "signing").is_dir()), None)


def copy_real(folder: Path, samples: Path, count: int) -> None:
    """Real profiles and certificates, again and again under other names."""
    for kind, suffix in (("profiles", "*provision*"), ("certificates", "*.cer")):
        found = sorted((samples / kind).glob(suffix))
        for number in range(count):
            source = found[number % len(found)]
            shutil.copyfile(source, folder / f"real-{kind}" / f"{number}-{source.name}")


def judge(folder: Path) -> int:
    """Judge everything in this process; print the seconds that each took, and what came out."""
    root = read_certificate((folder / "root.pem").read_bytes()).der
    wwdr = read_certificate((folder / "wwdr.pem").read_bytes()).der
    anchors = APPLE_ROOTS.including("Bench", root)
    others = (*APPLE_INTERMEDIATES, wwdr)

    def certificate(path: Path) -> str:
        data = path.read_bytes()
        read = read_certificate(data)
        chain = walk(data, others, anchors, read.not_before + timedelta(days=1))
        return f"{read.kind} {'trusted' if chain.trusted else 'not trusted'}"

    def profile(path: Path) -> str:
        read = read_profile(path.read_bytes(), anchors, path=str(path))
        return f"{read.seal} {read.distribution_type} {len(read.problems)}"

    told: dict[str, tuple[list[float], dict[str, int]]] = {}
    for name, one in (
        ("profiles", profile),
        ("older-profiles", profile),
        ("certificates", certificate),
        ("real-profiles", profile),
        ("real-certificates", certificate),
    ):
        told[name] = timed(sorted((folder / name).glob("*.[!p]*")), one)
    print(json.dumps(told))
    return 0


def timed(paths: Iterable[Path], one: Callable[[Path], str]) -> tuple[list[float], dict[str, int]]:
    """Seconds of each, and how often each verdict came."""
    seconds: list[float] = []
    verdicts: dict[str, int] = {}
    for path in paths:
        began = time.perf_counter()
        verdict = one(path)
        seconds.append(time.perf_counter() - began)
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
    return seconds, verdicts


def ours(folder: Path) -> tuple[float, dict[str, tuple[list[float], dict[str, int]]]]:
    """One process for all: how long it took in whole, and what it told."""
    argv = [sys.executable, __file__, "--judge", str(folder)]
    began = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, check=True)
    return time.perf_counter() - began, json.loads(done.stdout)


def peers(name: str, argv: Sequence[str], paths: Sequence[Path]) -> list[float]:
    """One process for each path; one that fails ends the benchmark."""
    seconds: list[float] = []
    for path in paths:
        began = time.perf_counter()
        done = subprocess.run([*argv, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        seconds.append(time.perf_counter() - began)
        if done.returncode:
            sys.exit(f"{name} ended with {done.returncode} for {path.name}: {done.stderr.decode()[-300:]}")
    return seconds


def expect(told: dict[str, tuple[list[float], dict[str, int]]], count: int) -> None:
    """A fast wrong answer counts for nothing."""
    wanted = {
        "profiles": {f"{Seal.APPLE} STORE 0": count},
        "older-profiles": {f"{Seal.APPLE}  0": count},
        "certificates": {f"{CertificateKind.APPLE_DISTRIBUTION} trusted": count},
    }
    for name, verdicts in wanted.items():
        if told[name][1] != verdicts:
            sys.exit(f"{name} were judged {told[name][1]} instead of {verdicts}")


def main() -> int:
    """Make, judge in turn with the peers, and print medians."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=200, help="profiles, and as many certificates (at least 20)")
    options.add_argument("--runs", type=int, default=3, help="rounds of ours and the peers in turn (at least 3)")
    options.add_argument("--judge", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.judge:
        return judge(given.judge)
    if shutil.which("openssl") is None:
        sys.exit("error: the peer, openssl, is not installed")
    count, runs = max(20, given.count), max(3, given.runs)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        for name in ("profiles", "older-profiles", "copies", "certificates", "real-profiles", "real-certificates"):
            (folder / name).mkdir()
        print(f"making {count} profiles and {count} certificates…", file=sys.stderr)
        make(folder, count)
        if samples := real_samples():
            copy_real(folder, samples, count)
        return compare(folder, count, runs)


def compare(folder: Path, count: int, runs: int) -> int:
    """Ours and the peers in turn, then the table."""
    root, wwdr = str(folder / "root.pem"), str(folder / "wwdr.pem")
    cms = ["openssl", "cms", "-verify", "-inform", "DER", "-CAfile", root, "-purpose", "any", "-out", os.devnull, "-in"]
    loose = ["openssl", "smime", "-verify", "-noverify", "-inform", "DER", "-out", os.devnull, "-in"]
    verify = ["openssl", "verify", "-ignore_critical", "-CAfile", root, "-untrusted", wwdr]
    reading = ["openssl", "x509", "-noout", "-inform", "DER", "-in"]
    profiles = sorted((folder / "profiles").iterdir())
    pems = sorted((folder / "certificates").glob("*.pem"))
    ders = sorted((folder / "certificates").glob("*.cer"))
    whole: list[float] = []
    single: dict[str, list[float]] = {}
    theirs: dict[str, list[float]] = {}
    ours(folder)
    for _ in range(runs):
        took, told = ours(folder)
        expect(told, count)
        whole.append(took)
        for name, (seconds, _) in told.items():
            single.setdefault(name, []).extend(seconds)
        for name, argv, paths in (
            ("cms", cms, profiles),
            ("copy", cms, sorted((folder / "copies").iterdir())),
            ("noverify", loose, profiles[: count // 4]),
            ("verify", verify, pems),
            ("x509", reading, ders[: count // 4]),
        ):
            theirs.setdefault(name, []).extend(peers(" ".join(argv[:2]), argv, paths))
    items = sum(len(seconds) for seconds in single.values()) / runs
    peer = {name: statistics.median(seconds) * 1000 for name, seconds in theirs.items()}
    mine = {name: statistics.median(seconds) * 1000 for name, seconds in single.items() if seconds}
    both = peer["cms"] + peer["copy"]
    goals = (
        peer["cms"] / mine["profiles"],
        peer["cms"] / mine["older-profiles"],
        peer["verify"] / mine["certificates"],
    )
    print(f"{'':<58}{'ms each':>9}{'ratio':>8}{'goal':>6}")
    row("openssl cms -verify -CAfile, a process", peer["cms"])
    row("openssl smime -verify -noverify, a process", peer["noverify"])
    row("ours, a profile of before 2022 (one signature)", mine["older-profiles"], goals[1], GOAL)
    row("openssl cms -verify, for a profile and for its copy", both)
    row("  ours, a profile with its copy, beside both", mine["profiles"], both / mine["profiles"])
    row("ours, a profile with its copy, beside one process", mine["profiles"], goals[0], GOAL)
    row("openssl verify -CAfile -untrusted, a process", peer["verify"])
    row("openssl x509 -noout (reads only), a process", peer["x509"])
    row("ours, a certificate with its chain", mine["certificates"], goals[2], GOAL)
    row(f"ours, each of {items:.0f}, the start of the process shared", statistics.median(whole) * 1000 / items)
    for name in ("real-profiles", "real-certificates"):
        if name in mine:
            row(f"ours, {name.replace('-', ' ')}", mine[name])
    met = min(goals) >= GOAL
    print(f"goals: {'met' if met else 'MISSED'} (at least {GOAL:.0f} times as fast as one process for each)")
    return 0 if met else 1


def row(name: str, milliseconds: float, ratio: float | None = None, goal: float | None = None) -> None:
    """One line of the table."""
    print(f"{name:<58}{milliseconds:>9.3f}{f'{ratio:.1f}' if ratio else '':>8}{f'{goal:.0f}' if goal else '':>6}")


if __name__ == "__main__":
    sys.exit(main())
