"""Answers of every kind: documents, pages, errors with and without JSON, and rubbish."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.connect import records
from pipeline.apple.connect.client import HOST, Connect, ConnectFault, errors_of
from pipeline.apple.connect.documents import moment_of, resource, resources
from pipeline.apple.connect.facts import AcceptedContent, Build, Builds, UploadedFile
from pipeline.apple.connect.parcel import Parcel, compared, hash_of, parts
from pipeline.apple.connect.versions import same_version, spellings, version_key
from pipeline.model import AppleFailure, PipelineError, Source
from pipeline.ports.http import Request, Response


class Answers:
    """An Http port with answers by path and query; everything else is 404."""

    source = Source.LIVE

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[Request] = []

    def send(self, request: Request) -> Response:
        self.asked.append(request)
        found = self.answers.get(request.url.removeprefix(f"https://{HOST}"))
        if isinstance(found, Response):
            return found
        return Response(404) if found is None else Response(200, {}, json.dumps(found).encode())


def page(*ids: str, following: str | None = None) -> dict[str, Any]:
    return {"data": [{"type": "builds", "id": i} for i in ids], "links": {"self": "x", "next": following}}


def fault_for(response: Response, method: str = "GET") -> ConnectFault:
    api = Connect(Answers(**{"/v1/x": response}))
    with pytest.raises(ConnectFault) as raised:
        api.get("/v1/x") if method == "GET" else api.post("/v1/x", {})
    return raised.value


def test_pages_follow_the_link_to_the_letter() -> None:
    link = "/v1/builds?cursor=Mg.AA%3D%3D&limit=200"
    http = Answers(
        **{"/v1/builds?limit=200": page("1", "2", following=f"https://{HOST}{link}"), link: page("3")},
    )
    found, _ = Connect(http).list("/v1/builds")
    assert [item.id for item in found] == ["1", "2", "3"]


def test_pages_do_not_go_round_in_circles() -> None:
    link = f"https://{HOST}/v1/builds?cursor=1"
    http = Answers(**{"/v1/builds?limit=200": page("1", following=link), "/v1/builds?cursor=1": page(following=link)})
    with pytest.raises(AppleFailure, match="does not end"):
        Connect(http).list("/v1/builds")


def test_pages_do_not_leave_the_host() -> None:
    http = Answers(**{"/v1/builds?limit=200": page("1", following="https://evil.example.com/v1/builds")})
    with pytest.raises(AppleFailure, match="another host"):
        Connect(http).list("/v1/builds")


def test_an_error_says_code_detail_and_place() -> None:
    body = {"errors": [{"code": "ENTITY_ERROR", "detail": "No such thing.", "source": {"pointer": "/data/id"}}]}
    fault = fault_for(Response(409, {}, json.dumps(body).encode()))
    assert (fault.status, fault.code) == (409, "ENTITY_ERROR")
    assert str(fault.errors[0]) == "No such thing. [ENTITY_ERROR at /data/id]"
    assert fault.says("ENTITY_ERROR.", "ENTITY_")
    assert "/v1/x" in fault.what


def test_associated_errors_are_told_too() -> None:
    inner = {"code": "ENTITY_ERROR.ATTRIBUTE.REQUIRED", "detail": "usesNonExemptEncryption is missing"}
    outer = {"code": "STATE_ERROR", "title": "not ready", "meta": {"associatedErrors": {"/v1/builds/7": [inner]}}}
    fault = fault_for(Response(409, {}, json.dumps({"errors": [outer]}).encode()))
    assert [(e.code, e.resource) for e in fault.errors][1] == ("ENTITY_ERROR.ATTRIBUTE.REQUIRED", "/v1/builds/7")
    assert "usesNonExemptEncryption" in fault.why


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        (401, "NOT_AUTHORIZED", "ASC_PRIVATE_KEY"),
        (403, "FORBIDDEN.REQUIRED_AGREEMENTS_MISSING_OR_EXPIRED", "agreements"),
        (403, "FORBIDDEN_ERROR", "role"),
        (404, "NOT_FOUND", "team"),
        (409, "STATE_ERROR.ENTITY_STATE_INVALID", "state"),
        (429, "RATE_LIMIT_EXCEEDED", "hour"),
        (500, "UNEXPECTED_ERROR", "system-status"),
    ],
)
def test_well_known_errors_have_a_remedy(status: int, code: str, word: str) -> None:
    assert word in fault_for(Response(status, {}, json.dumps({"errors": [{"code": code}]}).encode())).remedy


def test_a_gateways_page_is_read_as_text() -> None:
    fault = fault_for(Response(502, {}, b"<html><body><h1>Bad\x07 Gateway</h1>Could not process this request"))
    assert fault.errors[0].detail == "Bad Gateway Could not process this request"
    assert not fault.ambiguous


def test_a_failure_of_a_write_leaves_its_effect_open() -> None:
    assert fault_for(Response(500), "POST").ambiguous
    assert not fault_for(Response(409), "POST").ambiguous


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b"\xff", b"[" * 100_000])
def test_a_success_that_is_no_document_is_a_failure(body: bytes) -> None:
    with pytest.raises(AppleFailure, match="cannot be read"):
        Connect(Answers(**{"/v1/x": Response(200, {}, body)})).get("/v1/x")


MEMBERS = [
    "data",
    "type",
    "id",
    "attributes",
    "relationships",
    "errors",
    "meta",
    "associatedErrors",
    "source",
    "state",
    "included",
    "code",
    "links",
    "next",
    "uploadOperations",
    "sourceFileChecksums",
    "file",
    "url",
    "offset",
    "length",
    "method",
    "requestHeaders",
    "name",
    "expiration",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(MEMBERS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(document=JSON)
def test_documents_of_any_shape_are_read(document: Any) -> None:
    errors_of(Response(400, {}, json.dumps(document).encode()))
    for item in (*resources(document), *resources(document, "included"), resource(document)):
        records.build_upload(item)
        records.uploaded_file(item)
        with contextlib.suppress(PipelineError):
            parts(item, Parcel(Path(), 10, "", ""))


@pytest.mark.parametrize("before", [0, 150, 185, 195, 8185, 8150])
@pytest.mark.parametrize(
    "token", ["eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl", "69a6de70-0000-47e3-e053", "KEY"]
)
def test_no_part_of_a_credential_is_told(before: int, token: str) -> None:
    """What is cut in half no redaction recognises: a text ends between two words, and holds no long one."""
    body = f"<p>{'ab ' * (before // 3)}{token} said the gateway</p>".encode()
    for padded in (body, b"<" + b"x" * (8180 - len(body)) + b">" + body):
        (said,) = [error.detail for error in errors_of(Response(502, {}, padded))] or [""]
        assert len(said) <= 200
        assert set(said.split()) <= {"ab", "[…]", token, "said", "the", "gateway"}
        assert token not in said or len(token) <= 40


def test_a_gateways_text_is_told_in_words() -> None:
    body = b"<html><h1>502 Bad Gateway</h1>\x00<p>try " + b"x" * 41 + b" later</p></html>"
    assert [error.detail for error in errors_of(Response(502, {}, body))] == ["502 Bad Gateway try […] later"]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_bodies_of_any_kind_are_read(body: bytes) -> None:
    errors_of(Response(500, {}, body))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_times_of_any_kind_are_read(text: str) -> None:
    moment_of(text)


def operations(*places: tuple[int, int], **more: Any) -> Any:
    made = [{"method": "PUT", "url": "https://s/x", "offset": o, "length": n, **more} for o, n in places]
    return resource({"data": {"type": "buildUploadFiles", "id": "1", "attributes": {"uploadOperations": made}}})


def test_parts_are_put_in_order(tmp_path: Path) -> None:
    found = parts(operations((6, 4), (0, 6)), Parcel(tmp_path, 10, "", ""))
    assert [(part.body.offset, part.body.length) for part in found] == [(0, 6), (6, 4)]


@pytest.mark.parametrize(
    "file",
    [
        operations((0, 6)),
        operations((0, 6), (5, 5)),
        operations((0, 11)),
        operations((1, 9)),
        operations((0, 10), url="http://example.com/x"),
        operations((0, 10), method="DELETE"),
        operations((0, -1)),
    ],
    ids=["short", "overlap", "long", "gap", "clear", "method", "negative"],
)
def test_instructions_that_do_not_fit_are_refused(file: Any, tmp_path: Path) -> None:
    with pytest.raises(AppleFailure, match="cannot be followed"):
        parts(file, Parcel(tmp_path, 10, "", ""))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2.5", "2.5.0", True),
        ("02.05", "2.5", True),
        ("2", "2.0.0", True),
        ("2.5", "2.50", False),
        ("1.46", "1.5", False),
        ("x", "x", True),
        ("x", "1", False),
        ("0", "0.0", True),
    ],
)
def test_versions_are_compared_as_numbers(one: str, other: str, *, same: bool) -> None:
    assert same_version(one, other) is same


def test_numbers_decide_the_order() -> None:
    assert sorted(["1.46", "1.5", "1.5.1", "1.10"], key=lambda v: version_key(v) or ()) == [
        "1.5",
        "1.5.1",
        "1.10",
        "1.46",
    ]


@pytest.mark.parametrize("text", ["", "1..2", "-1", "1.a", "٣", "1." + "9" * 30, ".".join("1" * 20)])
def test_what_is_no_number_has_no_order(text: str) -> None:
    assert version_key(text) is None


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 999), min_size=1, max_size=3).map(lambda numbers: ".".join(map(str, numbers))))
def test_every_spelling_is_the_same_version(text: str) -> None:
    assert text in spellings(text)
    assert all(same_version(text, other) for other in spellings(text))


def test_a_file_is_compared_as_far_as_apple_shows_it(tmp_path: Path) -> None:
    path = tmp_path / "a.ipa"
    path.write_bytes(b"12345")
    md5 = hash_of("md5", path)
    assert compared(None, path, 5) == AcceptedContent(None, ours="5 bytes")
    assert compared(UploadedFile("1", size=6), path, 5).same is False
    only_size = compared(UploadedFile("1", size=5), path, 5)
    assert (only_size.same, only_size.certain) == (True, False)
    sure = compared(UploadedFile("1", size=5, checksum=md5, algorithm="MD5"), path, 5)
    assert (sure.same, sure.certain) == (True, True)
    assert compared(UploadedFile("1", size=5, checksum="0" * 32, algorithm="MD5"), path, 5).same is False


def test_builds_are_asked_for_in_every_spelling_and_on_the_mac_in_all_versions() -> None:
    http = Answers()
    for platform in ("IOS", "MAC_OS"):
        with pytest.raises(ConnectFault):
            records.builds(Connect(http), "1", platform, "2.5.0")
    assert "preReleaseVersion.version%5D=2.5.0%2C2.5" in http.asked[0].url
    assert "preReleaseVersion.version" not in http.asked[1].url


def test_the_highest_build_is_the_highest_number() -> None:
    items = tuple(Build(n, "2.5", n, "IOS", "VALID") for n in ("9", "100", "x", "20"))
    highest = Builds("1", items).highest()
    assert highest is not None
    assert highest.build == "100"
