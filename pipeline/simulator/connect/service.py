"""App Store Connect's front desk: who asks, for which route, with a valid query and document, and the answer's form."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from pipeline.simulator.connect import builds, listings, portal, testflight, uploads  # noqa: F401
from pipeline.simulator.connect.authorization import NOT_AUTHORIZED, RATE_LIMIT_EXCEEDED, Budgets, key_of
from pipeline.simulator.connect.documents import errors
from pipeline.simulator.connect.routes import ROUTES, Call, Refusal, refuse
from pipeline.simulator.contract import Contract, Objection
from pipeline.simulator.request import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.simulator.connect.portal import Issuer
    from pipeline.simulator.faults import Scenario
    from pipeline.simulator.state import State

HOST = "api.appstoreconnect.apple.com"
BODY_LIMIT = 4 * 1024 * 1024
JSON = "application/json"

_METHODS = ("GET", "POST", "PATCH", "DELETE")
_QUIRKS = frozenset({("GET /v1/bundleIds/{id}/bundleIdCapabilities", "limit")})
"""Parameters that the specification lists and Apple refuses as PARAMETER_ERROR.ILLEGAL, as several repositories say."""


def operations() -> list[str]:
    """The routes that are played: "METHOD path" as in Apple's OpenAPI document, sorted."""
    return sorted(ROUTES)


def template(path: str) -> str:
    """The path with {id} for its identifier: in all of Apple's paths the third part is one."""
    parts = path.split("/")
    if len(parts) > 3 and parts[1] == "v1":
        parts[3] = "{id}"
    return "/".join(parts)


class Connect:
    """App Store Connect over a state."""

    def __init__(self, state: State, scenario: Scenario, keys: Mapping[str, str] | None, issuer: Issuer | None) -> None:
        self._state = state
        self._scenario = scenario
        self._keys = keys
        self._issuer = issuer
        self._budgets = Budgets(scenario.rate_limit)
        self._requests = 0

    def answer(self, request: Request, origins: tuple[str, str]) -> Answer:
        """Answer one request. `origins` are those of the API and of the upload host."""
        self._requests += 1
        authorization = request.headers.get("authorization", "")
        key = key_of(authorization, request.now, remote=request.remote, keys=self._keys)
        within, budget = self._budgets.spend(key or "", request.now)
        shown = {"x-rate-limit": budget}
        if key is None or not within:
            return self._refused(Refusal([NOT_AUTHORIZED if key is None else RATE_LIMIT_EXCEEDED]), shown)
        try:
            name = _operation(request.method, request.path)
            if not _acceptable(request.headers.get("accept", "*/*")):
                return 406, {**shown, "content-type": "text/plain"}, b"Not Acceptable"
            call = Call(self._state, self._scenario, Contract.load(), request.now, self._issuer)
            call.origin, call.upload_origin = origins
            call.path, call.effect = request.path, name
            call.id = request.path.split("/")[3] if name.count("/") > 2 else ""
            self._read(call, name, request)
            document = ROUTES[name](call)
            status = int(call.contract.operations[name]["success"])
        except Refusal as refusal:
            return self._refused(refusal, shown)
        if document is None:
            return status, shown, b""
        return status, {**shown, "content-type": JSON}, _dump(document)

    def fault(self, objection: Objection, now: float) -> Answer:
        """An error that the scenario asks for, in the form of any other; it is on no key's budget."""
        _, budget = self._budgets.spend("", now)
        self._requests += 1
        return self._refused(Refusal([objection]), {"x-rate-limit": budget})

    def _refused(self, refusal: Refusal, shown: dict[str, str]) -> Answer:
        request = f"00000000-0000-4000-a000-{self._requests:010x}"
        document = errors(refusal.objections, request)
        return refusal.objections[0].status, {**shown, "content-type": JSON}, _dump(document)

    def _read(self, call: Call, name: str, request: Request) -> None:
        call.raw_query = _pairs(request.query)
        objections = call.contract.query_objections(name, call.raw_query)
        for parameter, value in call.raw_query:
            if (name, parameter) in _QUIRKS:
                detail = f"The parameter '{parameter}' can not be used with this request"
                title = "A parameter is not allowed for this request"
                objections.append(Objection(400, "PARAMETER_ERROR.ILLEGAL", title, detail, {"parameter": parameter}))
            held = call.query.get(parameter)
            call.query[parameter] = value if held is None else f"{held},{value}"
        if objections:
            raise Refusal(objections)
        if "body" in call.contract.operations[name]:
            call.document = _document(request)
            objections = call.contract.body_objections(name, call.document)
            if objections:
                raise Refusal(objections)
            if name.startswith("PATCH") and call.document["data"].get("id") != call.id:
                detail = "The id of the entity must be the id in the path"
                title = "The provided entity includes an invalid id"
                refuse(409, "ENTITY_ERROR.ID.INVALID", title, detail, {"pointer": "/data/id"})


def _operation(method: str, path: str) -> str:  # noqa: RET503
    shape = template(path)
    name = f"{method} {shape}"
    if name in ROUTES:
        return name
    if any(f"{other} {shape}" in ROUTES for other in _METHODS):
        title = "The request method is not valid for the resource path."
        detail = f"The request method used for this request is not valid for the resource path '{path}'"
        refuse(405, "METHOD_NOT_ALLOWED", title, detail)
    title = "The URL path is not valid"
    parts = shape.split("/")
    if len(parts) > 4 and f"GET {'/'.join(parts[:4])}" in ROUTES:
        refuse(404, "PATH_ERROR", title, f"The relationship '{parts[-1]}' does not exist")
    refuse(404, "PATH_ERROR", title, f"The path provided does not match a defined resource type: '{path}'")


def _acceptable(accept: str) -> bool:
    return not accept or any(word in accept for word in ("*/*", "application/*", JSON, "application/vnd.api+json"))


def _document(request: Request) -> Any:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in (JSON, "application/vnd.api+json"):
        title = "The request's content type is not supported"
        refuse(415, "UNSUPPORTED_MEDIA_TYPE", title, f"Content type '{kind}' is not supported; use '{JSON}'")
    try:
        document = json.loads(request.body) if len(request.body) <= BODY_LIMIT else None
    except (ValueError, RecursionError):
        document = None
    if document is None:
        title = "The request entity is not a valid request document object"
        refuse(400, "ENTITY_INVALID", title, "The request document is not valid JSON", {"pointer": ""})
    return document


def _pairs(query: str) -> list[tuple[str, str]]:
    pairs = []
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        pairs.append((unquote_plus(name), unquote_plus(value)))
    return pairs


def _dump(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
