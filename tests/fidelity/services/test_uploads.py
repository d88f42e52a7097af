"""Build uploads as a client lives through them: parts, commit, processing, and what is refused."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.simulator.apple import SimulatedApple
from pipeline.simulator.connect.assets import PartFiles, inspect
from pipeline.simulator.faults import Scenario

from .conftest import BUNDLE_ID, MAPPING, PART_SIZE, START, Client, ipa, pkg


def test_an_upload_becomes_a_valid_build_step_by_step(client: Client) -> None:
    upload = client.upload(ipa())
    seen = []
    for after in (0, 39, 40, 99, 100, 189, 190):
        client.after = after
        answer = client.get(f"/v1/buildUploads/{upload}?include=build")
        state = answer.data["attributes"]["state"]["state"]
        linked = (answer.data["relationships"].get("build") or {}).get("data")
        read = client.get(f"/v1/builds/{linked['id']}").status if linked else 0
        listed = client.get("/v1/builds?filter[version]=3&filter[preReleaseVersion.version]=1.2").data
        seen.append((state, read, [build["attributes"]["processingState"] for build in listed]))
    assert seen == [
        ("PROCESSING", 0, []),
        ("PROCESSING", 0, []),
        ("COMPLETE", 404, []),
        ("COMPLETE", 404, []),
        ("COMPLETE", 200, ["PROCESSING"]),
        ("COMPLETE", 200, ["PROCESSING"]),
        ("COMPLETE", 200, ["VALID"]),
    ]


def test_the_build_carries_what_the_archive_says(client: Client) -> None:
    upload = client.upload(ipa())
    client.after = 500
    answer = client.get(f"/v1/buildUploads/{upload}?include=build")
    build = answer.document["included"][0]["attributes"]
    assert build["minOsVersion"] == "17.0"
    assert build["usesNonExemptEncryption"] is False
    assert build["expired"] is False
    assert build["uploadedDate"] == "2026-03-02T05:00:00-07:00"
    assert build["expirationDate"] == "2026-05-31T05:00:00-07:00"


def test_operations_cover_the_file_once_and_arrive_unsorted(client: Client) -> None:
    operations = client.announce(client.reserve(), 4 * PART_SIZE - 1).data["attributes"]["uploadOperations"]
    assert [operation["partNumber"] for operation in operations] == [4, 2, 3, 1]
    ranges = sorted((operation["offset"], operation["length"]) for operation in operations)
    assert ranges == [(0, 1000), (1000, 1000), (2000, 1000), (3000, 999)]
    assert {operation["expiration"] for operation in operations} == {"2026-03-09T05:00:00-07:00"}
    assert all(operation["method"] == "PUT" and operation["entityTag"] is None for operation in operations)


def test_parts_answer_with_their_md5_and_may_be_sent_again_until_the_commit(client: Client) -> None:
    asset = ipa()
    file = client.announce(client.reserve(), len(asset)).data
    operations = file["attributes"]["uploadOperations"]
    first = operations[0]
    wrong = bytes(first["length"])
    assert client.put_part(first["url"], wrong).headers["etag"] == f'"{hashlib.md5(wrong).hexdigest()}"'
    for operation in operations:
        part = asset[operation["offset"] : operation["offset"] + operation["length"]]
        assert client.put_part(operation["url"], part).headers["etag"] == f'"{hashlib.md5(part).hexdigest()}"'
    checksums = {"file": {"hash": hashlib.md5(asset).hexdigest(), "algorithm": "MD5"}}
    committed = client.change("buildUploadFiles", file["id"], {"uploaded": True, "sourceFileChecksums": checksums})
    assert committed.data["attributes"]["assetDeliveryState"]["state"] == "COMPLETE"
    assert committed.data["attributes"]["uploadOperations"] is None
    assert client.put_part(first["url"], wrong).status == 404
    again = client.change("buildUploadFiles", file["id"], {"uploaded": True})
    assert (again.status, again.codes) == (409, ["STATE_ERROR.ENTITY_STATE_INVALID"])


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"data": b"short"}, 400, b"EntityTooSmall"),
        ({"data": bytes(PART_SIZE + 1)}, 400, b"EntityTooLarge"),
        ({"headers": {"Authorization": "Bearer rehearsal"}}, 400, b"InvalidArgument"),
        ({"url": lambda url: url.replace("uploadId=", "uploadId=0")}, 403, b"SignatureDoesNotMatch"),
        ({"url": lambda url: url.replace("/1?", "/9?")}, 404, b"NoSuchUpload"),
        ({"after": 8 * 86400}, 403, b"AccessDenied"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(client: Client, change: dict[str, Any], status: int, code: bytes) -> None:
    operations = client.announce(client.reserve(), PART_SIZE * 2).data["attributes"]["uploadOperations"]
    url = next(operation["url"] for operation in operations if operation["partNumber"] == 1)
    client.after = change.get("after", 0)
    answer = client.put_part(
        change.get("url", str)(url), change.get("data", bytes(PART_SIZE)), **change.get("headers", {})
    )
    assert (answer.status, code in answer.body) == (status, True)


@pytest.mark.parametrize(
    "checksums",
    [
        None,
        {"file": {"hash": "0" * 32, "algorithm": "MD5"}},
        {"composite": {"hash": "0" * 32 + "-1-1", "algorithm": "MD5"}},
    ],
)
def test_an_incomplete_or_altered_file_fails_for_good(client: Client, checksums: dict[str, Any] | None) -> None:
    upload = client.reserve()
    file = client.announce(upload, 2 * PART_SIZE).data
    for operation in file["attributes"]["uploadOperations"][: 1 if checksums is None else 2]:
        client.put_part(operation["url"], bytes(operation["length"]))
    attributes = {"uploaded": True, **({"sourceFileChecksums": checksums} if checksums else {})}
    state = client.change("buildUploadFiles", file["id"], attributes).data["attributes"]["assetDeliveryState"]
    assert state["state"] == "FAILED"
    assert state["errors"][0]["code"] in ("ASSET_PARTS_MISSING", "ASSET_CHECKSUM_MISMATCH")
    client.after = 1000
    assert client.state(upload)["state"] == "FAILED"


def test_the_composite_checksum_is_that_of_the_observed_trace(client: Client) -> None:
    asset = ipa()
    file = client.announce(client.reserve(), len(asset)).data
    digests = {}
    for operation in file["attributes"]["uploadOperations"]:
        part = asset[operation["offset"] : operation["offset"] + operation["length"]]
        client.put_part(operation["url"], part)
        digests[operation["partNumber"]] = hashlib.md5(part).digest()
    whole = hashlib.md5(b"".join(digests[number] for number in sorted(digests))).hexdigest()
    composite = {"composite": {"hash": f"{whole}-{len(digests)}-{PART_SIZE}", "algorithm": "MD5"}}
    answer = client.change("buildUploadFiles", file["id"], {"uploaded": True, "sourceFileChecksums": composite})
    assert answer.data["attributes"]["assetDeliveryState"]["state"] == "COMPLETE"


@pytest.mark.parametrize(
    ("asset", "version", "build", "code", "words"),
    [
        (ipa(bundle_id="com.other"), "1.2", "3", "90055", f"'{BUNDLE_ID}'"),
        (ipa(version="1.3"), "1.2", "3", "90345", "CFBundleShortVersionString"),
        (ipa(build="4"), "1.2", "3", "90345", "CFBundleVersion"),
        (ipa(version="1.1", build="2"), "1.1", "2", "90189", "build number '2' for version number '1.1'"),
        (ipa(version="1.1.0", build="02"), "1.1.0", "02", "90189", "Redundant Binary Upload"),
        (ipa(version="1.0", build="9"), "1.0", "9", "90062", "previously approved version [1.0]"),
        (b"this is no archive at all", "1.2", "3", "UNREADABLE", "zip"),
    ],
)
def test_what_apple_finds_in_the_archive_fails_the_upload(  # noqa: PLR0917
    client: Client, asset: bytes, version: str, build: str, code: str, words: str
) -> None:
    upload = client.upload(asset, version, build)
    assert client.state(upload)["state"] == "PROCESSING"
    client.after = 40
    state = client.state(upload)
    assert (state["state"], [error["code"] for error in state["errors"]]) == ("FAILED", [code])
    assert words in state["errors"][0]["description"]
    client.after = 9999
    assert not [b for b in client.get("/v1/builds").data if b["attributes"]["uploadedDate"].startswith("2026-03-02")]


def test_the_same_build_number_is_redundant_while_the_first_is_still_processed(client: Client) -> None:
    client.upload(ipa())
    second = client.upload(ipa())
    client.after = 40
    assert client.state(second)["errors"][0]["code"] == "90189"


def test_the_same_number_on_another_platform_is_not_redundant(client: Client) -> None:
    client.upload(ipa())
    second = client.upload(pkg(), platform="MAC_OS")
    client.after = 500
    assert client.state(second)["state"] == "COMPLETE"
    detail = client.get(
        "/v1/builds?filter[preReleaseVersion.platform]=MAC_OS&filter[version]=3&include=buildBetaDetail"
    )
    assert detail.document["included"][0]["attributes"]["internalBuildState"] == "IN_BETA_TESTING"
    assert detail.data[0]["attributes"]["lsMinimumSystemVersion"] == "14.0"


@pytest.mark.parametrize("newc", [False, True])
def test_a_package_is_looked_into(client: Client, newc: bool) -> None:
    upload = client.upload(pkg(build="4", newc=newc), platform="MAC_OS")
    client.after = 40
    assert [error["code"] for error in client.state(upload)["errors"]] == ["90345"]


def test_something_else_than_a_package_fails(client: Client) -> None:
    upload = client.upload(b"not a package at all, by far", platform="MAC_OS")
    client.after = 40
    assert [error["code"] for error in client.state(upload)["errors"]] == ["UNREADABLE"]


def test_two_spellings_of_a_version_are_one_train(client: Client) -> None:
    client.upload(ipa(version="1.2.0", build="3"), "1.2.0", "3")
    client.upload(ipa(version="1.2", build="4"), "1.2", "4")
    client.after = 500
    trains = client.get("/v1/preReleaseVersions?filter[version]=1.2.0").data
    assert len(trains) == 1
    assert client.get("/v1/preReleaseVersions?filter[version]=1.2").data == []
    assert len(client.get(f"/v1/preReleaseVersions/{trains[0]['id']}/builds").data) == 2


def test_refusals_before_anything_is_reserved(client: Client) -> None:
    attributes = {"cfBundleShortVersionString": "1.2", "cfBundleVersion": "3", "platform": "IOS"}
    unknown = client.create("buildUploads", attributes, app=("apps", "1"))
    assert (unknown.status, unknown.codes) == (409, ["ENTITY_ERROR.RELATIONSHIP.INVALID"])
    other = client.create("buildUploads", {**attributes, "platform": "TV_OS"}, app=("apps", client.app))
    assert (other.status, other.codes) == (409, ["ENTITY_ERROR.ATTRIBUTE.INVALID"])
    upload = client.reserve()
    client.announce(upload, 10)
    assert client.announce(upload, 10).status == 409
    assert client.announce(upload, 10, "com.apple.binary-property-list", "ASSET_DESCRIPTION").status == 201
    assert client.announce("nowhere", 10).status == 409
    effects = [effect["effect"] for effect in client.apple.effects()]
    assert effects == ["POST /v1/buildUploads", "POST /v1/buildUploadFiles", "POST /v1/buildUploadFiles"]


def test_a_reservation_can_be_deleted_and_an_accepted_upload_cannot(client: Client) -> None:
    upload = client.reserve()
    file = client.announce(upload, PART_SIZE).data
    client.put_part(file["attributes"]["uploadOperations"][0]["url"], bytes(PART_SIZE))
    assert client.ask("DELETE", f"/v1/buildUploads/{upload}").status == 204
    assert client.get(f"/v1/buildUploads/{upload}").status == 404
    assert client.get(f"/v1/buildUploadFiles/{file['id']}").status == 404
    assert not list(client.apple.state_dir.rglob("*.part"))
    assert client.reserve() != upload
    accepted = client.upload(ipa())
    assert client.ask("DELETE", f"/v1/buildUploads/{accepted}").status == 403


def test_uploads_of_an_app_are_found_by_version_number_and_state(client: Client) -> None:
    first = client.upload(ipa())
    client.reserve("2.0", "1")
    listed = client.get(
        f"/v1/apps/{client.app}/buildUploads?filter[cfBundleVersion]=3&filter[state]=PROCESSING,COMPLETE"
    )
    assert [entry["id"] for entry in listed.data] == [first]
    waiting = client.get(f"/v1/apps/{client.app}/buildUploads?filter[state]=AWAITING_UPLOAD&filter[platform]=IOS")
    assert [entry["attributes"]["cfBundleVersion"] for entry in waiting.data] == ["1"]


@pytest.mark.parametrize(
    ("outcome", "state", "processing"), [("invalid", "COMPLETE", ["INVALID"]), ("failed", "FAILED", [])]
)
def test_the_scenario_may_decide_the_end(tmp_path: Any, outcome: str, state: str, processing: list[str]) -> None:
    scenario = Scenario.load({**MAPPING, "processing": {"outcome": outcome, "code": "90683"}})
    client = Client(SimulatedApple(tmp_path, scenario, now=lambda: START))
    upload = client.upload(ipa())
    client.after = 1000
    assert client.state(upload)["state"] == state
    told = client.state(upload)["errors" if outcome == "failed" else "warnings"]
    assert [entry["code"] for entry in told] == ["90683"]
    builds = client.get("/v1/builds?filter[version]=3&include=buildBetaDetail")
    assert [build["attributes"]["processingState"] for build in builds.data] == processing
    if processing:
        detail = builds.document["included"][0]["attributes"]
        assert detail["internalBuildState"] == "PROCESSING_EXCEPTION"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_archive_never_breaks_the_reader(tmp_path: Any, data: st.DataObject) -> None:
    uti = data.draw(st.sampled_from(["com.apple.ipa", "com.apple.pkg"]))
    good = bytearray(ipa() if uti.endswith("ipa") else pkg(newc=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(0, 6))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(good)))
    path = tmp_path / "asset"
    path.write_bytes(good[:cut] if data.draw(st.booleans()) else good)
    with PartFiles([path]) as stream:
        asset = inspect(stream, uti)
    assert asset.problem or isinstance(asset.bundle_id, str) or uti == "com.apple.pkg"
