"""CloudKit's management routes, and the schema text as the service keeps it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.cloudkit.management import ROUTES
from pipeline.simulator.cloudkit.multipart import NoFile, file_part
from pipeline.simulator.cloudkit.schema import SchemaFault, read, write
from pipeline.simulator.evening import evening
from pipeline.simulator.faults import Scenario

from .conftest import MAPPING, START, TEAM

HOST = "https://api.icloud.apple.com"
CONTAINER = "iCloud.com.example.app"
BASE = f"/v1/database/teams/{TEAM}/containers/{CONTAINER}/environments"
NOTE = """
-- notes
DEFINE SCHEMA
    CREATE ROLE editor;
    RECORD TYPE Note ( title STRING SORTABLE QUERYABLE, "grant" INT64, body ENCRYPTED STRING,
        tags LIST<STRING>, GRANT WRITE TO "_creator", GRANT READ, CREATE TO editor );
"""


def ask(apple: SimulatedApple, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    held = {"X-Apple-CloudKit-Management-Token": "token"} | {k.replace("_", "-"): v for k, v in headers.items()}
    status, shown, answer = apple.handle(method, HOST + path, held, body, now=START)
    return status, json.loads(answer) if shown.get("content-type") == "application/json" else answer.decode()


def send(apple: SimulatedApple, method: str, path: str, text: str) -> tuple[int, Any]:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="s.ckdb"\r\nContent-Type: ""\r\n\r\n'
    content_type = "multipart/form-data; boundary=b"
    return ask(apple, method, path, body + text.encode() + b"\r\n--b--", Content_Type=content_type)


def export(apple: SimulatedApple, environment: str) -> str:
    status, text = ask(apple, "GET", f"{BASE}/{environment}/schema/export")
    assert status == 200
    return str(text)


def test_an_import_replaces_development_and_leaves_production(apple: SimulatedApple) -> None:
    before = export(apple, "PRODUCTION")
    assert send(apple, "POST", f"{BASE}/DEVELOPMENT/schema/validate", NOTE) == (200, {"isValid": True})
    assert send(apple, "PUT", f"{BASE}/DEVELOPMENT/schema", NOTE) == (202, "")
    text = export(apple, "DEVELOPMENT")
    assert "-- notes" not in text
    assert '"grant"' in text
    assert "title           STRING QUERYABLE SORTABLE" in text
    assert "GRANT READ, CREATE TO editor" in text
    assert "CREATE ROLE editor;" in text
    assert "RECORD TYPE Users (" in text
    assert export(apple, "PRODUCTION") == before
    assert len(apple.effects()) == 1


def test_only_a_person_deploys_and_reset_goes_the_other_way(apple: SimulatedApple) -> None:
    send(apple, "PUT", f"{BASE}/DEVELOPMENT/schema", NOTE)
    apple.console_deploy(CONTAINER)
    assert export(apple, "PRODUCTION") == export(apple, "DEVELOPMENT")
    more = NOTE.replace("tags LIST<STRING>", "tags LIST<STRING>, added TIMESTAMP")
    assert send(apple, "PUT", f"{BASE}/DEVELOPMENT/schema", more)[0] == 202
    assert ask(apple, "POST", f"{BASE}/DEVELOPMENT/reset") == (202, "")
    assert export(apple, "DEVELOPMENT") == export(apple, "PRODUCTION")
    assert [effect["effect"].split(" ")[0] for effect in apple.effects()] == ["PUT", "console:", "PUT", "POST"]


@pytest.mark.parametrize("call", [("POST", "schema/validate"), ("PUT", "schema")])
def test_production_takes_neither_import_nor_validation(apple: SimulatedApple, call: tuple[str, str]) -> None:
    status, document = send(apple, call[0], f"{BASE}/PRODUCTION/{call[1]}", NOTE)
    assert status == document["code"] == 400
    assert document["message"] == "BadRequestException"
    assert document["reason"] == "endpoint not applicable in the environment 'production'"
    assert apple.effects() == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("DEFINE SCHEMA RECORD TYPE Other ( a STRING );", "active in a production container"),
        (NOTE.replace("tags LIST<STRING>,", ""), "'tags'"),
        (NOTE.replace("LIST<STRING>", "STRING"), "type of field 'tags'"),
    ],
)
def test_what_is_live_in_production_stays(apple: SimulatedApple, text: str, words: str) -> None:
    send(apple, "PUT", f"{BASE}/DEVELOPMENT/schema", NOTE)
    apple.console_deploy(CONTAINER)
    status, document = send(apple, "PUT", f"{BASE}/DEVELOPMENT/schema", text)
    assert status == 400
    assert words in document["reason"]
    status, document = send(apple, "POST", f"{BASE}/DEVELOPMENT/schema/validate", text)
    assert (status, document["isValid"]) == (200, False)


def test_types_that_cloudkit_manages_cannot_be_left_out(tmp_path: Path) -> None:
    scenario = Scenario.load(MAPPING)
    apple = SimulatedApple(tmp_path, scenario, now=lambda: START)
    managed = "DEFINE SCHEMA RECORD TYPE cloudkit.share ( a STRING );"
    apple.plant_container(CONTAINER, managed, "DEFINE SCHEMA")
    assert send(apple, "PUT", f"{BASE}/DEVELOPMENT/schema", NOTE)[1]["reason"] == (
        "invalid attempt to delete cloudkit managed record type"
    )


def test_a_bad_type_is_told_in_the_parsers_own_words(apple: SimulatedApple) -> None:
    text = "DEFINE SCHEMA\n\n    RECORD TYPE Note (\n        title BADTYPE\n    );\n"
    status, document = send(apple, "POST", f"{BASE}/DEVELOPMENT/schema/validate", text)
    assert status == 200
    assert document["isValid"] is False
    first, second = document["errorMessage"].split("\n")[:2]
    assert first == 'Encountered " <IDENTIFIER> "BADTYPE "" at line 4, column 15.'
    assert second == "Was expecting one of:"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DEFINE",
        "DEFINE SCHEMA RECORD TYPE A ( a STRING )",
        "DEFINE SCHEMA RECORD TYPE A ( a STRING, );",
        "DEFINE SCHEMA RECORD TYPE A ( );",
        "DEFINE SCHEMA RECORD TYPE A ( a );",
        "DEFINE SCHEMA RECORD TYPE A ( a ENCRYPTED ASSET );",
        "DEFINE SCHEMA RECORD TYPE A ( grant STRING );",
        "DEFINE SCHEMA RECORD TYPE A ( ___etag STRING );",
        'DEFINE SCHEMA RECORD TYPE A ( "___etag" INT64 );',
        "DEFINE SCHEMA RECORD TYPE A ( a STRING, a STRING );",
        "DEFINE SCHEMA RECORD TYPE A ( a STRING ); RECORD TYPE A ( a STRING );",
        "RECORD TYPE A ( a STRING );",
        "DEFINE SCHEMA $",
    ],
)
def test_malformed_texts_are_refused(text: str) -> None:
    with pytest.raises(SchemaFault):
        read(text)


def test_real_schemas_are_read_and_kept(shared_data: Path) -> None:
    wrong = []
    texts = sorted((shared_data / "ckdb").glob("*.ckdb"))
    for path in texts:
        text = path.read_text(encoding="utf-8")
        try:
            schema = read(text)
        except SchemaFault:
            wrong.append(path.name)
            continue
        assert read(write(schema)) == schema
    assert len(texts) > 20
    assert [name.split("__")[-1] for name in wrong] == [
        "Examples-Bushel-schema.v01.ckdb",
        "Examples-Bushel-schema.v03.ckdb",
        "Examples-Celestra-schema.v01.ckdb",
    ]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*NOTE.split(), "\n", '"', "/*", "(", "€", "<", "\x00"]), max_size=40))
def test_any_text_is_read_or_refused(words: list[str]) -> None:
    try:
        schema = read(" ".join(words))
    except SchemaFault:
        return
    assert read(write(schema)) == schema


def test_teams_and_containers_are_listed_in_pages(tmp_path: Path) -> None:
    containers = [{"identifier": f"iCloud.{name}"} for name in "cab"]
    apple = SimulatedApple(tmp_path, Scenario.load({**MAPPING, "containers": containers}), now=lambda: START)
    assert ask(apple, "GET", "/users/current/teams")[1]["teams"][0]["teamId"] == TEAM
    status, first = ask(apple, "GET", f"/teams/{TEAM}/containers?limit=2")
    assert (status, [c["id"] for c in first["containers"]], first["nextKey"]) == (
        200,
        ["iCloud.a", "iCloud.b"],
        "iCloud.b",
    )
    _, rest = ask(apple, "GET", f"/teams/{TEAM}/containers?limit=2&startingAfterKey={first['nextKey']}")
    assert ([c["id"] for c in rest["containers"]], "nextKey" in rest) == (["iCloud.c"], False)
    _, last = ask(apple, "GET", f"/teams/{TEAM}/containers?sortDirection=DESC&q=B")
    assert [c["id"] for c in last["containers"]] == ["iCloud.b"]
    assert ask(apple, "GET", f"/teams/{TEAM}/containers?limit=0")[0] == 400


def test_strangers_and_wrong_addresses_are_turned_away(apple: SimulatedApple) -> None:
    other = BASE.replace(CONTAINER, "iCloud.other")
    assert ask(apple, "GET", f"{other}/DEVELOPMENT/schema/export")[1]["message"] == "authorization-failed"
    assert ask(apple, "GET", BASE.replace(TEAM, "OTHER") + "/DEVELOPMENT/schema/export")[0] == 403
    assert ask(apple, "GET", f"{BASE}/STAGING/schema/export")[0] == 400
    assert ask(apple, "GET", f"{BASE}/DEVELOPMENT/schema/deploy")[0] == 404
    assert ask(apple, "DELETE", f"{BASE}/DEVELOPMENT/schema")[0] == 405
    status, document = ask(apple, "GET", "/users/current/teams", X_Apple_CloudKit_Management_Token="")
    assert (status, document["code"]) == (401, 401)


def test_schema_behind_leaves_production_empty(tmp_path: Path) -> None:
    scenario = evening("schema-behind")[0].with_apps(TEAM, [], {CONTAINER: (NOTE, NOTE)})
    apple = SimulatedApple(tmp_path, scenario, now=lambda: START)
    assert "Note" in export(apple, "DEVELOPMENT")
    assert "Note" not in export(apple, "PRODUCTION")
    apple.console_deploy(CONTAINER)
    assert "Note" in export(apple, "PRODUCTION")


def test_every_route_cites_its_source() -> None:
    assert all("CKTool JS 1.3.2: " in (function.__doc__ or "") for function in ROUTES.values())


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b"x"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nx\r\n--b--"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n--b--'),
    ],
)
def test_a_body_without_the_file_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(NoFile):
        file_part(content_type, body)


def test_a_plain_part_and_a_quoted_boundary_are_taken() -> None:
    body = b"--a b\r\ncontent-disposition: form-data; filename=x; name=file\r\n\r\nline\r\nline\r\n--a b--\r\n"
    assert file_part('Multipart/Form-Data; boundary="a b"', body) == b"line\r\nline"


def test_a_text_no_one_could_import_is_an_unused_container(tmp_path: Path) -> None:
    scenario = Scenario.for_apps(TEAM, [], {CONTAINER: ("RECORD TYPE Broken", None)})
    apple = SimulatedApple(tmp_path, scenario, now=lambda: START)
    assert "RECORD TYPE Users" in export(apple, "DEVELOPMENT")
    assert send(apple, "PUT", f"{BASE}/DEVELOPMENT/schema", NOTE)[0] == 202


def test_an_observed_text_is_exported_as_it_was_until_it_is_replaced(apple: SimulatedApple) -> None:
    apple.plant_container(CONTAINER, NOTE, "DEFINE SCHEMA // something new here $")
    assert export(apple, "DEVELOPMENT") == NOTE
    assert export(apple, "PRODUCTION").endswith("$")
    assert send(apple, "PUT", f"{BASE}/DEVELOPMENT/schema", NOTE)[0] == 202
    assert "-- notes" not in export(apple, "DEVELOPMENT")
    assert export(apple, "PRODUCTION").endswith("$")
