"""What Apple's published contract asks of a request, from our own digest of it: fast enough for every request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DIGEST = "contract-4.4.1.json"
DUPLICATE = "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE"


class Objection(NamedTuple):
    """One error of an ErrorResponse document. `source` is {"pointer": …}, {"parameter": …} or empty."""

    status: int
    code: str
    title: str
    detail: str
    source: Mapping[str, str] = {}
    meta: Mapping[str, Any] = {}


class Relationship(NamedTuple):
    """A relationship of a resource: the kind it leads to, whether to many, whether Apple shows links and data."""

    kind: str
    many: bool
    linked: bool
    data: bool


class Shape(NamedTuple):
    """A resource as Apple shows it: attribute name -> type, and its relationships."""

    attributes: Mapping[str, str]
    relationships: Mapping[str, Relationship]


class Contract:
    """The digest.

    Types are written "string", "date-time", "integer", "boolean", "object", "$Enum", in brackets for a list, with "*"
    when required and "?" when null is allowed. Relationships are written "kind" or "[kind]", with "&" when Apple shows
    links and "-" when it shows no data.
    """

    _loaded: Contract | None = None

    def __init__(self, digest: Mapping[str, Any]) -> None:
        self.version: str = digest["version"]
        self.enums: dict[str, frozenset[str]] = {name: frozenset(v.split()) for name, v in digest["enums"].items()}
        self.operations: Mapping[str, Mapping[str, Any]] = digest["operations"]
        self._resources: Mapping[str, Mapping[str, Any]] = digest["resources"]
        self._shapes: dict[str, Shape] = {}
        self._parameters: dict[str, dict[str, tuple[str, frozenset[str]]]] = {}

    @classmethod
    def load(cls) -> Contract:
        """The digest that lies beside this module, read once."""
        if cls._loaded is None:
            import json
            from pathlib import Path

            cls._loaded = cls(json.loads((Path(__file__).parent / DIGEST).read_bytes()))
        return cls._loaded

    def shape(self, kind: str) -> Shape:
        """How a resource of this kind is shown."""
        shape = self._shapes.get(kind)
        if shape is None:
            raw = self._resources[kind]
            relationships = {name: relationship(text) for name, text in raw["relationships"].items()}
            shape = self._shapes[kind] = Shape(raw["attributes"], relationships)
        return shape

    def query_objections(self, operation: str, query: Sequence[tuple[str, str]]) -> list[Objection]:
        """What is wrong with a query: unknown parameters and values outside their enums and limits."""
        known = self._parameters_of(operation)
        found: list[Objection] = []
        given = set()
        for name, value in query:
            if name == "cursor":
                continue
            if name not in known:
                found.append(_illegal(name))
                continue
            given.add(name)
            kind, allowed = known[name]
            found.extend(_value_objections(name, value, kind, allowed))
        for name, (kind, _) in known.items():
            if kind.endswith("*") and name not in given:
                found.append(
                    Objection(
                        400,
                        "PARAMETER_ERROR.REQUIRED",
                        "A required parameter is missing",
                        f"The parameter '{name}' is required but was not provided",
                        {"parameter": name},
                    )
                )
        return found

    def body_objections(self, operation: str, document: Any) -> list[Objection]:
        """What is wrong with a request document: its type, attributes and relationships."""
        body = self.operations[operation].get("body")
        if body is None:
            return []
        data = document.get("data") if isinstance(document, dict) else None
        if "linkage" in body:
            return _linkage_objections(data, relationship(body["linkage"]))
        if not isinstance(data, dict):
            return [_invalid_entity("The document must have a member 'data' that is an object", "/data")]
        if data.get("type") != body["type"]:
            return [_wrong_type(data.get("type"), body["type"])]
        attributes = data.get("attributes") or {}
        relationships = data.get("relationships") or {}
        if not isinstance(attributes, dict) or not isinstance(relationships, dict):
            return [_invalid_entity("'attributes' and 'relationships' must be objects", "/data")]
        found = self._attribute_objections(body["type"], body["attributes"], attributes)
        found.extend(_relationship_objections(body["relationships"], relationships))
        return found

    def _attribute_objections(self, kind: str, known: Mapping[str, str], given: Mapping[str, Any]) -> list[Objection]:
        found = []
        for name, value in given.items():
            if name not in known:
                detail = f"The attribute '{name}' is not an attribute on the resource '{kind}' for this request"
                title = "The provided entity includes an unknown attribute"
                found.append(
                    Objection(409, "ENTITY_ERROR.ATTRIBUTE.UNKNOWN", title, detail, _pointer("attributes", name))
                )
            elif value is None and "?" not in known[name]:
                found.append(_attribute_required(name))
            elif value is not None and not self.fits(known[name].rstrip("*?"), value):
                found.append(_attribute_invalid(name, value))
        found.extend(_attribute_required(name) for name, spec in known.items() if "*" in spec and name not in given)
        return found

    def fits(self, spec: str, value: Any) -> bool:
        """Whether a value is of a type of the digest."""
        if spec.startswith("["):
            return isinstance(value, list) and all(self.fits(spec[1:-1], item) for item in value)
        if spec.startswith("$"):
            return isinstance(value, str) and value in self.enums[spec[1:]]
        if spec == "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        if spec == "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        if spec == "boolean":
            return isinstance(value, bool)
        if spec == "object":
            return isinstance(value, dict)
        return isinstance(value, str)

    def _parameters_of(self, operation: str) -> dict[str, tuple[str, frozenset[str]]]:
        cached = self._parameters.get(operation)
        if cached is None:
            cached = {}
            for name, spec in self.operations[operation].get("query", {}).items():
                cached[name] = (spec, self._allowed(name, spec.rstrip("*")))
            self._parameters[operation] = cached
        return cached

    def _allowed(self, name: str, spec: str) -> frozenset[str]:
        if spec == "fields":
            shape = self._resources[name[len("fields[") : -1]]
            return frozenset(shape["attributes"]) | frozenset(shape["relationships"])
        if spec.startswith("$"):
            return self.enums[spec[1:]]
        if name in ("sort", "include"):
            words = spec.split()
            return frozenset(words) | (frozenset(f"-{word}" for word in words) if name == "sort" else frozenset())
        return frozenset()


def relationship(text: str) -> Relationship:
    """A relationship from its written form."""
    bare = text.rstrip("&-*?")
    flags = text[len(bare) :]
    many = bare.startswith("[")
    return Relationship(bare[1:-1] if many else bare, many, "&" in flags, "-" not in flags)


def _value_objections(name: str, value: str, kind: str, allowed: frozenset[str]) -> list[Objection]:
    if kind.startswith("<="):
        most = int(kind[2:].rstrip("*"))
        if not value.isascii() or not value.isdigit() or not 1 <= int(value[:10]) <= most:
            detail = f"'{value}' is not a valid limit for this request. It must be between 1 and {most}."
            return [_invalid_parameter(name, detail)]
        return []
    if kind == "boolean" and value not in ("true", "false"):
        return [_invalid_parameter(name, f"'{value}' is not a valid boolean")]
    if not allowed:
        return []
    what = "field name" if name.startswith("fields[") else "relationship name" if name == "include" else "value"
    wrong = [word for word in value.split(",") if word not in allowed]
    return [_invalid_parameter(name, f"'{word}' is not a valid {what}") for word in wrong]


def _relationship_objections(known: Mapping[str, str], given: Mapping[str, Any]) -> list[Objection]:
    found = []
    for name, value in given.items():
        if name not in known:
            title = "The provided entity includes an unknown relationship"
            detail = f"'{name}' is not a relationship on the resource for this request"
            found.append(
                Objection(409, "ENTITY_ERROR.RELATIONSHIP.UNKNOWN", title, detail, _pointer("relationships", name))
            )
            continue
        shape = relationship(known[name])
        data = value.get("data") if isinstance(value, dict) else None
        if shape.many:
            good = isinstance(data, list) and all(_is_linkage(item, shape.kind) for item in data)
        else:
            good = _is_linkage(data, shape.kind)
        if not good:
            found.append(relationship_invalid(name, f"The relationship '{name}' must hold {shape.kind}"))
    for name, text in known.items():
        if "*" in text and name not in given:
            title = "The provided entity is missing a required relationship"
            detail = f"You must provide a value for the relationship '{name}' with this request"
            found.append(
                Objection(409, "ENTITY_ERROR.RELATIONSHIP.REQUIRED", title, detail, _pointer("relationships", name))
            )
    return found


def _linkage_objections(data: Any, shape: Relationship) -> list[Objection]:
    items = data if isinstance(data, list) else [data]
    if (shape.many and not isinstance(data, list)) or not all(isinstance(item, dict) for item in items):
        return [_invalid_entity("The member 'data' must hold resource linkages", "/data")]
    return [_wrong_type(item.get("type"), shape.kind) for item in items if not _is_linkage(item, shape.kind)]


def _is_linkage(value: Any, kind: str) -> bool:
    return isinstance(value, dict) and value.get("type") == kind and isinstance(value.get("id"), str)


def relationship_invalid(name: str, detail: str) -> Objection:
    """409 for a relationship that leads nowhere."""
    title = "The provided entity includes a relationship with an invalid value"
    return Objection(409, "ENTITY_ERROR.RELATIONSHIP.INVALID", title, detail, _pointer("relationships", name))


def attribute_invalid(name: str, detail: str, code: str = "ENTITY_ERROR.ATTRIBUTE.INVALID") -> Objection:
    """409 for an attribute with a value that Apple does not accept."""
    title = "The provided entity includes an attribute with an invalid value"
    return Objection(409, code, title, detail, _pointer("attributes", name))


def _attribute_invalid(name: str, value: object) -> Objection:
    return attribute_invalid(name, f"'{str(value)[:80]}' is not a valid value for the attribute '{name}'")


def _attribute_required(name: str) -> Objection:
    title = "The provided entity is missing a required attribute"
    detail = f"You must provide a value for the attribute '{name}' with this request"
    return Objection(409, "ENTITY_ERROR.ATTRIBUTE.REQUIRED", title, detail, _pointer("attributes", name))


def _wrong_type(given: object, wanted: str) -> Objection:
    title = "The provided entity is of the wrong type"
    detail = f"'{str(given)[:80]}' is not a valid type for this request; it must be '{wanted}'"
    return Objection(409, "ENTITY_ERROR.TYPE.INVALID", title, detail, {"pointer": "/data/type"})


def _invalid_entity(detail: str, pointer: str) -> Objection:
    title = "The request entity is not a valid request document object"
    return Objection(400, "ENTITY_INVALID", title, detail, {"pointer": pointer})


def _illegal(name: str) -> Objection:
    title = "A parameter is not allowed for this request"
    detail = f"The parameter '{name}' can not be used with this request"
    return Objection(400, "PARAMETER_ERROR.ILLEGAL", title, detail, {"parameter": name})


def _invalid_parameter(name: str, detail: str) -> Objection:
    title = "A parameter has an invalid value"
    return Objection(400, "PARAMETER_ERROR.INVALID", title, detail, {"parameter": name})


def _pointer(member: str, name: str) -> dict[str, str]:
    return {"pointer": f"/data/{member}/{name}"}
