"""The account a scenario describes, as the resources that are there before anything is done."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pipeline.simulator.clockface import DAY, pacific
from pipeline.simulator.connect.uploads import BUILD_LIFE
from pipeline.simulator.connect.verdicts import spelled, train_key
from pipeline.simulator.faults import EMPTY_SCHEMA
from pipeline.simulator.state import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pipeline.simulator.faults import AppAccount, ExistingBuild, Group, Scenario, StoreVersion
    from pipeline.simulator.state import State

_LIVE_STATES = {"READY_FOR_DISTRIBUTION": "READY_FOR_SALE", "PROCESSING_FOR_DISTRIBUTION": "PROCESSING_FOR_APP_STORE"}


_HANGING = {
    "apps": (
        ("builds", "app"),
        ("betaGroups", "app"),
        ("preReleaseVersions", "app"),
        ("appStoreVersions", "app"),
        ("buildUploads", "app"),
    ),
    "builds": (("buildBetaDetails", "build"), ("betaBuildLocalizations", "build")),
    "betaGroups": (("betaTesters", "betaGroups"),),
    "buildUploads": (("buildUploadFiles", "buildUpload"),),
}


def described(scenario: Scenario, now: float) -> Iterator[Record]:
    """The resources of a scenario. Their ids depend on their content only, so that a second look adds nothing."""
    yield _user(scenario)
    for app in scenario.apps:
        yield from _app(scenario, app, now)
    for container in scenario.containers:
        texts = {
            "DEVELOPMENT": container.development or EMPTY_SCHEMA,
            "PRODUCTION": container.production or EMPTY_SCHEMA,
        }
        name = container.name or container.identifier
        yield Record("containers", container.identifier, {"name": name}, {}, texts)


def belongings(state: State, bundle_id: str) -> Iterator[tuple[str, str]]:
    """Kind and id of the app records of a bundle id, and of everything that hangs on them, link by link."""
    pending = [app for app in state.table("apps").values() if app.attributes.get("bundleId") == bundle_id]
    seen: set[tuple[str, str]] = set()
    while pending:
        record = pending.pop()
        if (record.kind, record.id) in seen:
            continue
        seen.add((record.kind, record.id))
        yield record.kind, record.id
        for kind, name in _HANGING.get(record.kind, ()):
            pending += [other for other in state.table(kind).values() if _names(other.links.get(name), record.id)]


def _names(link: object, identifier: str) -> bool:
    return identifier in link if isinstance(link, list) else link == identifier


def planted(resources: Iterable[Mapping[str, Any]], now: float) -> Iterator[Record]:
    """Records from resource objects as Apple answers them: what GET requests showed at the real Apple.

    A relationship is taken where the object holds its data.
    """
    for resource in resources:
        kind, identifier = resource["type"], resource["id"]
        attributes = dict(resource.get("attributes") or {})
        links: dict[str, Any] = {}
        for name, value in (resource.get("relationships") or {}).items():
            data = value.get("data") if isinstance(value, dict) else None
            if isinstance(data, list):
                links[name] = [item["id"] for item in data]
            elif isinstance(data, dict):
                links[name] = data["id"]
        yield Record(kind, identifier, attributes, links, _hidden(kind, attributes, now))


def _hidden(kind: str, attributes: dict[str, Any], now: float) -> dict[str, Any]:
    if kind == "apps":
        return {"platforms": ["IOS", "MAC_OS", "TV_OS", "VISION_OS"]}
    if kind == "builds":
        return {"expires": _seconds(attributes.get("expirationDate"), now + BUILD_LIFE)}
    if kind == "buildUploads":
        state = attributes.pop("state", None) or {}
        name = state.get("state", "AWAITING_UPLOAD")
        details = {key: state.get(key) or [] for key in ("errors", "warnings", "infos")}
        if name in ("COMPLETE", "FAILED"):
            return {"settles": 0.0, "outcome": name, "details": details}
        return {"settles": now + DAY, "outcome": "COMPLETE", "details": {}} if name == "PROCESSING" else {}
    if kind == "buildUploadFiles":
        return _hidden_of_file(attributes, now)
    return {}


def _hidden_of_file(attributes: dict[str, Any], now: float) -> dict[str, Any]:
    """A file that waits for its parts takes them here as it would at Apple; any other is complete."""
    operations = sorted(attributes.pop("uploadOperations", None) or (), key=lambda each: int(each["offset"]))
    delivery = attributes.get("assetDeliveryState")
    if not isinstance(delivery, dict) or delivery.get("state") != "AWAITING_UPLOAD":
        attributes["assetDeliveryState"] = {"errors": [], "warnings": [], "state": "COMPLETE"}
        return {"parts": [], "expires": now, "ticket": ""}
    parts = [[number, each["offset"], each["length"]] for number, each in enumerate(operations, 1)]
    expires = min((_seconds(each.get("expiration"), now + DAY) for each in operations), default=now + DAY)
    return {"parts": parts, "expires": expires, "ticket": "copied"}


def _seconds(text: object, default: float) -> float:
    from datetime import datetime

    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return default


def _user(scenario: Scenario) -> Record:
    attributes = {
        "username": "release@example.com",
        "firstName": "Release",
        "lastName": "Manager",
        "roles": list(scenario.roles),
        "allAppsVisible": True,
        "provisioningAllowed": True,
    }
    return Record("users", _uuid("users", scenario.team_id), attributes, {"visibleApps": []})


def _app(scenario: Scenario, app: AppAccount, now: float) -> Iterator[Record]:
    if app.registered:
        yield from _registration(scenario, app)
    if not app.record:
        return
    identifier = app.identifier or _number("apps", app.bundle_id)
    attributes = {
        "name": app.name or app.bundle_id,
        "bundleId": app.bundle_id,
        "sku": app.sku or app.bundle_id,
        "primaryLocale": app.locale,
        "isOrEverWasMadeForKids": False,
        "contentRightsDeclaration": None,
    }
    yield Record("apps", identifier, attributes, {}, {"platforms": list(app.platforms)})
    for version in app.versions:
        yield _store_version(identifier, version, now)
    builds = list(_builds(identifier, app.builds, now))
    yield from builds
    for group in app.groups:
        yield from _group(identifier, group, now)


def _registration(scenario: Scenario, app: AppAccount) -> Iterator[Record]:
    identifier = app_id(app.bundle_id)
    attributes = {
        "name": app.name or app.bundle_id,
        "platform": "UNIVERSAL",
        "identifier": app.bundle_id,
        "seedId": scenario.team_id,
    }
    yield Record("bundleIds", identifier, attributes)
    for capability in app.capabilities:
        settings = None
        if capability == "ICLOUD":
            settings = [{"key": "ICLOUD_VERSION", "options": [{"key": "XCODE_6", "enabled": True}]}]
        values = {"capabilityType": capability, "settings": settings}
        yield Record("bundleIdCapabilities", f"{identifier}_{capability}", values, {"bundleId": identifier})


def app_id(bundle_id: str) -> str:
    """The id of a registered bundle identifier, by its content."""
    return _short("bundleIds", bundle_id)


def _store_version(app: str, version: StoreVersion, now: float) -> Record:
    attributes = {
        "platform": version.platform,
        "versionString": version.version,
        "appStoreState": _LIVE_STATES.get(version.state, version.state),
        "appVersionState": version.state,
        "reviewType": "APP_STORE",
        "releaseType": "AFTER_APPROVAL",
        "downloadable": True,
        "createdDate": pacific(now - 30 * DAY),
    }
    identifier = _uuid("appStoreVersions", app, version.platform, version.version)
    return Record("appStoreVersions", identifier, attributes, {"app": app})


def _builds(app: str, builds: Iterable[ExistingBuild], now: float) -> Iterator[Record]:
    trains: dict[object, Record] = {}
    for build in builds:
        key = train_key(build.version, build.platform)
        if key not in trains:
            values = {"version": spelled(build.version), "platform": build.platform}
            train_id = _uuid("preReleaseVersions", app, build.platform, build.version)
            trains[key] = Record("preReleaseVersions", train_id, values, {"app": app})
            yield trains[key]
        uploaded = now - build.age_days * DAY
        identifier = _uuid("builds", app, build.platform, build.version, build.build)
        attributes = {
            "version": spelled(build.build),
            "uploadedDate": pacific(uploaded),
            "expirationDate": pacific(uploaded + BUILD_LIFE),
            "processingState": build.state,
            "buildAudienceType": "APP_STORE_ELIGIBLE",
            "usesNonExemptEncryption": build.uses_non_exempt_encryption,
        }
        links = {"app": app, "preReleaseVersion": trains[key].id}
        yield Record("builds", identifier, attributes, links, {"expires": uploaded + BUILD_LIFE})
        yield Record("buildBetaDetails", identifier, {"autoNotifyEnabled": False}, {"build": identifier})


def _group(app: str, group: Group, now: float) -> Iterator[Record]:
    identifier = _uuid("betaGroups", app, group.name)
    attributes = {
        "name": group.name,
        "createdDate": pacific(now - 60 * DAY),
        "isInternalGroup": group.internal,
        "hasAccessToAllBuilds": group.all_builds if group.internal else None,
        "publicLinkEnabled": False,
        "feedbackEnabled": True,
    }
    yield Record("betaGroups", identifier, attributes, {"app": app, "builds": []})
    for number in range(1, group.testers + 1):
        values = {
            "firstName": "Tester",
            "lastName": str(number),
            "email": f"tester{number}@example.com",
            "inviteType": "EMAIL",
            "state": "INSTALLED",
        }
        tester = _uuid("betaTesters", identifier, str(number))
        yield Record("betaTesters", tester, values, {"betaGroups": [identifier], "apps": [app]})


def _digest(*content: str) -> str:
    return hashlib.sha256("\x1f".join(content).encode()).hexdigest()


def _uuid(*content: str) -> str:
    digest = _digest("account", *content)
    return f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"


def _short(*content: str) -> str:
    return _digest("account", *content)[:10].upper()


def _number(*content: str) -> str:
    return str(6_000_000_000 + int(_digest("account", *content)[:12], 16) % 999_999_999)
