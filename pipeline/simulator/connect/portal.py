"""The developer portal's side of App Store Connect: bundle ids, capabilities, certificates, profiles and devices."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol

from pipeline.simulator.clockface import DAY, universal
from pipeline.simulator.connect.documents import many, one, related_one
from pipeline.simulator.connect.relations import linked_records
from pipeline.simulator.connect.routes import Call, R, Refusal, refuse
from pipeline.simulator.connect.routes import route as any_route
from pipeline.simulator.contract import DUPLICATE, attribute_invalid, relationship_invalid
from pipeline.simulator.state import Record

YEAR = 365 * DAY
MOST_DEVELOPMENT = 10
"""How many development certificates of a kind a team may hold: a usual number, it differs per account."""

FORBIDDEN = "forbidden"
"""The table of what the API key may not use, by kind; `detail` is what Apple says of it."""

MANAGERS = frozenset({"ACCOUNT_HOLDER", "ADMIN", "APP_MANAGER"})
"""Roles that create and revoke distribution certificates and profiles: developer.apple.com/support/roles."""

_DISTRIBUTION = frozenset({"DISTRIBUTION", "IOS_DISTRIBUTION", "MAC_APP_DISTRIBUTION", "MAC_INSTALLER_DISTRIBUTION"})
_NAMES = {
    "DISTRIBUTION": "Apple Distribution",
    "IOS_DISTRIBUTION": "iOS Distribution",
    "MAC_APP_DISTRIBUTION": "Mac App Distribution",
    "MAC_INSTALLER_DISTRIBUTION": "Mac Installer Distribution",
    "DEVELOPMENT": "Apple Development",
    "IOS_DEVELOPMENT": "iOS Development",
    "MAC_APP_DEVELOPMENT": "Mac Development",
}


class Issued(Protocol):
    """A certificate that was issued: DER, upper-case hex serial number without prefix, end in seconds since 1970."""

    @property
    def content(self) -> bytes: ...
    @property
    def serial(self) -> str: ...
    @property
    def expires(self) -> float: ...


class Issuer(Protocol):
    """Who signs: the simulator's certificate authority. Without one the routes that need it refuse."""

    def certificate(self, csr: str, certificate_type: str, team_id: str, team_name: str, now: float) -> Issued:
        """Issue for a PEM request. Raises ValueError when the request is no certificate request."""
        ...

    def profile(self, plist: dict[str, Any], now: float) -> bytes:
        """The CMS-signed provisioning profile."""
        ...


def route(method: str, path: str) -> Callable[[R], R]:
    """Declare a route that is refused where the API key may not use the portal."""
    kind = path.split("/")[2]

    def mark(function: R) -> R:
        @wraps(function)
        def guarded(call: Call) -> Any:
            forbidden = call.state.find(FORBIDDEN, kind)
            if forbidden or kind in call.scenario.portal.forbids:
                detail = "The API key in use does not allow this request"
                _forbid(str(forbidden.attributes["detail"]) if forbidden else detail)
            return function(call)

        any_route(method, path)(guarded)
        return function

    return mark


def _forbid(detail: str) -> None:
    refuse(403, "FORBIDDEN_ERROR", "This request is forbidden for security reasons", detail)


def _managed(call: Call) -> None:
    """Refuse a role that may look and not change; Apple's words for it were not seen."""
    if MANAGERS.isdisjoint(call.scenario.roles):
        _forbid("The API key in use does not allow this request")


@route("GET", "/v1/bundleIds")
def list_bundle_ids(call: Call) -> Any:
    """Apple: bundleIds_getCollection; filter[platform] is not respected (codemagic-ci-cd/cli-tools pull request 76)."""
    return many(call, "bundleIds")


@route("POST", "/v1/bundleIds")
def create_bundle_id(call: Call) -> Any:
    """Apple: bundleIds_createInstance."""
    given = call.attributes
    identifier = given["identifier"]
    if not identifier or any(not (c.isascii() and (c.isalnum() or c in ".-*")) for c in identifier):
        raise Refusal([attribute_invalid("identifier", f"An App ID with Identifier '{identifier}' is not valid.")])
    if any(other.attributes["identifier"] == identifier for other in call.state.table("bundleIds").values()):
        detail = f"An App ID with Identifier '{identifier}' is not available. Please enter a different string."
        raise Refusal([attribute_invalid("identifier", detail, DUPLICATE)])
    attributes = {**given, "seedId": given.get("seedId") or call.scenario.team_id}
    made = Record("bundleIds", call.state.fresh("bundleIds", identifier, portal=True), attributes)
    call.accept([made], detail=given)
    return one(call, made)


@route("GET", "/v1/bundleIds/{id}")
def read_bundle_id(call: Call) -> Any:
    """Apple: bundleIds_getInstance."""
    return one(call, call.one("bundleIds"))


@route("DELETE", "/v1/bundleIds/{id}")
def delete_bundle_id(call: Call) -> Any:
    """Apple: bundleIds_deleteInstance; one that an app record uses stays. The refusal's form is our assumption."""
    bundle_id = call.one("bundleIds")
    if linked_records(call, bundle_id, "app"):
        title = "This request is forbidden for security reasons"
        refuse(403, "FORBIDDEN_ERROR", title, "The App ID is in use by an app in App Store Connect")
    orphans = [
        (other.kind, other.id)
        for name in ("bundleIdCapabilities", "profiles")
        for other in linked_records(call, bundle_id, name)
    ]
    call.accept(drops=[(bundle_id.kind, bundle_id.id), *orphans])


@route("GET", "/v1/bundleIds/{id}/app")
def read_app_of_bundle_id(call: Call) -> Any:
    """Apple: bundleIds_app_getToOneRelated."""
    return related_one(call, call.one("bundleIds"), "app")


@route("GET", "/v1/bundleIds/{id}/bundleIdCapabilities")
def list_capabilities(call: Call) -> Any:
    """Apple: bundleIds_bundleIdCapabilities_getToManyRelated; limit is refused, against the specification."""
    return many(call, "bundleIdCapabilities", linked_records(call, call.one("bundleIds"), "bundleIdCapabilities"))


@route("GET", "/v1/bundleIds/{id}/profiles")
def list_profiles_of_bundle_id(call: Call) -> Any:
    """Apple: bundleIds_profiles_getToManyRelated."""
    return many(call, "profiles", linked_records(call, call.one("bundleIds"), "profiles"))


@route("POST", "/v1/bundleIdCapabilities")
def create_capability(call: Call) -> Any:
    """Apple: bundleIdCapabilities_createInstance; enabling one again answers with it."""
    bundle_id = call.state.find("bundleIds", call.linked("bundleId"))
    if bundle_id is None:
        raise Refusal([relationship_invalid("bundleId", f"There is no bundle id '{call.linked('bundleId')}'")])
    given = call.attributes
    made = Record(
        "bundleIdCapabilities",
        f"{bundle_id.id}_{given['capabilityType']}",
        {"settings": None, **given},
        {"bundleId": bundle_id.id},
    )
    call.accept([made, *_outdated(call, bundle_id)], detail=given)
    return one(call, made)


@route("DELETE", "/v1/bundleIdCapabilities/{id}")
def delete_capability(call: Call) -> Any:
    """Apple: bundleIdCapabilities_deleteInstance."""
    capability = call.one("bundleIdCapabilities")
    bundle_id = call.state.table("bundleIds")[capability.links["bundleId"]]
    call.accept(_outdated(call, bundle_id), drops=[(capability.kind, capability.id)])


def _outdated(call: Call, bundle_id: Record) -> list[Record]:
    """A change of capabilities makes the profiles of a bundle id INVALID, as the portal warns."""
    profiles = linked_records(call, bundle_id, "profiles")
    return [profile.altered(attributes={"profileState": "INVALID"}) for profile in profiles]


@route("GET", "/v1/certificates")
def list_certificates(call: Call) -> Any:
    """Apple: certificates_getCollection."""
    return many(call, "certificates")


@route("POST", "/v1/certificates")
def create_certificate(call: Call) -> Any:
    """Apple: certificates_createInstance; a full drawer is refused in the words quoted in many public threads."""
    kind = call.attributes["certificateType"]
    issuer = _issuer(call)
    if kind.startswith("DEVELOPER_ID_"):
        # fastlane/fastlane#27149 quotes it.
        _forbid("This operation can only be performed by the Account Holder")
    _managed(call)
    held = [c for c in call.state.table("certificates").values() if _takes_room(c, kind, call.now)]
    most = call.scenario.portal.distribution if kind in _DISTRIBUTION else MOST_DEVELOPMENT
    name = _NAMES.get(kind, kind)
    if len(held) >= most:
        title = "There is a problem with the request entity"
        detail = f"You already have a current {name} certificate or a pending certificate request."
        refuse(409, "ENTITY_ERROR", title, detail)
    try:
        issued = issuer.certificate(
            call.attributes["csrContent"], kind, call.scenario.team_id, call.scenario.team_name, call.now
        )
    except ValueError as fault:
        detail = f"The certificate signing request is not valid: {fault}"
        raise Refusal([attribute_invalid("csrContent", detail)]) from fault
    attributes = {
        "name": f"{name}: {call.scenario.team_name}",
        "displayName": call.scenario.team_name,
        "certificateType": kind,
        "serialNumber": issued.serial,
        "platform": "MAC_OS" if kind.startswith("MAC_") else "IOS" if kind.startswith("IOS_") else None,
        "expirationDate": universal(issued.expires),
        "certificateContent": base64.b64encode(issued.content).decode(),
        "activated": None,
    }
    appears = _later(call, call.scenario.portal.certificates_invisible)
    made = Record("certificates", call.state.fresh("certificates", issued.serial, portal=True), attributes, {}, appears)
    call.accept([made], detail={"certificateType": kind, "serialNumber": issued.serial})
    return one(call, made.altered(hidden={"appears": call.now}))


def _later(call: Call, seconds: float) -> dict[str, float]:
    """From when on lists show it."""
    return {"appears": call.now + seconds} if seconds else {}


def _takes_room(certificate: Record, kind: str, now: float) -> bool:
    held = certificate.attributes
    return held.get("certificateType") == kind and (held.get("expirationDate") or "") > universal(now)


@route("GET", "/v1/certificates/{id}")
def read_certificate(call: Call) -> Any:
    """Apple: certificates_getInstance."""
    return one(call, call.one("certificates"))


@route("DELETE", "/v1/certificates/{id}")
def revoke_certificate(call: Call) -> Any:
    """Apple: certificates_deleteInstance; profiles that hold it become INVALID."""
    _managed(call)
    certificate = call.one("certificates")
    struck = [
        profile.altered(attributes={"profileState": "INVALID"})
        for profile in call.state.table("profiles").values()
        if certificate.id in profile.links["certificates"]
    ]
    call.accept(struck, drops=[(certificate.kind, certificate.id)])


@route("GET", "/v1/profiles")
def list_profiles(call: Call) -> Any:
    """Apple: profiles_getCollection."""
    return many(call, "profiles")


@route("POST", "/v1/profiles")
def create_profile(call: Call) -> Any:
    """Apple: profiles_createInstance."""
    _managed(call)
    given = call.attributes
    issuer = _issuer(call)
    bundle_id = call.state.find("bundleIds", call.linked("bundleId"))
    if bundle_id is None:
        raise Refusal([relationship_invalid("bundleId", f"There is no bundle id '{call.linked('bundleId')}'")])
    certificates, devices = call.linked("certificates"), call.linked("devices") or []
    for name, ids in (("certificates", certificates), ("devices", devices)):
        for identifier in ids:
            if call.state.find(name, identifier) is None:
                detail = f"There is no resource of type '{name}' with id '{identifier}'"
                raise Refusal([relationship_invalid(name, detail)])
    if not certificates:
        raise Refusal([relationship_invalid("certificates", "A profile needs at least one certificate")])
    if any(other.attributes["name"] == given["name"] for other in call.state.table("profiles").values()):
        title = "There is a problem with the request entity"
        refuse(409, "ENTITY_ERROR", title, f"Multiple profiles found with the name '{given['name']}'.")
    identifier = call.state.fresh("profiles", given["name"], portal=True)
    uuid = call.state.fresh("profile uuid", identifier)
    expires = call.now + YEAR
    content = issuer.profile(_entries(call, bundle_id, certificates, devices, uuid), call.now)
    attributes = {
        **given,
        "platform": "MAC_OS" if given["profileType"].startswith("MAC_") else "IOS",
        "profileState": "ACTIVE",
        "profileContent": base64.b64encode(content).decode(),
        "uuid": uuid,
        "createdDate": universal(call.now),
        "expirationDate": universal(expires),
    }
    links = {"bundleId": bundle_id.id, "certificates": certificates, "devices": devices}
    appears = _later(call, call.scenario.portal.profiles_invisible)
    made = Record("profiles", identifier, attributes, links, appears)
    call.accept([made], detail=given)
    return one(call, made.altered(hidden={"appears": call.now}))


def _entries(call: Call, bundle_id: Record, certificates: list[str], devices: list[str], uuid: str) -> dict[str, Any]:
    """The profile's property list without its dates, which the issuer adds."""
    given, identifier = call.attributes, bundle_id.attributes["identifier"]
    prefix = bundle_id.attributes["seedId"]
    capabilities = {c.attributes["capabilityType"] for c in linked_records(call, bundle_id, "bundleIdCapabilities")}
    development = given["profileType"].endswith("_DEVELOPMENT")
    mac = given["profileType"].startswith("MAC_")
    entitlements: dict[str, Any] = {
        "com.apple.application-identifier" if mac else "application-identifier": f"{prefix}.{identifier}",
        "com.apple.developer.team-identifier": call.scenario.team_id,
        "keychain-access-groups": [f"{prefix}.*"],
    }
    if not mac or development:
        entitlements["get-task-allow"] = development
    if given["profileType"].endswith("_APP_STORE"):
        entitlements["beta-reports-active"] = True
    if "PUSH_NOTIFICATIONS" in capabilities:
        name = "com.apple.developer.aps-environment" if mac else "aps-environment"
        entitlements[name] = "development" if development else "production"
    if "ICLOUD" in capabilities:
        entitlements["com.apple.developer.icloud-services"] = "*"
        entitlements["com.apple.developer.icloud-container-identifiers"] = sorted(call.state.table("containers"))
    entries: dict[str, Any] = {
        "Name": given["name"],
        "UUID": uuid,
        "AppIDName": bundle_id.attributes["name"],
        "TeamIdentifier": [call.scenario.team_id],
        "TeamName": call.scenario.team_name,
        "ApplicationIdentifierPrefix": [prefix],
        "Platform": ["OSX"] if mac else ["iOS", "xrOS", "visionOS"],
        "Entitlements": entitlements,
        "DeveloperCertificates": [
            base64.b64decode(call.state.table("certificates")[identifier].attributes["certificateContent"])
            for identifier in certificates
        ],
        "TimeToLive": 365,
        "Version": 1,
    }
    if devices:
        held = call.state.table("devices")
        entries["ProvisionedDevices"] = [held[identifier].attributes["udid"] for identifier in devices]
    return entries


@route("GET", "/v1/profiles/{id}")
def read_profile(call: Call) -> Any:
    """Apple: profiles_getInstance."""
    return one(call, call.one("profiles"))


@route("DELETE", "/v1/profiles/{id}")
def delete_profile(call: Call) -> Any:
    """Apple: profiles_deleteInstance."""
    _managed(call)
    profile = call.one("profiles")
    call.accept(drops=[(profile.kind, profile.id)])


@route("GET", "/v1/profiles/{id}/bundleId")
def read_bundle_id_of_profile(call: Call) -> Any:
    """Apple: profiles_bundleId_getToOneRelated."""
    return related_one(call, call.one("profiles"), "bundleId")


@route("GET", "/v1/profiles/{id}/certificates")
def list_certificates_of_profile(call: Call) -> Any:
    """Apple: profiles_certificates_getToManyRelated."""
    return many(call, "certificates", linked_records(call, call.one("profiles"), "certificates"))


@route("GET", "/v1/profiles/{id}/devices")
def list_devices_of_profile(call: Call) -> Any:
    """Apple: profiles_devices_getToManyRelated."""
    return many(call, "devices", linked_records(call, call.one("profiles"), "devices"))


@route("GET", "/v1/devices")
def list_devices(call: Call) -> Any:
    """Apple: devices_getCollection."""
    return many(call, "devices")


@route("GET", "/v1/devices/{id}")
def read_device(call: Call) -> Any:
    """Apple: devices_getInstance."""
    return one(call, call.one("devices"))


def _issuer(call: Call) -> Issuer:
    if call.issuer is None:
        title = "The request is not allowed in this scenario"
        refuse(403, "FORBIDDEN_ERROR", title, "This simulated account has no certificate authority")
    issuer: Issuer = call.issuer
    return issuer
