"""Records: written, read, and refused when they would make a removal touch what is not ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.apple.keychain.facts import PROFILE_FOLDERS, Installation, InstalledFile
from pipeline.apple.keychain.records import id_of, keychain_name, leftover_of, read_record, written
from pipeline.apple.signing import gateway
from pipeline.apple.signing.faults import SigningFault

RECORD = Installation(
    id="0a1b2c3d",
    keychain=f"/Users/ann/Library/Keychains/{keychain_name('0a1b2c3d')}",
    begun=datetime(2026, 11, 20, 12, tzinfo=UTC),
    host="runner",
    pid=77,
    job="1/2",
    complete=True,
    sha1s=("ab" * 20,),
    profiles=(
        InstalledFile(
            f"{PROFILE_FOLDERS[0]}/78caa1ab-17a0-4fd5-a7d0-0123456789ab.mobileprovision", "cd" * 32, stays=True
        ),
    ),
)


def test_a_record_survives_being_written() -> None:
    assert read_record(written(RECORD), RECORD.id) == RECORD


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"id": "ffffffff"},
        {"keychain": "/Users/ann/Library/Keychains/login.keychain-db"},
        {"keychain": "/elsewhere/pipeline-0a1b2c3d.keychain-db"},
        {"profiles": [{"path": ".ssh/id_ed25519", "sha256": "cd" * 32, "stays": False}]},
        {"profiles": [{"path": f"{PROFILE_FOLDERS[0]}/../x.mobileprovision", "sha256": "cd" * 32, "stays": False}]},
        {"profiles": [{"path": f"{PROFILE_FOLDERS[0]}/*.mobileprovision", "sha256": "cd" * 32, "stays": False}]},
        {"sha1s": ["../x"]},
        {"begun": "2026-11-20T12:00:00"},
        {"pid": -1},
        {"pid": True},
        {"profiles": 7},
    ],
    ids=str,
)
def test_a_record_that_names_what_is_not_ours_is_refused(change: dict[str, object]) -> None:
    told = {**json.loads(written(RECORD)), **change}
    with pytest.raises(SigningFault):
        read_record(json.dumps(told).encode(), RECORD.id)


@given(st.data())
def test_a_damaged_record_is_a_fault_and_no_traceback(data: st.DataObject) -> None:
    whole = bytearray(written(RECORD))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    for text in (cut, b"[" * 100_000, data.draw(st.binary(max_size=60))):
        try:
            record = read_record(text, RECORD.id)
        except SigningFault:
            continue
        assert id_of(record.keychain) in ("", RECORD.id)


@pytest.mark.parametrize(
    ("path", "identifier"),
    [
        ("/Users/ann/Library/Keychains/pipeline-0a1b2c3d.keychain-db", "0a1b2c3d"),
        ("/Users/ann/Library/Keychains/pipeline-0a1b2c3d.keychain", "0a1b2c3d"),
        ("/Users/ann/Library/Keychains/login.keychain-db", ""),
        ("/Users/ann/Library/Keychains/pipeline-0a1b2c3.keychain-db", ""),
        ("/Users/ann/Library/Keychains/pipeline-0a1b2c3d.keychain-db.p12", ""),
        ("/tmp/pipeline-0a1b2c3d.keychain-db", ""),
    ],
)
def test_a_keychain_of_ours_is_known_by_its_name(path: str, identifier: str) -> None:
    assert id_of(path) == identifier


def test_what_a_cut_off_write_leaves() -> None:
    assert leftover_of("x/.0a1b2c3d.json.4711.0badcafe") == ("0a1b2c3d", 4711)
    assert leftover_of("x/0a1b2c3d.json") == ("", 0)


def test_profiles_go_where_the_signing_room_looks_for_them() -> None:
    assert PROFILE_FOLDERS == gateway.PROFILE_FOLDERS
