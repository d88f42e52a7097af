"""`security`, `codesign` and the small Unix tools of the simulated Mac (Apple's SecurityTool sources; manual pages)."""

from __future__ import annotations

import base64
import hashlib
import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pipeline.simulator.authority import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pipeline.simulator.authority import Identity
    from pipeline.simulator.machine.mac import Machine
    from pipeline.simulator.machine.xcodebuild import Answer

_INSTALLERS = (Kind.MAC_INSTALLER_DISTRIBUTION, Kind.DEVELOPER_ID_INSTALLER)
_FIND_IDENTITY_USAGE = """Usage: find-identity [-p policy] [-s string] [-v] [keychain...]
    -p  Specify policy to evaluate (multiple -p options are allowed)
    -s  Specify optional policy-specific string (e.g. a DNS hostname for SSL,
        or RFC822 email address for S/MIME)
    -v  Show valid identities only (default is to show all identities)
If no keychains are specified to search, the default search list is used.
        Find an identity (certificate + private key)
"""
_FIND_CERTIFICATE_USAGE = """Usage: find-certificate [-a] [-c name] [-e emailAddress] [-m] [-p] [-Z] [keychain...]
        Find a certificate item.
"""


def run(
    machine: Machine, name: str, arguments: Sequence[str], cwd: Path, *, env: Mapping[str, str], stdin: str
) -> Answer:
    """Answer one command line."""
    if name == "security":
        return _security(machine, arguments, cwd)
    if name == "printenv":
        variables = {**env, "HOME": str(machine.home)}
        value = variables.get(arguments[0]) if len(arguments) == 1 else None
        return (0, f"{value}\n", "") if value is not None else (1, "", "")
    if name == "find":
        return _find(arguments, cwd)
    if name == "base64":
        return _base64(arguments, cwd, stdin)
    if name == "codesign":
        return _codesign(arguments, cwd)
    if name == "xcode-select":
        if arguments and arguments[0] in ("-p", "--print-path"):
            return 0, f"{machine.developer}\n", ""
        return 64, "", f"xcode-select: error: unrecognized option '{' '.join(arguments)}'\n"
    return _sw_vers(arguments)


def _sw_vers(arguments: Sequence[str]) -> Answer:
    from pipeline.simulator.machine.mac import SYSTEM

    if not arguments:
        return 0, "".join(f"{key}:\t\t{value}\n" for key, value in SYSTEM.items()), ""
    asked = {key.lower(): value for key, value in SYSTEM.items()}.get(arguments[0].strip("-").lower())
    if asked is None or len(arguments) > 1:
        return 1, "", "Usage: sw_vers [--help|--productName|--productVersion|--productVersionExtra|--buildVersion]\n"
    return 0, f"{asked}\n", ""


def _security(machine: Machine, arguments: Sequence[str], cwd: Path) -> Answer:
    verbs: Mapping[str, Callable[[], Answer]] = {
        "find-identity": lambda: _find_identity(machine, arguments[1:]),
        "find-certificate": lambda: _find_certificate(machine, arguments[1:]),
        "list-keychains": lambda: _list_keychains(machine, arguments[1:]),
        "cms": lambda: _cms(arguments[1:], cwd),
    }
    verb = arguments[0] if arguments else ""
    if verb not in verbs:
        return 1, "", f'security: unknown command "{verb}"\n'
    return verbs[verb]()


def _list_keychains(machine: Machine, arguments: Sequence[str]) -> Answer:
    if arguments and arguments not in (["-d", "user"], ["-d", "system"]):
        return 2, "", "Usage: list-keychains [-d user|system|common|dynamic] [-s [keychain...]]\n"
    login = machine.home / "Library/Keychains/login.keychain-db"
    return 0, f'    "{login}"\n    "/Library/Keychains/System.keychain"\n', ""


def _find_identity(machine: Machine, arguments: Sequence[str]) -> Answer:
    valid_only, policy = False, "basic"
    rest = iter(arguments)
    for word in rest:
        if word == "-v":
            valid_only = True
        elif word == "-p":
            policy = next(rest, "")
        elif word.startswith("-") or policy == "":
            return 2, "", _FIND_IDENTITY_USAGE
    if policy not in ("basic", "codesigning"):
        return 2, "", _FIND_IDENTITY_USAGE
    keychain = machine.keychain
    listed = [i for i in keychain.identities if policy == "basic" or i.kind not in _INSTALLERS]

    def lines(identities: Iterable[Identity]) -> str:
        text = ""
        for number, identity in enumerate(identities, 1):
            code = keychain.complaint(identity)
            text += f'{number:3d}) {identity.sha1} "{identity.name}"{f" ({code})" if code else ""}\n'
        return text

    valid = [i for i in listed if keychain.complaint(i) != "CSSMERR_TP_CERT_EXPIRED"]
    counted = f"{lines(valid)}     {len(valid)} valid identities found\n"
    if valid_only:
        return 0, counted, ""
    title = "Code Signing" if policy == "codesigning" else "X.509 Basic"
    head = f"\nPolicy: {title}\n  Matching identities\n{lines(listed)}     {len(listed)} identities found\n\n"
    return 0, f"{head}  Valid identities only\n{counted}", ""


def _find_certificate(machine: Machine, arguments: Sequence[str]) -> Answer:
    wanted = ""
    flags = set()
    rest = iter(arguments)
    for word in rest:
        if word == "-c":
            wanted = next(rest, "").lower()
        elif word in ("-a", "-p", "-Z"):
            flags.add(word)
        elif word.startswith("-"):
            return 2, "", _FIND_CERTIFICATE_USAGE
    names = {certificate: _common_name(certificate) for certificate in machine.keychain.certificates}
    found = [certificate for certificate, name in names.items() if wanted in name.lower()]
    if not found and "-a" not in flags:
        text = "The specified item could not be found in the keychain."
        return 44, "", f"security: SecKeychainSearchCopyNext: {text}\n"
    out = ""
    for certificate in found if "-a" in flags else found[:1]:
        if "-Z" in flags:
            out += f"SHA-256 hash: {hashlib.sha256(certificate).hexdigest().upper()}\n"
            out += f"SHA-1 hash: {hashlib.sha1(certificate, usedforsecurity=False).hexdigest().upper()}\n"
        if "-p" in flags:
            text = base64.b64encode(certificate).decode()
            body = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
            out += f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
        else:
            login = machine.home / "Library/Keychains/login.keychain-db"
            out += f'keychain: "{login}"\nversion: 512\nclass: 0x80001000 \n'
            out += f'attributes:\n    "labl"<blob>="{names[certificate]}"\n'
    return 0, out, ""


def _common_name(certificate: bytes) -> str:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    subject = x509.load_der_x509_certificate(certificate).subject
    return "".join(str(name.value) for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def _cms(arguments: Sequence[str], cwd: Path) -> Answer:
    if len(arguments) != 3 or list(arguments[:2]) != ["-D", "-i"]:
        return 2, "", "Usage: cms -D [-i infile]\n        Decode a CMS message.\n"
    path = cwd / arguments[2]
    try:
        data = path.read_bytes()
    except OSError:
        return 1, "", f'security: failed to open input file "{arguments[2]}"\n'
    from asn1crypto import cms

    try:
        content = cms.ContentInfo.load(data)["content"]["encap_content_info"]["content"].native
        return 0, content.decode(), ""
    except Exception:  # noqa: BLE001  # asn1crypto raises unrelated kinds on damaged input
        return 1, "", "security: problem decoding\n"


def _find(arguments: Sequence[str], cwd: Path) -> Answer:
    """`find -L FOLDER… -type f ( -name A -o -name B )`: this form alone."""
    words = list(arguments)
    if words[:1] == ["-L"]:
        words = words[1:]
    first = next((at for at, word in enumerate(words) if word.startswith("-") or word == "("), len(words))
    folders, test = words[:first], words[first:]
    patterns = _patterns(test)
    if not folders or patterns is None:
        return 1, "", "find: illegal option or expression\n"
    found, complaints = [], ""
    for folder in folders:
        top = cwd / folder
        if not top.exists():
            complaints += f"find: {folder}: No such file or directory\n"
            continue
        for parent, _, names in os.walk(top, followlinks=True):
            found += [f"{parent}/{n}" for n in sorted(names) if any(fnmatchcase(n, p) for p in patterns)]
    return (1 if complaints else 0), "".join(f"{path}\n" for path in found), complaints


def _patterns(test: list[str]) -> list[str] | None:
    if test[:2] != ["-type", "f"]:
        return None
    rest = [word for word in test[2:] if word not in ("(", ")", "-a")]
    if not rest:
        return ["*"]
    patterns = []
    while rest:
        if rest[0] != "-name" or len(rest) < 2:
            return None
        patterns.append(rest[1])
        if len(rest) > 2 and (rest[2] != "-o" or len(rest) == 3):
            return None
        rest = rest[3:]
    return patterns


def _base64(arguments: Sequence[str], cwd: Path, stdin: str) -> Answer:
    if not arguments:
        return 0, base64.b64encode(stdin.encode()).decode() + "\n", ""
    if len(arguments) != 2 or arguments[0] not in ("-i", "--input"):
        return 64, "", "Usage:\tbase64 [-Ddh] [-b num] [-i in_file] [-o out_file]\n"
    try:
        data = (cwd / arguments[1]).read_bytes()
    except OSError as fault:
        return 1, "", f"base64: Unable to open '{arguments[1]}': {fault.strerror}\n"
    return 0, base64.b64encode(data).decode() + "\n", ""


def _codesign(arguments: Sequence[str], cwd: Path) -> Answer:
    """`codesign -d[v…] [--entitlements - --xml] BUNDLE`: it displays, and never verifies or signs."""
    from pipeline.simulator.machine import bundle, codesign
    from pipeline.simulator.machine.project import BuildError

    words = list(arguments)
    folder = cwd / words.pop() if words else cwd
    entitled = words[-3:] == ["--entitlements", "-", "--xml"]
    flags = words[:-3] if entitled else words
    if not flags or any(not f.startswith("-d") and f.strip("-v") for f in flags) or not flags[0].startswith("-d"):
        return 2, "", "Usage: codesign -d [options] [-v] path\n"
    if not folder.exists():
        return 1, "", f"{folder}: No such file or directory\n"
    try:
        app = bundle.read(folder)
        code = app.files[app.executable]
        granted = codesign.entitlements_of(code)
    except BuildError:
        return 1, "", f"{folder}: code object is not signed at all\n"
    if not granted:
        return 1, "", f"{folder}: code object is not signed at all\n"
    inside = folder / "Contents" if app.deep else folder
    head = f"Executable={inside / app.executable}\n"
    if entitled:
        import plistlib

        return 0, plistlib.dumps(granted).decode(), head
    kind = "thin" if len(app.architectures) == 1 else "universal"
    team = granted.get("com.apple.developer.team-identifier", "not set")
    shown = f"Format=app bundle with Mach-O {kind} ({' '.join(app.architectures)})\nTeamIdentifier={team}\n"
    return 0, "", f"{head}Identifier={app.identifier}\n{shown}"
