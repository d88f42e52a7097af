"""Compares two schemas and says what each difference would do to a container that people already use."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pipeline.apple.cloudkit.schema import IMPLICIT_FIELDS, FieldType, RecordType, SchemaField
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.apple.cloudkit.schema import Schema


class Kind(StrEnum):
    """What differs."""

    TYPE = "record type"
    FIELD = "field"
    INDEX = "index"
    GRANT = "grant"
    ROLE = "role"


class Turn(StrEnum):
    """How it differs, seen from the container."""

    ADDED = "+"
    REMOVED = "-"
    CHANGED = "~"


class Effect(StrEnum):
    """What the change means for a container. Only what is not DESTRUCTIVE can be deployed to production."""

    ADDITIVE = "ADDITIVE"
    DESTRUCTIVE = "DESTRUCTIVE"
    INDEX_ONLY = "INDEX_ONLY"
    PERMISSION = "PERMISSION"


DEPLOYING = "Apple, Deploying an iCloud Container's Schema"
TEXT_SCHEMA = "Apple, Integrating a Text-Based Schema into Your Workflow"
ENCRYPTED_VALUES = "Apple, CKRecord.encryptedValues"
MANAGED = "CloudKit's answer: invalid attempt to delete cloudkit managed record type"
INFERRED = "inferred: Apple refuses what may lose data"


@dataclass(frozen=True)
class Change:
    """One thing that would have to change in the container to make it say what the local schema says.

    `before` is what the container has, `after` what the local schema has; `line` and `column` are places in the
    local schema, 0 where it says nothing. `source` names the page or answer that the effect rests on.
    """

    kind: Kind
    turn: Turn
    record_type: str
    name: str
    effect: Effect
    before: str = ""
    after: str = ""
    source: str = ""
    line: int = 0
    column: int = 0

    @property
    def subject(self) -> str:
        """The thing itself: "Node", "Node.tags"."""
        if self.kind in (Kind.FIELD, Kind.INDEX):
            return f"{self.record_type}.{self.name}"
        return self.record_type or self.name

    def __str__(self) -> str:
        if self.turn is Turn.CHANGED:
            return f"{self.turn} {self.kind} {self.subject}: {self.before} → {self.after}"
        text = f"{self.turn} {self.kind} "
        said = self.after or self.before
        if self.kind is Kind.INDEX:
            return f"{text}{said} on {self.subject}"
        if self.kind is Kind.GRANT:
            return f"{text}{said} to {self.name} on {self.record_type}"
        return f"{text}{self.subject} {said}".rstrip()


def compare(local: Schema, container: Schema) -> tuple[Change, ...]:
    """What differs, in the order of the local schema, then what only the container has.

    The implicit fields are there whether a text mentions them or not; only their indexes can differ. CloudKit's own
    record types cannot be made by hand, so their absence from the container is no difference.
    """
    return (*_roles(local, container), *_types(local, container))


def _roles(local: Schema, container: Schema) -> Iterator[Change]:
    here, there = {role.name for role in local.roles}, {role.name for role in container.roles}
    for role in local.roles:
        if role.name not in there:
            yield Change(
                Kind.ROLE,
                Turn.ADDED,
                "",
                role.name,
                Effect.PERMISSION,
                source=DEPLOYING,
                line=role.line,
                column=role.column,
            )
    for role in container.roles:
        if role.name not in here:
            yield Change(Kind.ROLE, Turn.REMOVED, "", role.name, Effect.PERMISSION, source=INFERRED)


def _types(local: Schema, container: Schema) -> Iterator[Change]:
    for ours in local.types:
        theirs = container.by_name.get(ours.name)
        if theirs is not None:
            yield from _fields(ours, theirs)
            yield from _grants(ours, theirs)
        elif not ours.is_system:
            yield Change(
                Kind.TYPE,
                Turn.ADDED,
                ours.name,
                ours.name,
                Effect.ADDITIVE,
                after=_size(ours),
                source=DEPLOYING,
                line=ours.line,
                column=ours.column,
            )
    for theirs in container.types:
        if theirs.name not in local.by_name and theirs.name != "Users":
            yield Change(
                Kind.TYPE,
                Turn.REMOVED,
                theirs.name,
                theirs.name,
                Effect.DESTRUCTIVE,
                before=_size(theirs),
                source=MANAGED if theirs.is_system else TEXT_SCHEMA,
            )


def _size(record_type: RecordType) -> str:
    own = sum(1 for item in record_type.fields if item.name not in IMPLICIT_FIELDS)
    return f"({own} field{'' if own == 1 else 's'})"


def _known(record_type: RecordType) -> Mapping[str, SchemaField]:
    """All fields that a record type has, mentioned or not."""
    known = {item.name: item for item in record_type.fields}
    for name, primitive in IMPLICIT_FIELDS.items():
        known.setdefault(name, SchemaField(name, FieldType(primitive)))
    if record_type.name == "Users":
        known.setdefault("roles", SchemaField("roles", FieldType("INT64", is_list=True)))
    return known


def _fields(ours: RecordType, theirs: RecordType) -> Iterator[Change]:
    here, there = _known(ours), _known(theirs)
    for name, mine in here.items():
        other = there.get(name)
        line, column = mine.line or ours.line, mine.column or ours.column
        if other is None:
            said = " ".join((str(mine.type), *mine.indexes))
            yield Change(
                Kind.FIELD,
                Turn.ADDED,
                ours.name,
                name,
                Effect.ADDITIVE,
                after=said,
                source=DEPLOYING,
                line=line,
                column=column,
            )
            continue
        if mine.type != other.type:
            effect, source = _retyped(other.type, mine.type)
            yield Change(
                Kind.FIELD,
                Turn.CHANGED,
                ours.name,
                name,
                effect,
                str(other.type),
                str(mine.type),
                source,
                line,
                column,
            )
        yield from _indexes(ours.name, mine, other, line, column)
    for name, other in there.items():
        if name not in here:
            yield Change(
                Kind.FIELD,
                Turn.REMOVED,
                ours.name,
                name,
                Effect.DESTRUCTIVE,
                before=str(other.type),
                source=TEXT_SCHEMA,
            )


def _retyped(before: FieldType, after: FieldType) -> tuple[Effect, str]:
    """What giving a field another type means; only a first PREFERRED AS is known to be harmless."""
    if before.encrypted != after.encrypted:
        return Effect.DESTRUCTIVE, ENCRYPTED_VALUES
    if before.primitive == after.primitive == "NUMBER" and before.is_list == after.is_list:
        return (Effect.DESTRUCTIVE if before.preferred else Effect.ADDITIVE), TEXT_SCHEMA
    return Effect.DESTRUCTIVE, INFERRED


def _indexes(type_name: str, mine: SchemaField, other: SchemaField, line: int, column: int) -> Iterator[Change]:
    for index in mine.indexes:
        if index not in other.indexes:
            yield Change(
                Kind.INDEX,
                Turn.ADDED,
                type_name,
                mine.name,
                Effect.INDEX_ONLY,
                after=index,
                source=DEPLOYING,
                line=line,
                column=column,
            )
    for index in other.indexes:
        if index not in mine.indexes:
            yield Change(
                Kind.INDEX,
                Turn.REMOVED,
                type_name,
                mine.name,
                Effect.INDEX_ONLY,
                before=index,
                source=TEXT_SCHEMA,
                line=line,
                column=column,
            )


def _grants(ours: RecordType, theirs: RecordType) -> Iterator[Change]:
    here, there = _granted(ours), _granted(theirs)
    for (role, permission), (line, column) in here.items():
        if (role, permission) not in there:
            yield Change(
                Kind.GRANT,
                Turn.ADDED,
                ours.name,
                role,
                Effect.PERMISSION,
                after=permission,
                source=DEPLOYING,
                line=line,
                column=column,
            )
    for role, permission in there:
        if (role, permission) not in here:
            yield Change(
                Kind.GRANT, Turn.REMOVED, ours.name, role, Effect.PERMISSION, before=permission, source=INFERRED
            )


def _granted(record_type: RecordType) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (grant.role, permission): (grant.line, grant.column)
        for grant in record_type.grants
        for permission in grant.permissions
    }
