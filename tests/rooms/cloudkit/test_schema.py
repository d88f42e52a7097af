"""The reader of the schema language: strict where Apple's page is, clear about what is wrong, never surprised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.cloudkit.schema import (
    IMPLICIT_FIELDS,
    INDEXES,
    PERMISSIONS,
    PROBLEM_LIMIT,
    SIZE_LIMIT,
    FieldType,
    Grant,
    RecordType,
    Role,
    Schema,
    SchemaField,
    read_schema,
)

if TYPE_CHECKING:
    from pathlib import Path

MISTAKEN = {
    "brightdigit__MistKit__Examples-Bushel-schema.v01.ckdb",
    "brightdigit__MistKit__Examples-Bushel-schema.v03.ckdb",
    "brightdigit__MistKit__Examples-Celestra-schema.v01.ckdb",
}
"""Files that their authors corrected later, because CloudKit did not take them."""

WHOLE = """DEFINE SCHEMA
    CREATE ROLE Editor;
    RECORD TYPE Note (
        "___recordID" REFERENCE QUERYABLE,
        title STRING QUERYABLE SORTABLE, -- one form
        secret LIST<ENCRYPTED STRING>, // another
        /* and the
           third */ "grant" INT64,
        size NUMBER PREFERRED AS DOUBLE,
        GRANT WRITE, READ TO "_creator",
        GRANT READ TO Editor
    );
"""


def only(text: str) -> str:
    """The one problem of a text, as a person reads it."""
    (problem,) = read_schema(text).problems
    return str(problem)


def in_type(items: str) -> str:
    return f"DEFINE SCHEMA\nRECORD TYPE Note (\n{items}\n);"


def test_the_corpus_of_other_authors_is_read(shared_data: Path) -> None:
    files = sorted((shared_data / "ckdb").glob("*.ckdb"))
    assert {file.name for file in files} > MISTAKEN
    for file in files:
        found = read_schema(file.read_bytes())
        if file.name in MISTAKEN:
            assert any(problem.certain for problem in found.problems), file.name
            continue
        assert found.problems == (), file.name
        assert found.schema is not None
        assert found.schema.types
        assert read_schema(found.schema.text()).schema == found.schema


def test_the_mistakes_of_the_corpus_are_named_where_they_are(shared_data: Path) -> None:
    told = {
        name.split("-")[-2] + name[-8:-5]: [str(problem) for problem in read_schema(file.read_bytes()).problems]
        for name in MISTAKEN
        for file in [shared_data / "ckdb" / name]
    }
    assert told["Bushelv03"] == [
        f'line {line}, column 30: "QUERYABLE" is found where a type is expected' for line in (4, 22, 39)
    ]
    assert told["Bushelv01"][:2] == [
        "line 1, column 1: DEFINE SCHEMA is missing before the first statement",
        'line 2, column 30: "RECORD" is found where a type is expected',
    ]
    assert told["Celestrav01"][0] == told["Bushelv01"][0]


def test_everything_the_grammar_has_is_understood() -> None:
    found = read_schema(WHOLE)
    assert found.problems == ()
    assert found.schema == Schema(
        (
            RecordType(
                "Note",
                (
                    SchemaField("___recordID", FieldType("REFERENCE"), ("QUERYABLE",)),
                    SchemaField("title", FieldType("STRING"), ("QUERYABLE", "SORTABLE")),
                    SchemaField("secret", FieldType("STRING", is_list=True, encrypted=True)),
                    SchemaField("grant", FieldType("INT64")),
                    SchemaField("size", FieldType("NUMBER", preferred="DOUBLE")),
                ),
                (Grant(("READ", "WRITE"), "_creator"), Grant(("READ",), "Editor")),
            ),
        ),
        (Role("Editor"),),
    )
    note = found.schema.types[0]
    assert (note.line, note.column) == (3, 17)
    assert [(item.line, item.column) for item in note.fields[:3]] == [(4, 9), (5, 9), (6, 9)]
    assert (note.grants[1].line, note.grants[1].column) == (11, 9)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "line 1, column 1: the file holds no schema: it must begin with DEFINE SCHEMA"),
        ("-- nothing\n", "line 2, column 1: the file holds no schema: it must begin with DEFINE SCHEMA"),
        (
            "DEFINE SCHEMA\nDROP TYPE x;",
            'line 2, column 1: "DROP" is found where CREATE ROLE or RECORD TYPE is expected',
        ),
        (in_type("a STRING")[:-1], 'line 4, column 2: ";" is missing after the statement before this place'),
        (in_type("a TEXT"), 'line 3, column 3: "TEXT" is found where a type is expected'),
        (in_type("a LIST<LIST<STRING>>"), 'line 3, column 8: "LIST" is found where a type is expected'),
        (in_type("a LIST STRING"), 'line 3, column 8: "STRING" is found where "<" is expected'),
        (
            in_type("a ENCRYPTED REFERENCE"),
            'line 3, column 13: "REFERENCE" is found where a type that can be encrypted is expected',
        ),
        (
            in_type("a STRING INDEXED"),
            'line 3, column 10: "INDEXED" is found where QUERYABLE, SORTABLE, SEARCHABLE, "," or',
        ),
        (in_type("GRANT DELETE TO x"), 'line 3, column 7: "DELETE" is found where READ or CREATE or WRITE is expected'),
        (in_type("_x STRING"), "line 3, column 1: the system name _x must be in double quotes"),
        (in_type("Grants STRING, sortable STRING"), "line 3, column 16: sortable is a reserved word"),
        (in_type('"my-field" STRING'), 'line 3, column 1: "my-field" is not a name'),
        (
            in_type('"___recordID" STRING'),
            "line 3, column 15: the system field ___recordID is always REFERENCE, not STRING",
        ),
        (in_type("a STRING,\na INT64"), "line 4, column 1: the field a is defined twice"),
        (in_type("a STRING") + in_type("a STRING")[13:], "line 5, column 13: the record type Note is defined twice"),
        ("DEFINE SCHEMA CREATE ROLE a; CREATE ROLE a;", "line 1, column 42: the role a is created twice"),
        (in_type("a STRING /* x"), "line 3, column 10: this comment is never closed"),
    ],
)
def test_what_apple_forbids_is_a_certain_problem(text: str, wanted: str) -> None:
    (first, *_) = read_schema(text).problems
    assert first.certain
    assert str(first).startswith(wanted)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("define schema\nRECORD TYPE Note (a STRING);", "line 1, column 1: Apple writes DEFINE in capitals"),
        (in_type("a STRING,"), "line 4, column 1: Apple shows no comma after the last item"),
        (in_type("a STRING,,b STRING"), "line 3, column 10: Apple shows nothing empty"),
        (in_type(""), "line 4, column 1: Apple does not say that a record type may be empty"),
        (in_type("a STRING QUERYABLE QUERYABLE"), "line 3, column 20: QUERYABLE is said twice of a"),
        (in_type("a STRING, GRANT READ, READ TO x")[:13] + " CREATE ROLE x;" + in_type("GRANT READ, READ TO x")[13:],
         "line 3, column 13: READ is granted twice"),
        (in_type("a STRING, GRANT READ TO Editor"), "line 3, column 25: the role Editor is granted a permission but"),
        (in_type('"___recordName" STRING'), "line 3, column 1: ___recordName is not among the system fields"),
        ("\ufeff" + in_type("a STRING"), "line 1, column 1: a byte-order mark"),
    ],
)  # fmt: skip
def test_what_apple_leaves_unsaid_is_read_and_doubted(text: str, wanted: str) -> None:
    found = read_schema(text)
    (problem,) = found.problems
    assert found.schema is not None
    assert not problem.certain
    assert str(problem).startswith(wanted)


def test_reading_goes_on_behind_a_mistake() -> None:
    found = read_schema(in_type("a TEXT,\nb STRING,\nc LIST<>,\nd") + "\nNONSENSE;\nCREATE ROLE 5;")
    assert found.schema is None
    assert [problem.line for problem in found.problems] == [3, 5, 7, 8, 9, 9]


def test_line_ends_of_every_kind_count_alike() -> None:
    bad = "DEFINE SCHEMA\nRECORD TYPE Note (\n  a TEXT\n);"
    assert only(bad) == only(bad.replace("\n", "\r\n")) == only(bad.replace("\n", "\r"))


def test_hostile_files_are_bounded() -> None:
    assert "larger than" in only("x" * (SIZE_LIMIT + 1))
    assert str(read_schema(b"DEFINE SCHEMA\nab\xff").problems[0]) == "line 2, column 3: this byte is not UTF-8 text"
    assert len(read_schema("DEFINE SCHEMA RECORD TYPE A (" + "x TEXT," * 10_000).problems) == PROBLEM_LIMIT
    assert read_schema("/*" * 200_000).schema is None
    assert read_schema("DEFINE SCHEMA RECORD TYPE A (x " + "LIST<" * 100_000).schema is None


names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True)
roles = names | st.sampled_from(["_creator", "_world", "_icloud"])
types = st.builds(
    FieldType,
    st.sampled_from(["ASSET", "REFERENCE", "STRING", "INT64"]),
    is_list=st.booleans(),
) | st.builds(
    FieldType,
    st.sampled_from(["BYTES", "STRING", "DOUBLE", "INT64", "LOCATION", "TIMESTAMP"]),
    is_list=st.booleans(),
    encrypted=st.just(value=True),
) | st.builds(
    FieldType, st.just("NUMBER"), is_list=st.booleans(), preferred=st.sampled_from(["", "INT64", "DOUBLE"])
)  # fmt: skip
index_sets = st.sets(st.sampled_from(INDEXES)).map(lambda found: tuple(index for index in INDEXES if index in found))
fields = st.builds(SchemaField, names, types, index_sets) | st.builds(
    lambda name, indexes: SchemaField(name, FieldType(IMPLICIT_FIELDS[name]), indexes),
    st.sampled_from(sorted(IMPLICIT_FIELDS)),
    index_sets,
)
grants = st.builds(
    Grant,
    st.sets(st.sampled_from(PERMISSIONS), min_size=1).map(lambda found: tuple(p for p in PERMISSIONS if p in found)),
    roles,
)
record_types = st.builds(
    RecordType,
    names | st.just("Users") | st.just("cloudkit.share"),
    st.lists(fields, min_size=1, max_size=5, unique_by=lambda item: item.name).map(tuple),
    st.lists(grants, max_size=3).map(tuple),
)
schemas = st.builds(
    Schema,
    st.lists(record_types, max_size=4, unique_by=lambda item: item.name).map(tuple),
    st.lists(st.builds(Role, names), max_size=2, unique_by=lambda item: item.name).map(tuple),
)


@given(schemas)
@settings(max_examples=150, deadline=None)
def test_reading_what_was_written_gives_the_same(schema: Schema) -> None:
    found = read_schema(schema.text())
    assert found.schema == schema
    assert not [problem for problem in found.problems if problem.certain]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_damaged_files_are_problems_and_never_surprises(data: st.DataObject) -> None:
    damaged = bytearray(WHOLE.encode())
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    del damaged[data.draw(st.integers(0, len(damaged))) :]
    found = read_schema(bytes(damaged))
    assert found.schema is not None or found.problems
    lines = damaged.count(b"\n") + damaged.count(b"\r") + 1
    assert all(1 <= problem.line <= lines and problem.column >= 1 for problem in found.problems)


@given(st.text(max_size=200) | st.text(alphabet='DEFINSCHMA RTYPO(),;<>"/*-\n', max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_to_its_end(text: str) -> None:
    found = read_schema(text)
    assert found.schema is not None or found.problems
