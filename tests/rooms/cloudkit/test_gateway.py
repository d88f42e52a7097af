"""Where schemas come from: files on disk, and CloudKit's management API as its published client uses it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from pipeline.apple.cloudkit import checks, gateway
from pipeline.apple.cloudkit.actions import ImportSchema
from pipeline.apple.cloudkit.facts import DevelopmentSchema, LocalSchema, ProductionSchema
from pipeline.engine.wiring import registry_of, verify_wiring
from pipeline.model import AppleFailure, Declaration, Refused, Scope, Source, Stage, UsageFault
from pipeline.ports.files import Files, LiveFiles
from pipeline.ports.http import Http
from pipeline.ports.live_http import CarriedHttp, CredentialsMissing, LiveHttp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HOST = "api.icloud.apple.com"
BASE = f"https://{HOST}/v1/database/teams/TEAM123456/containers/iCloud.com.example.app/environments"
DECLARED = Declaration(team_id="TEAM123456", containers=("iCloud.com.example.app", "iCloud.com.example.other"))
TEXT = "DEFINE SCHEMA\n    RECORD TYPE Note (a STRING);\n"
LOCAL = LocalSchema("app.ckdb", TEXT)


class Service:
    """A server inside the process that remembers what it was asked."""

    def __init__(self, answers: Mapping[tuple[str, str], tuple[int, bytes]]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Mapping[str, str], bytes]] = []

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, Mapping[str, str], bytes]:
        self.asked.append((method, url, headers, body))
        status, answer = self.answers[method, url]
        return status, {}, answer

    @property
    def http(self) -> CarriedHttp:
        return CarriedHttp(self, {HOST})


def without_token() -> LiveHttp:
    def authorise() -> Mapping[str, str]:
        raise CredentialsMissing("no token")

    return LiveHttp({HOST: authorise})


def test_wiring() -> None:
    stage = Stage("schema", scope=Scope.APP, checks=(checks,))
    assert verify_wiring([stage], registry_of([gateway]), [Http, Files], [Declaration]) == []


def test_the_declared_file_is_read_wherever_it_lies(tmp_path: Path) -> None:
    app, elsewhere = tmp_path / "app", tmp_path / "config"
    for folder in (app / "schema", elsewhere):
        folder.mkdir(parents=True)
        (folder / "x.ckdb").write_text(TEXT)
    files = LiveFiles(app)
    assert gateway.local_schema(files, Declaration(schema="schema/x.ckdb")) == LocalSchema("schema/x.ckdb", TEXT)
    inside = Declaration(schema=str(app / "schema" / "x.ckdb"))
    assert gateway.local_schema(files, inside) == LocalSchema("schema/x.ckdb", TEXT)
    outside = str(elsewhere / "x.ckdb")
    assert "outside of the checkout" in gateway.local_schema(files, Declaration(schema=outside)).fault
    files = LiveFiles(app, named=(outside,))
    assert gateway.local_schema(files, Declaration(schema=outside)) == LocalSchema(outside, TEXT)


def test_without_a_declaration_only_an_only_file_is_taken(tmp_path: Path) -> None:
    assert gateway.local_schema(LiveFiles(tmp_path), Declaration()) == LocalSchema()
    (tmp_path / "b.ckdb").write_text(TEXT)
    assert gateway.local_schema(LiveFiles(tmp_path), Declaration()) == LocalSchema("b.ckdb", TEXT)
    (tmp_path / "a.ckdb").write_text(TEXT)
    assert gateway.local_schema(LiveFiles(tmp_path), Declaration()) == LocalSchema(others=("a.ckdb", "b.ckdb"))


def test_what_keeps_a_file_from_being_read_is_part_of_the_fact(tmp_path: Path) -> None:
    (tmp_path / "latin.ckdb").write_bytes(b"DEFINE SCHEMA -- caf\xe9\n")
    (tmp_path / "huge.ckdb").write_bytes(b" " * (1024 * 1024 + 1))
    (tmp_path / "folder.ckdb").mkdir()
    files = LiveFiles(tmp_path)
    faults = {
        name: gateway.local_schema(files, Declaration(schema=f"{name}.ckdb")).fault
        for name in ("none", "latin", "huge", "folder")
    }
    assert faults["none"] == "there is no such file"
    assert faults["latin"] == "line 1, column 21: this byte is not UTF-8 text"
    assert "larger than" in faults["huge"]
    assert "cannot be read" in faults["folder"]


def test_the_container_is_asked_as_apples_client_asks() -> None:
    service = Service(
        {
            ("GET", f"{BASE}/DEVELOPMENT/schema/export"): (200, TEXT.encode()),
            ("GET", f"{BASE}/PRODUCTION/schema/export"): (200, b"DEFINE SCHEMA\n"),
        }
    )
    development = gateway.development_schema(service.http, LOCAL, DECLARED)
    production = gateway.production_schema(service.http, LOCAL, DECLARED)
    assert development.value == DevelopmentSchema("iCloud.com.example.app", TEXT)
    assert production.value == ProductionSchema("iCloud.com.example.app", "DEFINE SCHEMA\n")
    assert development.source is production.source is Source.SIMULATED
    assert [(method, body) for method, _, _, body in service.asked] == [("GET", b"")] * 2


def test_nothing_is_asked_where_nothing_is_declared() -> None:
    service = Service({})
    reading = gateway.production_schema(service.http, LOCAL, Declaration(team_id="TEAM123456"))
    assert (reading.value, reading.source, service.asked) == (ProductionSchema(), Source.LIVE, [])


def test_a_missing_credential_or_team_is_unknown_and_names_what_is_missing() -> None:
    reading = gateway.production_schema(without_token(), LOCAL, DECLARED)
    assert reading.source is Source.UNKNOWN
    assert "CLOUDKIT_MANAGEMENT_TOKEN" in reading.why
    teamless = gateway.development_schema(without_token(), LOCAL, Declaration(containers=("iCloud.x",)))
    assert "no team is declared" in teamless.why


def test_without_a_schema_file_nothing_depends_on_the_missing_credential() -> None:
    reading = gateway.production_schema(without_token(), LocalSchema(), DECLARED)
    assert reading.value is not None
    assert reading.value.text is None
    assert "CLOUDKIT_MANAGEMENT_TOKEN" in reading.value.unasked


@pytest.mark.parametrize(
    ("status", "body", "code", "remedy"),
    [
        (
            401,
            json.dumps({"code": 401, "message": "authorization-failed", "reason": "Token expired", "requestUuid": "1"}),
            "authorization-failed",
            "CLOUDKIT_MANAGEMENT_TOKEN",
        ),
        (404, json.dumps({"code": 404, "message": "NotFound", "reason": "no such container"}), "NotFound", "spelling"),
        (503, "<html>busy</html>", "503", "wait"),
        (400, json.dumps(["not", "a", "document"]), "400", "reason"),
        (400, json.dumps({"message": 5, "reason": {"a": 1}}), "400", "reason"),
    ],
)
def test_a_refusal_carries_apples_code_and_what_to_do(status: int, body: str, code: str, remedy: str) -> None:
    service = Service({("GET", f"{BASE}/PRODUCTION/schema/export"): (status, body.encode())})
    with pytest.raises(AppleFailure) as caught:
        gateway.production_schema(service.http, LOCAL, DECLARED)
    assert caught.value.code == code
    assert code in caught.value.why
    assert remedy in caught.value.remedy


def test_an_export_that_is_no_text_is_a_failure() -> None:
    service = Service({("GET", f"{BASE}/PRODUCTION/schema/export"): (200, b"\xff\xfe")})
    with pytest.raises(AppleFailure, match="is not text"):
        gateway.production_schema(service.http, LOCAL, DECLARED)


def action(text: str = TEXT, path: str = "app.ckdb") -> ImportSchema:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return ImportSchema("TEAM123456", "iCloud.com.example.app", digest, path)


def container(text: str) -> Service:
    return Service(
        {
            ("GET", f"{BASE}/DEVELOPMENT/schema/export"): (200, text.encode()),
            ("PUT", f"{BASE}/DEVELOPMENT/schema"): (202, b""),
        }
    )


def test_an_import_sends_the_file_as_one_part(tmp_path: Path) -> None:
    (tmp_path / "app.ckdb").write_text(TEXT)
    service = container("DEFINE SCHEMA\n")
    result = gateway.import_schema(action(), service.http, LiveFiles(tmp_path))
    assert result["environment"] == "DEVELOPMENT"
    method, url, headers, body = service.asked[-1]
    assert (method, url) == ("PUT", f"{BASE}/DEVELOPMENT/schema")
    kind, _, boundary = headers["Content-Type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    head, _, rest = body.partition(b"\r\n\r\n")
    assert head.startswith(f"--{boundary}\r\n".encode())
    assert b'name="file"; filename="schema.ckdb"' in head
    assert rest == TEXT.encode() + f"\r\n--{boundary}--\r\n".encode()


def test_an_import_that_would_change_nothing_is_already_done(tmp_path: Path) -> None:
    (tmp_path / "app.ckdb").write_text(TEXT)
    service = container(TEXT + "-- CloudKit says it in its own way\n")
    assert gateway.import_schema(action(), service.http, LiveFiles(tmp_path))["already"] is True
    assert [asked[0] for asked in service.asked] == ["GET"]


def test_an_import_that_would_delete_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.ckdb").write_text(TEXT)
    service = container("DEFINE SCHEMA RECORD TYPE Note (a STRING, b STRING); RECORD TYPE Tag (x STRING);")
    with pytest.raises(Refused) as caught:
        gateway.import_schema(action(), service.http, LiveFiles(tmp_path))
    assert caught.value.why == "- field Note.b STRING; - record type Tag (1 field)"
    assert [asked[0] for asked in service.asked] == ["GET"]


def test_an_import_of_another_file_than_was_judged_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app.ckdb").write_text(TEXT + "-- touched")
    with pytest.raises(UsageFault, match="not the schema that was judged"):
        gateway.import_schema(action(), container("DEFINE SCHEMA").http, LiveFiles(tmp_path))
    with pytest.raises(UsageFault, match="no longer there"):
        gateway.import_schema(action(path="gone.ckdb"), container("DEFINE SCHEMA").http, LiveFiles(tmp_path))


def test_the_promise_of_an_import_names_the_content_and_not_the_path() -> None:
    assert action().promise == action(path="elsewhere.ckdb").promise
    assert action().promise != action(TEXT + "\n").promise
    assert action().describe().endswith("into the development environment of iCloud.com.example.app")
