"""A thin client of the App Store Connect API: documents in and out, and errors a person can act on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from pipeline.apple.connect.documents import Resource, mapping_of, mappings_of, resources, text_of
from pipeline.model import AppleFailure
from pipeline.ports.http import Request
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.ports.http import Http, Response

HOST = "api.appstoreconnect.apple.com"
BASE = f"https://{HOST}"
PAGES_LIMIT = 500
PAGE = "200"
"""Apple's largest page; fewer pages use up less of the request budget."""
BODY_LIMIT, TEXT_LIMIT, WORD_LIMIT = 8192, 200, 40
"""Bytes that are read of an answer that is no document; characters that are told of it, and of one word in it."""
OMITTED = "[…]"
STAND_INS = frozenset({HOST, "127.0.0.1", "localhost"})
"""Hosts that a page's link may name. Only its path and query are used, so a token goes nowhere else."""


@dataclass(frozen=True)
class ApiError:
    """One error of an answer. Only `code` is stable; it is matched by its beginning (Apple, "Parsing Error Responses").

    `pointer` is the JSON pointer or the query parameter at fault; `resource` the path of the associated resource that
    an error was found on, where the error is not about the request itself.
    """

    code: str
    title: str = ""
    detail: str = ""
    pointer: str = ""
    resource: str = ""
    previous: str = ""
    """The build number that a refused one collides with, where Apple tells it."""

    def __str__(self) -> str:
        said = self.detail or self.title or self.code
        place = (
            " at " + " of ".join(p for p in (self.pointer, self.resource) if p) if self.pointer or self.resource else ""
        )
        return f"{said} [{self.code}{place}]" if self.code and said != self.code else f"{said}{place}"


class ConnectFault(AppleFailure):
    """App Store Connect answered that it did not do what was asked.

    Attributes:
        status: the HTTP status.
        errors: everything the answer says, associated errors included.

    """

    def __init__(self, what: str, status: int, errors: tuple[ApiError, ...], *, ambiguous: bool = False) -> None:
        code = errors[0].code if errors else f"HTTP_{status}"
        why = "; ".join(str(error) for error in errors) or f"HTTP status {status}"
        super().__init__(what, why=why, remedy=remedy_for(status, errors), code=code, ambiguous=ambiguous)
        self.status = status
        self.errors = errors

    def says(self, *beginnings: str) -> bool:
        """Whether any error's code begins like that."""
        return any(error.code.startswith(beginnings) for error in self.errors)

    def points_at(self, name: str) -> bool:
        """Whether any error is about that attribute."""
        return any(name in error.pointer or name in error.detail for error in self.errors)


_REMEDIES = (
    ("ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE", "raise the build number (CURRENT_PROJECT_VERSION) and build again"),
    (
        "FORBIDDEN.REQUIRED_AGREEMENTS",
        "have the Account Holder accept the agreements at https://appstoreconnect.apple.com/business",
    ),
    (
        "FORBIDDEN_ERROR",
        "give the API key a role that may do this (App Manager), and check that the membership has not expired",
    ),
    ("RATE_LIMIT_EXCEEDED", "wait until the rolling hour frees requests, and look what else uses the same key"),
    ("STATE_ERROR", "look at the state in App Store Connect; it changed, or somebody else is at work there"),
)
_REMEDIES_BY_STATUS = {
    401: "check ASC_KEY_ID, ASC_ISSUER_ID and ASC_PRIVATE_KEY, that the key is not revoked, and the machine's clock",
    403: "give the API key a role that may do this (App Manager)",
    404: "check that the key belongs to the team that owns the app; somebody may have deleted it",
    409: "look at the state in App Store Connect, then run again",
    422: "look at the state in App Store Connect, then run again",
    429: "wait until the rolling hour frees requests, and look what else uses the same key",
}


def remedy_for(status: int, errors: tuple[ApiError, ...]) -> str:
    """The next thing to do about an answer."""
    if 300 <= status < 400:
        return "look for a proxy or a network that wants a sign-in first: Apple's API redirects nobody; then run again"
    for beginning, remedy in _REMEDIES:
        if any(error.code.startswith(beginning) for error in errors):
            return remedy
    if status >= 500:
        return "see https://developer.apple.com/system-status/, then run again: what was done is not done twice"
    return _REMEDIES_BY_STATUS.get(status, "this is the pipeline's own fault: report it with the text above")


class Connect:
    """Speaks JSON:API with App Store Connect through an Http port, which authorises and retries.

    Paths begin with /v1. Query values are text; a filter is given as `**{"filter[app]": id}`.

    Raises:
        ConnectFault: the answer is not a success. `ambiguous` when a write may have taken effect all the same.
        AppleFailure: no answer came.
        CredentialsMissing: the port has no key.

    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, path: str, **query: str) -> Mapping[str, Any]:
        """One document."""
        return self._ask("GET", path + (f"?{urlencode(query)}" if query else ""))

    def pages(self, path: str, **query: str) -> Iterator[Mapping[str, Any]]:
        """The documents of a list, page by page, as `links.next` tells. No link is followed twice or off the host."""
        document = _listing(path, self.get(path, **query))
        seen: set[str] = set()
        yield document
        while following := _following(document):
            if following in seen or len(seen) >= PAGES_LIMIT:
                raise AppleFailure(
                    f"the list {path} does not end",
                    why=f"page {len(seen) + 1} leads to a page that was read already, or there are too many",
                    remedy="run again later; if it stays, report it to Apple",
                    code="PAGING",
                )
            seen.add(following)
            document = _listing(path, self._ask("GET", following))
            yield document

    def list(self, path: str, **query: str) -> tuple[tuple[Resource, ...], tuple[Resource, ...]]:
        """All resources of a list, and all that were included with them."""
        found: list[Resource] = []
        included: list[Resource] = []
        for document in self.pages(path, **{"limit": PAGE, **query}):
            found += resources(document)
            included += resources(document, "included")
        return tuple(found), tuple(included)

    def post(self, path: str, body: Mapping[str, Any], *, repeatable: bool | None = None) -> Mapping[str, Any]:
        """Create. `repeatable` says that doing it twice does no harm."""
        return self._ask("POST", path, body, repeatable=repeatable)

    def patch(self, path: str, body: Mapping[str, Any], *, repeatable: bool | None = None) -> Mapping[str, Any]:
        """Change."""
        return self._ask("PATCH", path, body, repeatable=repeatable)

    def delete(self, path: str, body: Mapping[str, Any] | None = None, *, repeatable: bool | None = None) -> None:
        """Delete a resource, or the links in `body`."""
        self._ask("DELETE", path, body, repeatable=repeatable)

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, repeatable: bool | None = None
    ) -> Mapping[str, Any]:
        headers = {"accept": "application/json"}
        data = None
        if body is not None:
            headers["content-type"] = "application/json"
            data = json.dumps(body).encode()
        request = Request(method, BASE + path, headers, data, repeatable=repeatable)
        response = self._http.send(request)
        if not 200 <= response.status < 300:
            raise fault_of(request, response)
        if response.status in (202, 204) or not response.body:
            return {}
        return _document(request, response)


def fault_of(request: Request, response: Response) -> ConnectFault:
    """What an answer that is no success says."""
    what = f"App Store Connect refused {request.method} {urlsplit(request.url).path}"
    if response.status >= 500:
        what = f"App Store Connect failed at {request.method} {urlsplit(request.url).path}"
    if 300 <= response.status < 400:
        what = f"something between you and Apple redirects {request.method} {urlsplit(request.url).path}"
    unknown_effect = response.status >= 500 and request.method not in ("GET", "HEAD")
    return ConnectFault(what, response.status, errors_of(response), ambiguous=unknown_effect)


def errors_of(response: Response) -> tuple[ApiError, ...]:
    """The errors of an answer, associated errors flattened; the first line of the text where it is no document."""
    try:
        document = response.json()
    except (ValueError, RecursionError):
        document = None
    listed = mappings_of(document, "errors") if isinstance(document, Mapping) else ()
    found = [error for item in listed for error in _flattened(item, "")]
    if found:
        return tuple(found)
    text = _plain_text(response.body)
    return (ApiError(f"HTTP_{response.status}", detail=text),) if text else ()


def _flattened(item: Mapping[str, Any], resource: str) -> Iterator[ApiError]:
    source, meta = mapping_of(item, "source"), mapping_of(item, "meta")
    yield ApiError(
        text_of(item, "code"),
        text_of(item, "title"),
        text_of(item, "detail"),
        text_of(source, "pointer") or text_of(source, "parameter"),
        resource,
        text_of(meta, "previousBundleVersion"),
    )
    if resource:
        return
    associated = mapping_of(meta, "associatedErrors")
    for path in associated:
        for inner in mappings_of(associated, path):
            yield from _flattened(inner, str(path))


def _plain_text(body: bytes) -> str:
    """What a gateway's page says, without its markup, at most TEXT_LIMIT characters.

    Redaction knows a credential only as a whole, so no word is cut: a long one is left out, and the rest ends before
    the word that would not fit.
    """
    text = body[:BODY_LIMIT].decode("utf-8", "replace")
    plain: list[str] = []
    inside = False
    for character in text:
        if character == "<":
            inside = True
            plain.append(" ")
        elif character == ">":
            inside = False
        elif not inside:
            plain.append(character if character.isprintable() else " ")
    words = "".join(plain).split()
    if len(body) > BODY_LIMIT:
        words = words[:-1]
    told = ""
    for word in words:
        longer = f"{told} {word if len(word) <= WORD_LIMIT else OMITTED}".strip()
        if len(longer) > TEXT_LIMIT:
            break
        told = longer
    return told


def _listing(path: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document, if it is a list of resources. Nothing is no empty list: it would say that nobody has a build."""
    data, included = document.get("data"), document.get("included", [])
    listed = [*data, *included] if isinstance(data, list) and isinstance(included, list) else [None]
    if all(isinstance(each, Mapping) and text_of(each, "type") and text_of(each, "id") for each in listed):
        return document
    raise AppleFailure(
        f"App Store Connect's answer to GET {path} is no list",
        why="it holds no resources under `data`, or something else among them",
        remedy="check for a proxy that answers in Apple's place, then run again",
        code="NOT_A_DOCUMENT",
    )


def _document(request: Request, response: Response) -> Mapping[str, Any]:
    try:
        document = response.json()
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, Mapping):
        return document
    raise AppleFailure(
        f"App Store Connect's answer to {request.method} {urlsplit(request.url).path} cannot be read",
        why=f"status {response.status}, but no JSON document: {_plain_text(response.body) or 'nothing readable'}",
        remedy="check for a proxy that answers in Apple's place, then run again",
        code="NOT_A_DOCUMENT",
        ambiguous=not request.may_repeat,
    )


def _following(document: Mapping[str, Any]) -> str:
    link = text_of(mapping_of(document, "links"), "next")
    if not link:
        return ""
    parts = urlsplit(link)
    if parts.hostname not in STAND_INS:
        raise AppleFailure(
            "App Store Connect's list leads to another host",
            why=f"the next page is said to be at {parts.hostname}",
            remedy="check for a proxy that answers in Apple's place",
            code="PAGING",
        )
    return parts.path + (f"?{parts.query}" if parts.query else "")
