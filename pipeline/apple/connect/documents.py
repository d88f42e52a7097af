"""App Store Connect's JSON:API documents, read so that a missing or misshapen member never ends in a traceback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from pipeline.values import dataclass


@dataclass(frozen=True)
class Resource:
    """One resource object. Apple answers null for attributes that its description does not call nullable."""

    type: str
    id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    related: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ids by relationship name, where the answer tells them."""

    def text(self, name: str) -> str:
        """The attribute, or nothing when it is not text."""
        return text_of(self.attributes, name)

    def flag(self, name: str) -> bool | None:
        """The attribute, or None when it is neither true nor false."""
        value = self.attributes.get(name)
        return value if isinstance(value, bool) else None

    def number(self, name: str) -> int | None:
        """The attribute, or None when it is not a whole number."""
        return number_of(self.attributes, name)

    def members(self, name: str) -> Mapping[str, Any]:
        """The attribute, or nothing when it is not an object."""
        return mapping_of(self.attributes, name)

    def moment(self, name: str) -> datetime | None:
        """The attribute as an aware time in UTC; Apple writes offsets such as -07:00 as well as Z."""
        return moment_of(self.text(name))

    def one(self, relationship: str) -> str:
        """The id of a to-one relationship, or nothing."""
        return next(iter(self.related.get(relationship, ())), "")


def resource(document: object) -> Resource:
    """The one resource of a document; an empty one when there is none."""
    data = document.get("data") if isinstance(document, Mapping) else None
    return _resource(data) or Resource("", "")


def resources(document: object, member: str = "data") -> tuple[Resource, ...]:
    """The resources of a document's `data` or `included`."""
    items = document.get(member) if isinstance(document, Mapping) else None
    found = [_resource(item) for item in items] if isinstance(items, list) else [_resource(items)]
    return tuple(one for one in found if one is not None)


def by_id(found: tuple[Resource, ...]) -> dict[tuple[str, str], Resource]:
    """Resources by type and id."""
    return {(one.type, one.id): one for one in found}


def text_of(members: Mapping[str, Any], name: str) -> str:
    """The member, or nothing when it is not text."""
    value = members.get(name)
    return value if isinstance(value, str) else ""


def number_of(members: Mapping[str, Any], name: str) -> int | None:
    """The member, or None when it is not a whole number."""
    value = members.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def mapping_of(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The member, or nothing when it is not an object."""
    value = members.get(name)
    return value if isinstance(value, Mapping) else {}


def mappings_of(members: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], ...]:
    """The objects among the items of a member."""
    value = members.get(name)
    return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else ()


def moment_of(text: str) -> datetime | None:
    """An RFC 3339 time, aware, in UTC; None when it cannot be read."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _resource(item: object) -> Resource | None:
    if not isinstance(item, Mapping):
        return None
    kind, name = text_of(item, "type"), text_of(item, "id")
    if not kind or not name:
        return None
    linked = mapping_of(item, "relationships")
    related = {key: _ids(value.get("data")) for key, value in linked.items() if isinstance(value, Mapping)}
    return Resource(kind, name, mapping_of(item, "attributes"), related)


def _ids(data: object) -> tuple[str, ...]:
    items = data if isinstance(data, list) else [data]
    return tuple(text_of(item, "id") for item in items if isinstance(item, Mapping) and text_of(item, "id"))
