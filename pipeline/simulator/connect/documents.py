"""JSON:API documents: resources as Apple shows them, lists with filters, order and pages, and errors."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pipeline.simulator.connect.relations import linked_records, shown_attributes, visible
from pipeline.simulator.connect.routes import not_found, refuse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.simulator.connect.routes import Call
    from pipeline.simulator.contract import Objection
    from pipeline.simulator.state import Record

DEFAULT_LIMIT = 50
PORTAL_LIMIT = 20
"""Page sizes when no limit is given; the specification names none, these are what answers in public traces show."""

_PORTAL = frozenset({"bundleIds", "bundleIdCapabilities", "certificates", "devices", "profiles"})
_LOOSE_FILTERS = frozenset({("apps", "bundleId"), ("bundleIds", "identifier")})
"""Filters that match any value which contains the one asked for: ittybittyapps/appstoreconnect-cli issue 249 (neither
exact nor by prefix), codemagic-ci-cd/cli-tools issue 63."""

_IGNORED_FILTERS = frozenset({("bundleIds", "platform")})
"""codemagic-ci-cd/cli-tools pull request 76: Apple does not respect filter[platform] of this list."""


def one(call: Call, record: Record) -> dict[str, Any]:
    """The document of a single resource. An invisible one is 404, as Apple answers for a build that just arrived."""
    if not visible(call, record):
        not_found(record.kind, record.id)
    includes = _includes(call)
    document: dict[str, Any] = {"data": resource(call, record, includes)}
    _add_included(call, document, [record], includes)
    document["links"] = {"self": _self(call)}
    return document


def related_one(call: Call, record: Record, name: str) -> dict[str, Any]:
    """The document of a to-one related resource; 404 where there is none."""
    found = linked_records(call, record, name)
    if not found:
        not_found(call.contract.shape(record.kind).relationships[name].kind, record.id)
    return one(call, found[0])


def many(call: Call, kind: str, records: Iterable[Record] | None = None) -> dict[str, Any]:
    """The document of a list: visible, filtered, ordered and cut into pages by the query."""
    chosen = [r for r in (call.state.table(kind).values() if records is None else records) if visible(call, r)]
    for name, value in call.query.items():
        if name.startswith(("filter[", "exists[")):
            chosen = _filtered(call, kind, chosen, name, value)
    chosen = _ordered(call, chosen)
    limit = int(call.query.get("limit") or (PORTAL_LIMIT if kind in _PORTAL else DEFAULT_LIMIT))
    page, links, meta = _page(call, chosen, limit)
    includes = _includes(call)
    document: dict[str, Any] = {"data": [resource(call, record, includes) for record in page]}
    _add_included(call, document, page, includes)
    return {**document, "links": links, "meta": meta}


def linkages(call: Call, record: Record, name: str) -> dict[str, Any]:
    """The document of a to-many relationship's linkages."""
    limit = int(call.query.get("limit") or DEFAULT_LIMIT)
    page, links, meta = _page(call, linked_records(call, record, name), limit)
    return {"data": [{"type": r.kind, "id": r.id} for r in page], "links": links, "meta": meta}


def resource(call: Call, record: Record, includes: Sequence[str] = ()) -> dict[str, Any]:
    """One resource object: every attribute of the contract (null when unset), links, and data of what is included."""
    shape = call.contract.shape(record.kind)
    values = shown_attributes(call, record)
    attributes = {name: values.get(name) for name in shape.attributes}
    own = f"{call.origin}/v1/{record.kind}/{record.id}"
    relationships: dict[str, Any] = {}
    for name, relation in shape.relationships.items():
        entry: dict[str, Any] = {}
        if name in includes and relation.data:
            found = linked_records(call, record, name)
            data = [{"type": r.kind, "id": r.id} for r in found]
            if relation.many:
                entry = {"meta": {"paging": {"total": len(data), "limit": DEFAULT_LIMIT}}, "data": data}
            elif data:
                entry = {"data": data[0]}
        if relation.linked:
            entry["links"] = {"self": f"{own}/relationships/{name}", "related": f"{own}/{name}"}
        if entry:
            relationships[name] = entry
    fields = call.query.get(f"fields[{record.kind}]")
    if fields is not None:
        wanted = fields.split(",")
        attributes = {name: value for name, value in attributes.items() if name in wanted}
        relationships = {name: value for name, value in relationships.items() if name in wanted}
    shown: dict[str, Any] = {"type": record.kind, "id": record.id, "attributes": attributes}
    if relationships:
        shown["relationships"] = relationships
    shown["links"] = {"self": own}
    return shown


def errors(objections: Sequence[Objection], request: str) -> dict[str, Any]:
    """An ErrorResponse document. `request` makes the errors' ids."""
    shown = []
    for number, objection in enumerate(objections):
        entry: dict[str, Any] = {} if objection.status == 401 else {"id": f"{request}{number:02x}"}
        entry["status"] = str(objection.status)
        entry["code"] = objection.code
        entry["title"] = objection.title
        entry["detail"] = objection.detail
        if objection.source:
            entry["source"] = dict(objection.source)
        if objection.meta:
            entry["meta"] = dict(objection.meta)
        shown.append(entry)
    return {"errors": shown}


def _page(call: Call, records: Sequence[Record], limit: int) -> tuple[Sequence[Record], dict[str, Any], dict[str, Any]]:
    """The page that the query's cursor and limit cut out, and the document's links and meta."""
    start = _start(call, len(records))
    links: dict[str, Any] = {"self": _self(call)}
    paging: dict[str, Any] = {"total": len(records), "limit": limit}
    if start + limit < len(records):
        cursor = base64.urlsafe_b64encode(f"at.{start + limit}".encode()).decode().rstrip("=")
        paging["nextCursor"] = cursor
        links["next"] = _self(call, cursor)
    return records[start : start + limit], links, {"paging": paging}


def _includes(call: Call) -> list[str]:
    text = call.query.get("include")
    return text.split(",") if text else []


def _add_included(call: Call, document: dict[str, Any], records: Sequence[Record], includes: Sequence[str]) -> None:
    if not includes:
        return
    found: dict[tuple[str, str], Record] = {}
    for record in records:
        for name in includes:
            for other in linked_records(call, record, name):
                found.setdefault((other.kind, other.id), other)
    document["included"] = [resource(call, other) for other in found.values()]


def _filtered(call: Call, kind: str, records: list[Record], name: str, value: str) -> list[Record]:
    subject = name[7:-1]
    if (kind, subject) in _IGNORED_FILTERS:
        return records
    if name.startswith("exists["):
        return [r for r in records if (shown_attributes(call, r).get(subject) is not None) == (value == "true")]
    wanted = value.split(",")
    if (kind, subject) in _LOOSE_FILTERS:
        return [r for r in records if any(word in str(r.attributes.get(subject)) for word in wanted)]
    return [record for record in records if not _values(call, record, subject).isdisjoint(wanted)]


def _values(call: Call, record: Record, subject: str) -> set[str]:
    if subject == "id":
        return {record.id}
    head, _, rest = subject.partition(".")
    if head in call.contract.shape(record.kind).relationships:
        others = linked_records(call, record, head)
        if not rest:
            return {other.id for other in others}
        return {value for other in others for value in _values(call, other, rest)}
    value = shown_attributes(call, record).get(subject)
    if isinstance(value, dict):
        value = value.get(subject)
    if isinstance(value, list):
        return {str(item) for item in value}
    return {str(value).lower() if isinstance(value, bool) else str(value)}


def _ordered(call: Call, records: list[Record]) -> list[Record]:
    for key in reversed((call.query.get("sort") or "").split(",")):
        name = key.lstrip("-")
        if name:
            keyed = [(_sort_key(call, record, name), record) for record in records]
            keyed.sort(key=lambda entry: entry[0], reverse=key.startswith("-"))
            records = [record for _, record in keyed]
    return records


def _sort_key(call: Call, record: Record, name: str) -> tuple[Any, ...]:
    if name == "preReleaseVersion":
        return tuple(_sort_key(call, other, "version") for other in linked_records(call, record, name))
    value = record.id if name == "id" else shown_attributes(call, record).get(name)
    if name in ("version", "cfBundleVersion") and isinstance(value, str):
        return tuple((int(part) if part.isdigit() else 0, part) for part in value.split("."))
    return (value is not None, str(value))


def _start(call: Call, total: int) -> int:
    cursor = call.query.get("cursor")
    if cursor is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        start = int(text.removeprefix("at.")) if text.startswith("at.") else -1
    except (ValueError, binascii.Error):
        start = -1
    if not 0 <= start <= total:
        detail = f"'{cursor[:80]}' is not a valid cursor for this request"
        refuse(400, "PARAMETER_ERROR.INVALID", "A parameter has an invalid value", detail, {"parameter": "cursor"})
    return start


def _self(call: Call, cursor: str = "") -> str:
    pairs = [(name, value) for name, value in call.raw_query if not (cursor and name == "cursor")]
    if cursor:
        pairs.insert(0, ("cursor", cursor))
    query = "&".join(f"{quote(name)}={quote(value)}" for name, value in pairs)
    return f"{call.origin}{call.path}?{query}" if query else f"{call.origin}{call.path}"
