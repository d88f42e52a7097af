"""The portal's records as facts: which requests ask for them, and how the answers are read."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

from pipeline.apple.connect.client import ConnectFault
from pipeline.apple.connect.documents import by_id
from pipeline.apple.portal.facts import (
    INVALID,
    PortalBundleId,
    PortalBundleIds,
    PortalCertificate,
    PortalCertificates,
    PortalMaterial,
    PortalProfile,
    PortalProfiles,
    Refusal,
)
from pipeline.apple.signing.certificates import NEVER, Certificate, read_certificate
from pipeline.apple.signing.faults import SigningFault
from pipeline.apple.signing.material import Fault, Material
from pipeline.apple.signing.profiles import read_profile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pipeline.apple.connect.client import Connect
    from pipeline.apple.connect.documents import Resource
    from pipeline.apple.signing.trust import Anchors

ORIGIN = "App Store Connect"
FORBIDDEN = 403
IDS_AT_ONCE = 40
"""How many bundle identifiers one request asks for: an address has to stay short."""
MOST_RELATED = "50"
"""The largest number of related resources that App Store Connect tells with each resource."""


def certificates(api: Connect, at: datetime, kind: str = "") -> PortalCertificates:
    """All certificates of the team, or those of one certificateType."""
    query = {"filter[certificateType]": kind} if kind else {}
    try:
        found, _ = api.list("/v1/certificates", **query)
    except ConnectFault as fault:
        return PortalCertificates((), at, refusal(fault))
    return PortalCertificates(tuple(certificate(each) for each in found if each.type == "certificates"), at)


def certificate(item: Resource) -> PortalCertificate:
    """One certificate; what cannot be read of it is told as its problem."""
    read, problem = Certificate(), ""
    try:
        read = read_certificate(binascii.a2b_base64(item.text("certificateContent")))
    except (SigningFault, ValueError) as fault:
        problem = str(fault)
    return PortalCertificate(
        item.id,
        item.text("certificateType"),
        item.text("name") or item.text("displayName"),
        item.text("serialNumber"),
        item.moment("expirationDate") or read.not_after,
        read,
        problem,
    )


def profiles(api: Connect, at: datetime, anchors: Anchors, kind: str = "") -> PortalProfiles:
    """All profiles of the team, or those of one profileType."""
    query = {"include": "bundleId,certificates", "limit[certificates]": MOST_RELATED}
    if kind:
        query["filter[profileType]"] = kind
    try:
        found, _ = api.list("/v1/profiles", **query)
    except ConnectFault as fault:
        return PortalProfiles((), at, refusal(fault))
    return PortalProfiles(tuple(profile(each, anchors) for each in found if each.type == "profiles"), at)


def profile(item: Resource, anchors: Anchors) -> PortalProfile:
    """One profile; what cannot be read of it is told as its problem."""
    read, problem = None, ""
    try:
        read = read_profile(content(item), anchors, path=ORIGIN)
    except (SigningFault, ValueError) as fault:
        problem = str(fault)
    return PortalProfile(
        item.id,
        item.text("name"),
        item.text("profileType"),
        item.text("profileState"),
        item.text("uuid"),
        item.one("bundleId"),
        item.related.get("certificates", ()),
        item.moment("createdDate") or NEVER,
        item.moment("expirationDate") or (read.expires if read else NEVER),
        read,
        problem,
    )


def content(item: Resource) -> bytes:
    """The file of a profile. Raises ValueError when there is none."""
    return binascii.a2b_base64(item.text("profileContent"))


def bundle_ids(api: Connect, identifiers: Iterable[str]) -> PortalBundleIds:
    """Those of the identifiers that are registered. Apple's filter also matches longer ones, which are left out.

    Capabilities come with the App IDs: their own list takes no limit, against the specification.
    """
    wanted = tuple(dict.fromkeys(identifiers))
    found: list[PortalBundleId] = []
    for start in range(0, len(wanted), IDS_AT_ONCE):
        some = wanted[start : start + IDS_AT_ONCE]
        query = {
            "filter[identifier]": ",".join(some),
            "include": "bundleIdCapabilities",
            "limit[bundleIdCapabilities]": MOST_RELATED,
        }
        try:
            listed, included = api.list("/v1/bundleIds", **query)
        except ConnectFault as fault:
            return PortalBundleIds((), refusal(fault))
        known = by_id(included)
        for item in listed:
            if item.type == "bundleIds" and item.text("identifier") in some:
                related = item.related.get("bundleIdCapabilities", ())
                held = (known.get(("bundleIdCapabilities", each)) for each in related)
                capabilities = tuple(each.text("capabilityType") for each in held if each)
                found.append(PortalBundleId(item.id, item.text("identifier"), item.text("name"), capabilities))
    return PortalBundleIds(tuple(found))


def material(certificates: PortalCertificates, profiles: PortalProfiles) -> PortalMaterial:
    """Everything as material of one place, and what Apple says of it; both are lists without a filter."""
    return PortalMaterial(
        _materials(certificates, profiles),
        frozenset(each.profile.uuid for each in profiles.items if each.profile and each.state == INVALID),
        certificates.refused is None and not any(each.problem for each in certificates.items),
    )


def _materials(certificates: PortalCertificates, profiles: PortalProfiles) -> tuple[Material, ...]:
    """Certificates first."""
    found: list[Material] = []
    for each in certificates.items:
        if each.problem:
            found.append(Material(ORIGIN, fault=Fault.UNREADABLE, why=f"certificate {each.id}: {each.problem}"))
        else:
            spki = each.certificate.public_key_sha256
            found.append(Material(ORIGIN, each.certificate, keyed=False, public_key_sha256=spki))
    for one in profiles.items:
        if one.profile is None:
            found.append(Material(ORIGIN, fault=Fault.UNREADABLE, why=f"profile {one.id}: {one.problem}"))
        else:
            found.append(Material(ORIGIN, profile=one.profile))
    return tuple(found)


def refusal(fault: ConnectFault) -> Refusal:
    """What Apple forbids; any other fault is raised again."""
    if fault.status != FORBIDDEN:
        raise fault
    agreements = fault.says("FORBIDDEN.REQUIRED_AGREEMENTS")
    return Refusal(fault.code, fault.why, fault.remedy if agreements else "")
