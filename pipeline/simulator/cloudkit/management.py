"""CloudKit's management routes: teams, containers, and the schema of each environment."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from pipeline.simulator.clockface import pacific
from pipeline.simulator.cloudkit.multipart import NoFile, file_part
from pipeline.simulator.cloudkit.schema import Schema, SchemaFault, deletions, merged, read, write
from pipeline.simulator.faults import EMPTY_SCHEMA
from pipeline.simulator.request import Answer, Request
from pipeline.simulator.state import Record

if TYPE_CHECKING:
    from pipeline.simulator.faults import Scenario
    from pipeline.simulator.state import State

HOST = "api.icloud.apple.com"
DEVELOPMENT, PRODUCTION = "DEVELOPMENT", "PRODUCTION"
_PAGE = 50


class Refused(Exception):
    """A request that is answered with the error document {code, message, reason, …}."""

    def __init__(self, code: int, message: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.message = message
        self.reason = reason


class Call(NamedTuple):
    """One request to a route: `part` is the path's identifiers by name."""

    part: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    now: float


Route = Callable[["Management", Call], Answer]
ROUTES: dict[str, Route] = {}

_SCHEMA = "/v1/database/teams/{team}/containers/{container}/environments/{environment}"
_CONTAINER = "/v1/database/teams/{team}/containers/{container}"


def route(method: str, path: str) -> Callable[[Route], Route]:
    """Declare a route by the path as our notes of the interface write it."""

    def mark(function: Route) -> Route:
        ROUTES[f"{method} {path}"] = function
        return function

    return mark


class Management:
    """The management API over a state: containers are records with the text of both environments."""

    def __init__(self, state: State, scenario: Scenario) -> None:
        self._state = state
        self._scenario = scenario
        self._read: dict[str, Schema] = {}
        self._written: dict[str, str] = {}
        self._requests = 0

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        self._requests += 1
        if not request.headers.get("x-apple-cloudkit-management-token", "").strip():
            return self.error(401, "AuthenticationFailed", "no auth method found")
        try:
            function, part = _find(request.method, request.path)
            query = dict(parse_qsl(request.query))
            return function(self, Call(part, query, request.headers, request.body, request.now))
        except Refused as refused:
            return self.error(refused.code, refused.message, refused.reason)

    def error(self, code: int, message: str, reason: str, retry_after: int | None = None) -> Answer:
        """An error document. Apple's CKTool: {code, message, reason, detailedMessage?, requestUuid?, …}."""
        digest = hashlib.sha256(str(self._requests).encode()).hexdigest()
        uuid = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-a{digest[17:20]}-{digest[20:32]}"
        document: dict[str, Any] = {"code": code, "message": message, "reason": reason, "requestUuid": uuid}
        if retry_after is not None:
            document["retryAfterSeconds"] = retry_after
        return _json(code, document)

    def container(self, call: Call) -> Record:
        """The container the path names, of the team the path names; anything else is authorization-failed."""
        found = self._state.find("containers", call.part["container"])
        if found is None or call.part["team"] != self._scenario.team_id:
            raise Refused(403, "authorization-failed", "authorization-failed")
        return found

    def schema(self, container: Record, environment: str) -> Schema:
        """The schema of an environment; that of an unused container where a scenario gave a text no one can import."""
        text = container.hidden[environment]
        if text not in self._read:
            try:
                self._read[text] = read(text)
            except SchemaFault:
                self._read[text] = read(EMPTY_SCHEMA)
        return self._read[text]

    def exported(self, container: Record, environment: str) -> str:
        """The text that an export gives. A text that was observed at the real Apple is given as it was."""
        text = str(container.hidden[environment])
        if environment in container.hidden.get("observed", ()):
            return text
        if text not in self._written:
            self._written[text] = write(self.schema(container, environment))
        return self._written[text]

    def replace(self, container: Record, texts: Mapping[str, str], effect: str, now: float) -> None:
        """Keep new texts for environments, as one mutation."""
        observed = [name for name in container.hidden.get("observed", ()) if name not in texts]
        changed = container.altered(hidden={**texts, "observed": observed})
        detail = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
        self._state.change(effect, pacific(now), [changed], subject=f"containers/{container.id}", detail=detail)

    def deploy(self, identifier: str, now: float) -> None:
        """A person's click on Deploy Schema Changes in CloudKit Console. Raises KeyError for an unknown container."""
        container = self._state.table("containers")[identifier]
        development, production = (self.schema(container, name) for name in (DEVELOPMENT, PRODUCTION))
        text = write(merged(development, production))
        self.replace(container, {PRODUCTION: text}, "console: Deploy Schema Changes", now)

    def teams(self) -> list[dict[str, str]]:
        """The team of the account."""
        return [{"teamId": self._scenario.team_id, "teamName": self._scenario.team_name}]

    def containers(self) -> list[dict[str, str]]:
        """The team's containers by id."""
        shown = []
        for identifier, record in sorted(self._state.table("containers").items()):
            shown.append({"id": identifier, "teamId": self._scenario.team_id, "name": record.attributes["name"]})
        return shown


@route("GET", "/users/current/teams")
def get_teams(management: Management, _: Call) -> Answer:
    """CKTool JS 1.3.2: getTeams. 200 {teams}; the cheapest check of a token."""
    return _json(200, {"teams": management.teams()})


@route("GET", "/teams/{team}/containers")
def get_containers(management: Management, call: Call) -> Answer:
    """CKTool JS 1.3.2: getContainers. 200 {containers, nextKey?}; limit, startingAfterKey, sortDirection, q."""
    if call.part["team"] != management.teams()[0]["teamId"]:
        raise Refused(403, "authorization-failed", "authorization-failed")
    found = management.containers()
    wanted = call.query.get("q", "").lower()
    found = [item for item in found if wanted in item["id"].lower() or wanted in item["name"].lower()]
    if call.query.get("sortDirection") == "DESC":
        found.reverse()
    after = call.query.get("startingAfterKey")
    if after is not None:
        ids = [item["id"] for item in found]
        found = found[ids.index(after) + 1 :] if after in ids else []
    limit = call.query.get("limit", str(_PAGE))
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit[:6]) <= 1000:
        raise Refused(400, "BadRequestException", f"invalid limit '{limit[:20]}'")
    document: dict[str, Any] = {"containers": found[: int(limit)]}
    if len(found) > int(limit):
        document["nextKey"] = found[int(limit) - 1]["id"]
    return _json(200, document)


@route("GET", f"{_SCHEMA}/schema/export")
def export_schema(management: Management, call: Call) -> Answer:
    """CKTool JS 1.3.2: exportSchema. 200 text/plain; comments are lost and the order is the service's (Apple)."""
    container, environment = management.container(call), _environment(call)
    text = management.exported(container, environment)
    return 200, {"content-type": "text/plain;charset=UTF-8"}, text.encode()


@route("POST", f"{_SCHEMA}/schema/validate")
def validate_schema(management: Management, call: Call) -> Answer:
    """CKTool JS 1.3.2: validateSchema. 200 {isValid, errorMessage?}; production is refused, as measured by many."""
    container = management.container(call)
    _development_only(call)
    try:
        _acceptable(management, container, _uploaded(call))
    except (SchemaFault, Refused) as fault:
        if isinstance(fault, Refused) and fault.message == "BadRequestException" and fault.reason.startswith("body:"):
            raise
        return _json(200, {"isValid": False, "errorMessage": str(fault)})
    return _json(200, {"isValid": True})


@route("PUT", f"{_SCHEMA}/schema")
def import_schema(management: Management, call: Call) -> Answer:
    """CKTool JS 1.3.2: importSchema. 202; a full replacement of development; production is refused, as measured."""
    container = management.container(call)
    _development_only(call)
    try:
        schema = _acceptable(management, container, _uploaded(call))
    except SchemaFault as fault:
        raise Refused(400, "BadRequestException", str(fault)) from fault
    management.replace(container, {DEVELOPMENT: write(schema)}, f"PUT {_SCHEMA}/schema", call.now)
    return 202, {}, b""


@route("POST", f"{_SCHEMA}/reset")
def reset_to_production(management: Management, call: Call) -> Answer:
    """CKTool JS 1.3.2: resetToProduction. 202; development becomes what production is."""
    container = management.container(call)
    _development_only(call)
    effect = f"POST {_SCHEMA}/reset"
    management.replace(container, {DEVELOPMENT: container.hidden[PRODUCTION]}, effect, call.now)
    return 202, {}, b""


def _environment(call: Call) -> str:
    given = call.part["environment"].upper()
    if given not in (DEVELOPMENT, PRODUCTION):
        raise Refused(400, "BadRequestException", f"unknown environment '{given[:40]}'")
    return given


def _development_only(call: Call) -> None:
    if _environment(call) == PRODUCTION:
        raise Refused(400, "BadRequestException", "endpoint not applicable in the environment 'production'")


def _uploaded(call: Call) -> str:
    try:
        return file_part(call.headers.get("content-type", ""), call.body).decode("utf-8")
    except NoFile as fault:
        raise Refused(400, "BadRequestException", f"body: {fault}") from fault
    except UnicodeDecodeError as fault:
        raise SchemaFault(f"the text is not UTF-8 at byte {fault.start}") from fault


def _acceptable(management: Management, container: Record, text: str) -> Schema:
    """The new development schema; nothing managed by CloudKit or live in production may be missing from it."""
    schema = read(text)
    development = management.schema(container, DEVELOPMENT)
    for name in development.types:
        if name.startswith("cloudkit.") and name not in schema.types:
            raise Refused(400, "BadRequestException", "invalid attempt to delete cloudkit managed record type")
    lost = deletions(schema, management.schema(container, PRODUCTION))
    if lost:
        raise Refused(400, "BadRequestException", lost[0])
    types = dict(schema.types)
    if "Users" in development.types:
        types.setdefault("Users", development.types["Users"])
    return Schema(types, schema.roles)


def _find(method: str, path: str) -> tuple[Route, dict[str, str]]:
    parts = path.split("/")
    others = []
    for name, function in ROUTES.items():
        wanted, shape = name.split(" ")
        found = _match(shape.split("/"), parts)
        if found is not None:
            if wanted == method:
                return function, found
            others.append(wanted)
    if others:
        raise Refused(405, "MethodNotAllowed", f"use {' or '.join(others)}")
    raise Refused(404, "NotFound", "no such endpoint")


def _match(shape: list[str], parts: list[str]) -> dict[str, str] | None:
    if len(shape) != len(parts):
        return None
    found = {}
    for wanted, given in zip(shape, parts, strict=True):
        if wanted.startswith("{"):
            if not given:
                return None
            found[wanted[1:-1]] = unquote(given)
        elif wanted != given:
            return None
    return found


def template(method: str, path: str) -> str:
    """The path with names for its identifiers, as faults name routes; the path itself when no route has it."""
    parts = path.split("/")
    for name in ROUTES:
        wanted, shape = name.split(" ")
        if wanted == method and _match(shape.split("/"), parts) is not None:
            return shape
    return path


def _json(status: int, document: Any) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(document, separators=(",", ":")).encode()
