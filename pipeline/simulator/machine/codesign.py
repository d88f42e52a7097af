"""Signs executables and seals bundles as codesign does.

Shapes from Apple's Security sources: cscdefs.h, codedirectory.h, requirement.h, bundlediskrep.cpp.
"""

from __future__ import annotations

import hashlib
import plistlib
import re
from struct import pack, unpack_from
from typing import TYPE_CHECKING, Any

from pipeline.simulator import der
from pipeline.simulator.authority import attribute, signed_message
from pipeline.simulator.machine import macho
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pipeline.simulator.authority import Identity

PAGE_BITS = 12
HARDENED = 0x10000
_MAIN_BINARY, _ALLOW_UNSIGNED = 1, 0x10
_DEBUGGABLE = ("get-task-allow", "com.apple.security.get-task-allow")
_CMS_ROOM = 6144
_AGILITY_1 = der.oid("1.2.840.113635.100.9.1")
_AGILITY_2 = der.oid("1.2.840.113635.100.9.2")
_SHA256 = der.oid("2.16.840.1.101.3.4.2.1")
_WWDR = "1.2.840.113635.100.6.2.1"

_INFO, _REQUIREMENTS, _RESOURCES, _ENTITLEMENTS, _DER_ENTITLEMENTS, _CMS = 1, 2, 3, 5, 7, 0x10000


@dataclass(frozen=True)
class Seal:
    """What is signed besides the code.

    Attributes:
        identifier: the bundle identifier.
        resources: the bytes of _CodeSignature/CodeResources.
        hardened: whether the hardened runtime is on (macOS).
        runtime: the SDK's version as a packed 32-bit number, kept when hardened.
    """

    identifier: str
    team_id: str
    info: bytes
    resources: bytes
    entitlements: Mapping[str, Any]
    hardened: bool = False
    runtime: int = 0


def _blob(magic: int, body: bytes) -> bytes:
    return pack(">II", magic, len(body) + 8) + body


def _padded(data: bytes) -> bytes:
    return pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)


def requirements(identifier: str, common_name: str) -> bytes:
    """The internal requirements that codesign gives to code signed with a developer's certificate.

    designated => identifier "…" and anchor apple generic and certificate leaf[subject.CN] = "…"
    and certificate 1[field.1.2.840.113635.100.6.2.1] /* exists */
    """
    conjunction, identity, anchor, field, generic = 6, 2, 15, 11, 14
    expression = (
        pack(">II", conjunction, identity)
        + _padded(identifier.encode())
        + pack(">III", conjunction, anchor, conjunction)
        + pack(">Ii", field, 0)
        + _padded(b"subject.CN")
        + pack(">I", 1)
        + _padded(common_name.encode())
        + pack(">Ii", generic, 1)
        + _padded(der.oid_contents(_WWDR))
        + pack(">I", 0)
    )
    designated = _blob(0xFADE0C00, pack(">I", 1) + expression)
    return _blob(0xFADE0C01, pack(">III", 1, 3, 20) + designated)


def signed(executable: bytes, identity: Identity, seal: Seal, moment: datetime) -> bytes:
    """An executable, thin or fat, with a new signature in every slice."""
    signer = _Signer(identity, seal, moment)
    return macho.joined([(name, signer.sign(image)) for name, image in macho.slices(executable)])


def entitlements_of(executable: bytes) -> dict[str, Any]:
    """The entitlements in the first slice's signature; empty when there is none."""
    image = macho.slices(executable)[0][1]
    place = macho.signature(image)
    if place is None:
        return {}
    blob = image[place[0] : sum(place)]
    (count,) = unpack_from(">I", blob, 8)
    for number in range(min(count, 32)):
        slot, offset = unpack_from(">II", blob, 12 + 8 * number)
        if slot == _ENTITLEMENTS:
            (size,) = unpack_from(">I", blob, offset + 4)
            return dict(plistlib.loads(blob[offset + 8 : offset + size]))
    return {}


class _Signer:
    def __init__(self, identity: Identity, seal: Seal, moment: datetime) -> None:
        self._identity = identity
        self._seal = seal
        self._moment = moment
        plist = plistlib.dumps(dict(seal.entitlements))
        self._parts = {
            _REQUIREMENTS: requirements(seal.identifier, identity.name),
            _ENTITLEMENTS: _blob(0xFADE7171, plist),
            _DER_ENTITLEMENTS: _blob(0xFADE7172, der.entitlements(seal.entitlements)),
        }

    def _room(self, code_size: int) -> int:
        hashed = (code_size >> PAGE_BITS) + 2 + _DER_ENTITLEMENTS
        parts = sum(map(len, self._parts.values()))
        names = len(self._seal.identifier.encode()) + len(self._seal.team_id)
        return (parts + hashed * 32 + names + 256 + _CMS_ROOM + 15) & ~15

    def sign(self, unsigned: bytes) -> bytes:
        """A thin image with a new signature."""
        room = self._room(len(unsigned))
        image = macho.with_signature_room(unsigned, room)
        directory = self._directory(image)
        digest = hashlib.sha256(directory).digest()
        hashes = plistlib.dumps({"cdhashes": [digest[:20]]})
        attributes = (
            attribute(_AGILITY_1, der.octets(hashes)),
            attribute(_AGILITY_2, der.sequence(_SHA256, der.octets(digest))),
        )
        message = signed_message(self._identity, directory, self._moment, attached=False, attributes=attributes)
        blobs = {0: directory, **self._parts, _CMS: _blob(0xFADE0B01, message)}
        index, body = b"", b""
        offset = 12 + 8 * len(blobs)
        for slot, blob in blobs.items():
            index += pack(">II", slot, offset + len(body))
            body += blob
        signature = _blob(0xFADE0CC0, pack(">I", len(blobs)) + index + body)
        if len(signature) > room:
            raise ValueError(f"a signature of {len(signature)} bytes does not fit into {room}")
        return image + signature.ljust(room, b"\0")

    def _directory(self, image: bytes) -> bytes:
        seal = self._seal
        special = {_INFO: seal.info, _RESOURCES: seal.resources, **self._parts}
        slots = b"".join(
            hashlib.sha256(special[slot]).digest() if slot in special else bytes(32)
            for slot in range(_DER_ENTITLEMENTS, 0, -1)
        )
        page = 1 << PAGE_BITS
        pages = [hashlib.sha256(image[at : at + page]).digest() for at in range(0, len(image), page)]
        fixed = 96 if seal.hardened else 88
        names = seal.identifier.encode() + b"\0" + seal.team_id.encode() + b"\0"
        team_at = fixed + len(seal.identifier.encode()) + 1
        hashes_at = fixed + len(names) + len(slots)
        debuggable = any(seal.entitlements.get(key) for key in _DEBUGGABLE)
        body = pack(
            ">IIIIIIIBBBBIIIIQQQQ",
            0x20500 if seal.hardened else 0x20400,
            HARDENED if seal.hardened else 0,
            hashes_at,
            fixed,
            _DER_ENTITLEMENTS,
            len(pages),
            len(image),
            32,
            2,
            0,
            PAGE_BITS,
            0,
            0,
            team_at,
            0,
            0,
            0,
            macho.text_size(image),
            _MAIN_BINARY | (_ALLOW_UNSIGNED if debuggable else 0),
        )
        if seal.hardened:
            body += pack(">II", seal.runtime, 0)
        return _blob(0xFADE0C02, body + names + slots + b"".join(pages))


def _rules(prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rules and rules2; `prefix` is "Resources/" in a deep bundle and "" in a shallow one."""
    localized = {
        f"^{prefix}.*\\.lproj/": {"optional": True, "weight": 1000.0},
        f"^{prefix}.*\\.lproj/locversion.plist$": {"omit": True, "weight": 1100.0},
        f"^{prefix}Base\\.lproj/": {"weight": 1010.0},
    }
    rules = {(f"^{prefix}" if prefix else "^.*"): True, **localized, "^version.plist$": True}
    rules2: dict[str, Any] = {
        ".*\\.dSYM($|/)": {"weight": 11.0},
        "^(.*/)?\\.DS_Store$": {"omit": True, "weight": 2000.0},
        "^.*": True,
        "^Info\\.plist$": {"omit": True, "weight": 20.0},
        "^PkgInfo$": {"omit": True, "weight": 20.0},
        "^embedded\\.provisionprofile$": {"weight": 20.0},
        "^version\\.plist$": {"weight": 20.0},
        **localized,
    }
    if prefix:
        places = "Frameworks|SharedFrameworks|PlugIns|Plug-ins|XPCServices|Helpers|MacOS"
        rules2[f"^({places}|Library/(Automator|Spotlight|LoginItems))/"] = {"nested": True, "weight": 10.0}
        rules2["^[^/]+$"] = {"nested": True, "weight": 10.0}
        rules2[f"^{prefix}"] = {"weight": 20.0}
    return rules, rules2


_LOCALIZED = re.compile(r"^(Resources/)?(?!Base\.lproj/).*\.lproj/")


def code_resources(files: Mapping[str, bytes], executable: str, *, deep: bool) -> bytes:
    """_CodeSignature/CodeResources of a bundle.

    Args:
        files: bytes by path below the bundle (shallow) or below Contents (deep).
        executable: the main executable's path, which the signature itself seals.
        deep: whether it is a macOS bundle with Contents.
    """
    prefix = "Resources/" if deep else ""
    rules, rules2 = _rules(prefix)
    old: dict[str, Any] = {}
    new: dict[str, Any] = {}
    for path in sorted(files):
        if path == executable or path.startswith("_CodeSignature/"):
            continue
        optional = {"optional": True} if _LOCALIZED.match(path) else {}
        if path.startswith(prefix):
            digest = hashlib.sha1(files[path], usedforsecurity=False).digest()
            old[path] = {"hash": digest, **optional} if optional else digest
        if path not in ("Info.plist", "PkgInfo"):
            new[path] = {"hash2": hashlib.sha256(files[path]).digest(), **optional}
    return plistlib.dumps({"files": old, "files2": new, "rules": rules, "rules2": rules2})


def is_hardened(executable: bytes) -> bool:
    """Whether the first slice is signed with the hardened runtime."""
    image = macho.slices(executable)[0][1]
    place = macho.signature(image)
    if place is None:
        return False
    directory = image.find(pack(">I", 0xFADE0C02), place[0], sum(place))
    return directory >= 0 and bool(unpack_from(">I", image, directory + 12)[0] & HARDENED)
