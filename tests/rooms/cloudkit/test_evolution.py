"""Two schemas compared: what differs, and what each difference would do to a container in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from pipeline.apple.cloudkit.evolution import Change, Effect, Turn, compare
from pipeline.apple.cloudkit.schema import Schema, read_schema
from tests.rooms.cloudkit.test_schema import schemas

if TYPE_CHECKING:
    from pathlib import Path


def schema(body: str, head: str = "") -> Schema:
    found = read_schema(f"DEFINE SCHEMA {head} RECORD TYPE Note ({body});").schema
    assert found is not None
    return found


def told(local: Schema, container: Schema) -> list[tuple[str, str]]:
    return [(str(change), str(change.effect)) for change in compare(local, container)]


@pytest.mark.parametrize(
    ("local", "container", "wanted"),
    [
        ("a STRING, b INT64 QUERYABLE", "a STRING", ("+ field Note.b INT64 QUERYABLE", "ADDITIVE")),
        ("a STRING", "a STRING, b INT64", ("- field Note.b INT64", "DESTRUCTIVE")),
        ("a LIST<STRING>", "a STRING", ("~ field Note.a: STRING → LIST<STRING>", "DESTRUCTIVE")),
        ("a ENCRYPTED STRING", "a STRING", ("~ field Note.a: STRING → ENCRYPTED STRING", "DESTRUCTIVE")),
        ("a NUMBER PREFERRED AS INT64", "a NUMBER", ("~ field Note.a: NUMBER → NUMBER PREFERRED AS INT64", "ADDITIVE")),
        (
            "a NUMBER PREFERRED AS DOUBLE",
            "a NUMBER PREFERRED AS INT64",
            ("~ field Note.a: NUMBER PREFERRED AS INT64 → NUMBER PREFERRED AS DOUBLE", "DESTRUCTIVE"),
        ),
        ("a STRING SORTABLE", "a STRING", ("+ index SORTABLE on Note.a", "INDEX_ONLY")),
        ("a STRING", "a STRING SORTABLE", ("- index SORTABLE on Note.a", "INDEX_ONLY")),
        ('a STRING, GRANT READ TO "_world"', "a STRING", ("+ grant READ to _world on Note", "PERMISSION")),
        ("a STRING", 'a STRING, GRANT READ TO "_world"', ("- grant READ to _world on Note", "PERMISSION")),
        ("a STRING", 'a STRING, "___recordID" REFERENCE', None),
        ('"___recordID" REFERENCE, a STRING', "a STRING", None),
        (
            "a STRING",
            '"___recordID" REFERENCE QUERYABLE, a STRING',
            ("- index QUERYABLE on Note.___recordID", "INDEX_ONLY"),
        ),
        ("b STRING, a STRING", "a STRING, b STRING", None),
    ],
)
def test_each_difference_has_its_effect(local: str, container: str, wanted: tuple[str, str] | None) -> None:
    assert told(schema(local), schema(container)) == ([wanted] if wanted else [])


def test_roles_and_record_types() -> None:
    more = schema("a STRING", 'CREATE ROLE Editor; RECORD TYPE "Tag" (x STRING, y STRING);')
    less = schema("a STRING")
    assert told(more, less) == [("+ role Editor", "PERMISSION"), ("+ record type Tag (2 fields)", "ADDITIVE")]
    assert told(less, more) == [("- role Editor", "PERMISSION"), ("- record type Tag (2 fields)", "DESTRUCTIVE")]


def test_cloudkits_own_types_need_not_be_said_unless_an_import_would_delete_them() -> None:
    bare = schema("a STRING")
    users = schema("a STRING", "RECORD TYPE Users (roles LIST<INT64>);")
    share = schema("a STRING", 'RECORD TYPE "cloudkit.share" ("cloudkit.title" STRING);')
    assert told(users, bare) == told(bare, users) == told(share, bare) == []
    (change,) = compare(bare, share)
    assert (change.effect, change.turn) == (Effect.DESTRUCTIVE, Turn.REMOVED)
    assert "managed record type" in change.source
    named = schema("a STRING", "RECORD TYPE Users (nickname STRING);")
    assert told(named, users) == [("+ field Users.nickname STRING", "ADDITIVE")]


def test_places_are_those_of_the_local_text() -> None:
    local = read_schema("DEFINE SCHEMA\nRECORD TYPE Note (\n  a STRING,\n  b STRING\n);").schema
    container = read_schema("DEFINE SCHEMA RECORD TYPE Note (a STRING);").schema
    assert local is not None
    assert container is not None
    (change,) = compare(local, container)
    assert (change.line, change.column, change.subject) == (4, 3, "Note.b")


def test_the_series_of_the_corpus(shared_data: Path) -> None:
    def version(number: int) -> Schema:
        name = f"brightdigit__MistKit__Examples-Celestra-schema.v0{number}.ckdb"
        found = read_schema((shared_data / "ckdb" / name).read_bytes()).schema
        assert found is not None
        return found

    def lost(new: int, old: int) -> list[Change]:
        return [change for change in compare(version(new), version(old)) if change.effect is Effect.DESTRUCTIVE]

    assert [str(change) for change in lost(3, 2)] == [
        "- record type PublicFeed (8 fields)",
        "- record type PublicArticle (10 fields)",
    ]
    assert lost(4, 3)
    assert not lost(5, 5)


@given(schemas, schemas)
@settings(max_examples=100, deadline=None)
def test_a_schema_equals_itself_and_differences_have_two_sides(one: Schema, other: Schema) -> None:
    assert compare(one, one) == ()
    there = {str(change)[2:] for change in compare(one, other) if change.turn is Turn.ADDED}
    back = {str(change)[2:] for change in compare(other, one) if change.turn is Turn.REMOVED}
    mirrored = {text for text in there if text.startswith(("index", "grant", "role"))}
    assert mirrored == {text for text in back if text.startswith(("index", "grant", "role"))}
    assert all(str(change) and change.source for change in compare(one, other))
