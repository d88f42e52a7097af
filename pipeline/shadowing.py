"""Copies what GET requests show at Apple into the simulator, so that a rehearsal starts from the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from pipeline.model import AppleFailure
from pipeline.ports.retries import HOPELESS
from pipeline.stages import AT_PORTAL
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.apple.connect.client import Connect
    from pipeline.model import Source
    from pipeline.ports.http import Http, Request, Response
    from pipeline.simulator.apple import SimulatedApple
    from pipeline.subject import Subject

MOST = "200"
"""The largest page that App Store Connect gives; further pages are followed."""

REDIRECTION, REFUSAL, TOO_MANY, SERVER_FAULT = 300, 400, 429, 500

ACCOUNT_SECONDS = 60.0
"""The longest time for reading the whole account; single requests have their own limits."""

NONSENSE = HOPELESS | {"REDIRECTED", "NOT_A_SCHEMA"}
"""Answers that are not Apple's: nothing can be concluded from them, also not that a container is refused."""

PORTAL = ("bundleIds", "bundleIdCapabilities", "certificates", "profiles", "devices")
"""What the developer portal holds of a team."""

MOST_PAGES = 50
"""Of one list of the portal: ten thousand certificates or profiles."""

FORBIDDEN = 403

KEPT = "account.json"
"""The name of the document that keeps the copy with its run, so that a resumed run starts from the same."""

ResourceObject = Mapping[str, Any]


class OutOfReach(AppleFailure):
    """Apple could not be asked: nothing came back, or an answer that says nothing about the account."""


@dataclass(frozen=True)
class Account:
    """What a release looks at, as Apple showed it.

    Attributes:
        resources: App Store Connect's resource objects; a release looks at no others.
        schemas: the texts of development and production, by container; one that CloudKit did not show is not here.
        unasked: why no schema was asked for; empty when all were.
        portal: whether this is the developer portal's side of the account.
        forbidden: what of it the API key may not see, and Apple's words for that.
    """

    resources: tuple[ResourceObject, ...] = ()
    schemas: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    unasked: str = ""
    portal: bool = False
    forbidden: Mapping[str, str] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """What the rehearsal rests on, in words."""
        asked = "The simulated Apple was furnished with what App Store Connect shows now; only GET requests were made."
        if not self.unasked:
            return asked
        return f"{asked} CloudKit was not asked ({self.unasked}): its schemas are assumed to be the app's own."

    def told(self) -> dict[str, Any]:
        """The account as plain JSON values."""
        return asdict(self)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Account:
        """The inverse of `told`."""
        schemas = {name: (texts[0], texts[1]) for name, texts in told["schemas"].items()}
        portal, forbidden = bool(told.get("portal")), dict(told.get("forbidden") or {})
        return cls(tuple(told["resources"]), schemas, told["unasked"], portal, forbidden)


def read_account(http: Http, subject: Subject) -> Account:
    """The app records, groups, builds, uploads, versions and schemas that a release looks at; or the team's portal.

    Args:
        http: the live services; only GET requests are sent.
        subject: the app whose records are read.

    Raises:
        OutOfReach: a service did not answer, or was not able to.
        AppleFailure: App Store Connect refused; for instance, it does not take the key. Or an answer is not Apple's.
        PipelineError: the key cannot be used.
    """
    from pipeline.apple.connect.client import Connect
    from pipeline.ports.live_http import CredentialsMissing

    attentive = _Attentive(http)
    connect = Connect(attentive)
    if subject.wishes.table in AT_PORTAL:
        return _portal(connect)
    bundle_ids = dict.fromkeys(subject.bundle_ids.values())
    resources = tuple(one for bundle_id in bundle_ids for one in _app(connect, bundle_id))
    try:
        schemas = dict(_schemas(attentive, subject))
    except CredentialsMissing as fault:
        return Account(resources, unasked=fault.why)
    return Account(resources, schemas)


def furnish(apple: SimulatedApple, account: Account, subject: Subject) -> None:
    """Put the copy in the place of what the simulator assumes. Doing it twice changes nothing."""
    if account.portal:
        apple.forget_portal(PORTAL)
        for kind, why in account.forbidden.items():
            apple.forbid(kind, why)
        apple.plant(account.resources)
        return
    for bundle_id in dict.fromkeys(subject.bundle_ids.values()):
        apple.forget_app(bundle_id)
    apple.plant(account.resources)
    for container, (development, production) in account.schemas.items():
        apple.plant_container(container, development, production)


class _Attentive:
    """Tells an answer about the account from one that says nothing about it."""

    def __init__(self, http: Http) -> None:
        self.source: Source = http.source
        self._http = http
        self._until = monotonic() + ACCOUNT_SECONDS

    def send(self, request: Request) -> Response:
        if monotonic() > self._until:
            raise OutOfReach(
                f"the account could not be read within {ACCOUNT_SECONDS:g} s",
                why="each answer took long",
                code="DEADLINE",
            )
        try:
            response = self._http.send(request)
        except AppleFailure as fault:
            if fault.code in HOPELESS:
                raise
            raise OutOfReach(fault.what, why=fault.why, remedy=fault.remedy, code=fault.code) from fault
        if REDIRECTION <= response.status < REFUSAL:
            raise AppleFailure(
                f"something between you and Apple redirects GET {_told(request)}",
                why=f"status {response.status}: Apple's services redirect nobody",
                remedy="look for a proxy or a network that wants a sign-in first, then run again",
                code="REDIRECTED",
            )
        if response.status == TOO_MANY or response.status >= SERVER_FAULT:
            raise OutOfReach(f"{_told(request)} answered with status {response.status}", code=str(response.status))
        return response


def _told(request: Request) -> str:
    return request.url.partition("?")[0].removeprefix("https://")


def _app(connect: Connect, bundle_id: str) -> Iterator[ResourceObject]:
    for app in _read(connect, "/v1/apps", {"filter[bundleId]": bundle_id})[0]:
        if app["attributes"].get("bundleId") != bundle_id:  # Apple's filter also matches longer identifiers
            continue
        owner = {"app": {"data": {"type": "apps", "id": app["id"]}}}
        yield app
        for kind in ("preReleaseVersions", "appStoreVersions"):
            for each in _read(connect, f"/v1/apps/{app['id']}/{kind}", {"limit": MOST})[0]:
                yield _linked(each, owner)
        yield from _uploads(connect, app["id"], owner)
        yield from _builds_and_groups(connect, app["id"], owner)


def _uploads(connect: Connect, app_id: str, owner: ResourceObject) -> Iterator[ResourceObject]:
    query = {"include": "build,assetFile", "limit": MOST}
    uploads, included = _read(connect, f"/v1/apps/{app_id}/buildUploads", query)
    of_file = {_one(upload, "assetFile"): upload["id"] for upload in uploads}
    for upload in uploads:
        yield _linked(upload, owner)
    for file in included:
        if file["type"] == "buildUploadFiles" and file["id"] in of_file:
            yield _file(file, of_file[file["id"]])
    shown = {file["id"] for file in included}
    for upload in uploads:
        if _waits(upload) and _one(upload, "assetFile") not in shown:
            for file in _read(connect, f"/v1/buildUploads/{upload['id']}/buildUploadFiles", {"limit": MOST})[0]:
                yield _file(file, upload["id"])


def _waits(upload: ResourceObject) -> bool:
    state = upload["attributes"].get("state")
    return isinstance(state, dict) and state.get("state") == "AWAITING_UPLOAD"


def _file(file: ResourceObject, upload_id: str) -> ResourceObject:
    """The file of an upload, without the addresses of its parts: whoever has them could send something else."""
    operations = file["attributes"].get("uploadOperations")
    parts = [
        {name: each.get(name) for name in ("offset", "length", "expiration")}
        for each in (operations if isinstance(operations, list) else ())
        if isinstance(each, dict) and all(isinstance(each.get(name), int) for name in ("offset", "length"))
    ]
    bare = {**file, "attributes": {**file["attributes"], "uploadOperations": parts or None}}
    return _linked(bare, {"buildUpload": {"data": {"type": "buildUploads", "id": upload_id}}})


def _builds_and_groups(connect: Connect, app_id: str, owner: ResourceObject) -> Iterator[ResourceObject]:
    query = {
        "filter[app]": app_id,
        "include": "preReleaseVersion,buildBetaDetail,betaGroups",
        "limit[betaGroups]": "50",
        "limit": MOST,
    }
    builds, included = _read(connect, "/v1/builds", query)
    of_detail = {_one(build, "buildBetaDetail"): build["id"] for build in builds}
    for build in builds:
        yield _linked(build, owner)
    for detail in included:
        if detail["type"] == "buildBetaDetails" and detail["id"] in of_detail:
            yield _linked(detail, {"build": {"data": {"type": "builds", "id": of_detail[detail["id"]]}}})
    for group in _read(connect, f"/v1/apps/{app_id}/betaGroups", {"limit": MOST})[0]:
        held = [{"type": "builds", "id": build["id"]} for build in builds if group["id"] in _many(build, "betaGroups")]
        yield _linked(group, {**owner, "builds": {"data": held}})


def _portal(connect: Connect) -> Account:
    """App IDs with their capabilities, certificates, profiles and devices; what is forbidden is told as that."""
    from pipeline.apple.connect.client import ConnectFault

    forbidden: dict[str, str] = {}
    resources: list[ResourceObject] = []
    for kind, listed in (
        ("bundleIds", _app_ids),
        ("certificates", _certificates),
        ("profiles", _profiles),
        ("devices", _devices),
    ):
        try:
            resources += listed(connect)
        except ConnectFault as fault:
            if fault.status != FORBIDDEN:
                raise
            forbidden[kind] = next((error.detail for error in fault.errors if error.detail), fault.why)
    return Account(tuple(resources), portal=True, forbidden=forbidden)


def _app_ids(connect: Connect) -> Iterator[ResourceObject]:
    query = {"include": "bundleIdCapabilities", "limit[bundleIdCapabilities]": "50", "limit": MOST}
    app_ids, included = _read(connect, "/v1/bundleIds", query, MOST_PAGES)
    owners = {each: app_id["id"] for app_id in app_ids for each in _many(app_id, "bundleIdCapabilities")}
    yield from app_ids
    for capability in included:
        if capability["type"] == "bundleIdCapabilities" and capability["id"] in owners:
            yield _linked(capability, {"bundleId": {"data": {"type": "bundleIds", "id": owners[capability["id"]]}}})


def _certificates(connect: Connect) -> Iterator[ResourceObject]:
    yield from _read(connect, "/v1/certificates", {"limit": MOST}, MOST_PAGES)[0]


def _profiles(connect: Connect) -> Iterator[ResourceObject]:
    query = {"include": "bundleId,certificates", "limit[certificates]": "50", "limit": MOST}
    for profile in _read(connect, "/v1/profiles", query, MOST_PAGES)[0]:
        held = [{"type": "certificates", "id": each} for each in _identifiers(profile, "certificates")]
        yield _linked(profile, {"certificates": {"data": held}, "devices": {"data": []}})


def _devices(connect: Connect) -> Iterator[ResourceObject]:
    """Without what tells whose device it is: nobody needs that in a rehearsal."""
    for device in _read(connect, "/v1/devices", {"limit": MOST}, MOST_PAGES)[0]:
        shown = {name: device["attributes"].get(name) for name in ("platform", "deviceClass", "status", "model")}
        yield {**device, "attributes": {**shown, "name": device["id"], "udid": device["id"]}}


def _read(
    connect: Connect, path: str, query: Mapping[str, str], most: int | None = None
) -> tuple[list[ResourceObject], list[ResourceObject]]:
    """All resource objects of a list, and all that were included with them; what is none is left out."""
    found: list[ResourceObject] = []
    included: list[ResourceObject] = []
    for number, page in enumerate(connect.pages(path, **query), 1):
        if most is not None and number > most:
            raise OutOfReach(f"the list {path} has more than {most} pages", code="TOO_LONG")
        found += _objects(page.get("data"))
        included += _objects(page.get("included"))
    return found, included


def _objects(listed: Any) -> Iterator[ResourceObject]:
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, dict) and isinstance(each.get("id"), str) and isinstance(each.get("type"), str):
            attributes = each.get("attributes")
            yield {**each, "attributes": attributes if isinstance(attributes, dict) else {}}


def _linked(resource: ResourceObject, links: ResourceObject) -> ResourceObject:
    return {**resource, "relationships": {**_relationships(resource), **links}}


def _relationships(resource: ResourceObject) -> Mapping[str, Any]:
    held = resource.get("relationships")
    return held if isinstance(held, dict) else {}


def _one(resource: ResourceObject, name: str) -> str:
    return next(iter(_identifiers(resource, name)), "")


def _many(resource: ResourceObject, name: str) -> set[str]:
    return set(_identifiers(resource, name))


def _identifiers(resource: ResourceObject, name: str) -> Iterable[str]:
    relation = _relationships(resource).get(name)
    data = relation.get("data") if isinstance(relation, dict) else None
    for each in data if isinstance(data, list) else [data]:
        if isinstance(each, dict) and isinstance(each.get("id"), str):
            yield each["id"]


def _schemas(http: Http, subject: Subject) -> Iterator[tuple[str, tuple[str, str]]]:
    """A container that CloudKit refuses is left out: the simulator refuses it likewise, and that becomes a finding."""
    from pipeline.apple.cloudkit.gateway import exported

    for container in subject.containers if subject.team_id else ():
        try:
            development = _schema(container, exported(http, subject.team_id, container, "DEVELOPMENT"))
            production = _schema(container, exported(http, subject.team_id, container, "PRODUCTION"))
        except OutOfReach:
            raise
        except AppleFailure as fault:
            if fault.code in NONSENSE:
                raise
            continue
        yield container, (development, production)


def _schema(container: str, text: str) -> str:
    """The text, if it is a schema: CloudKit begins each with these words, and somebody else's page has none of them."""
    if "DEFINE SCHEMA" in text.upper():
        return text
    raise AppleFailure(
        f"CloudKit's answer about {container} is no schema",
        why="it does not say DEFINE SCHEMA",
        remedy="check for a proxy that answers in Apple's place, then run again",
        code="NOT_A_SCHEMA",
    )
