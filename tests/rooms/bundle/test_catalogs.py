"""Asset catalogs: icons are found as CoreUI lays them out, and no lie in a catalog takes long or escapes."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.apple.bundle import catalogs
from pipeline.apple.bundle.catalogs import read_catalog
from pipeline.apple.bundle.facts import Catalog, Picture
from tests.rooms.bundle import foundry
from tests.rooms.bundle.foundry import App, ipa
from tests.rooms.bundle.test_inspection import exported, rules_against


def read(data: bytes) -> Catalog:
    return read_catalog(io.BytesIO(data), len(data))


def test_icons_are_found() -> None:
    found = read(foundry.catalog(((120, 1), (1024, 6))))
    assert found == Catalog(("AppIcon",), (Picture("AppIcon", 120, 120), Picture("AppIcon", 1024, 1024)))


def test_one_picture_for_all_devices_and_layers_are_scaled() -> None:
    for data in (foundry.catalog(((1024, 0),)), foundry.catalog(((120, 1),), layers=True)):
        found = read(data)
        assert found.scaled == ("AppIcon",)


@pytest.mark.parametrize("told", ["optimized <idiom 1> <scale 2>", "carutil 917.3, thinned <mode app> <idiom 2>"])
def test_a_thinned_catalog_says_so(told: str) -> None:
    found = read(foundry.catalog(thinned=told))
    assert found.thinned


@pytest.mark.parametrize("data", [b"", b"no catalog"])
def test_what_does_not_begin_as_a_catalog_is_none(tmp_path: Path, data: bytes) -> None:
    app = App()
    app.resources["Assets.car"] = data
    found = exported(tmp_path, ipa(app.files()))
    assert found.catalog == bool(data)
    assert found.catalogued is None


def test_every_truncation_is_a_problem() -> None:
    data = foundry.catalog(((120, 1),))
    for length in range(8, len(data)):
        found = read(data[:length])
        assert found.problem, length


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(8, 2500), st.integers(0, 255)), max_size=6))
def test_damage_never_escapes(changes: list[tuple[int, int]]) -> None:
    data = bytearray(foundry.catalog())
    for at, value in changes:
        data[at % len(data)] = value
    data[:8] = b"BOMStore"
    found = read(bytes(data))
    assert len(found.pictures) < 100


def leaf(count: int, following: int) -> bytes:
    return struct.pack(">2H2I", 1, count, following, 0)


@pytest.mark.parametrize(
    "page",
    [leaf(0, 2), leaf(60_000, 2) + struct.pack(">2I", 3, 3) * 60_000, struct.pack(">2H3I", 0, 1, 0, 0, 2)],
    ids=["a page behind itself", "the same large block over and over", "a page below itself"],
)
def test_loops_end(page: bytes) -> None:
    blocks = [b"", struct.pack(">4s4IB", b"tree", 1, 2, 4096, 1, 0), page, bytes(1024 * 1024)]
    found = read(foundry.bom(blocks, {"FACETKEYS": 1}))
    assert found.problem


def test_as_many_blocks_as_nobody_has_are_refused() -> None:
    data = bytearray(foundry.catalog())
    at = int.from_bytes(data[16:20], "big")
    data[at : at + 4] = (catalogs.MOST_BLOCKS + 1).to_bytes(4, "big")
    found = read(bytes(data))
    assert "claims 1,000,001 blocks" in found.problem


def test_the_catalog_decides_about_icons(tmp_path: Path) -> None:
    app = App()
    whole = exported(tmp_path, ipa(app.files()))
    assert whole.catalogued is not None
    assert whole.catalogued is not None
    assert whole.catalogued.icons == ("AppIcon",)
    assert rules_against(whole) == set()
    name = whole.text("CFBundleIconName") or "AppIcon"
    wrong = (
        (foundry.catalog(((120, 1), (152, 2)), name=name), "BUND076"),
        (foundry.catalog(name="Another"), "BUND076"),
        (foundry.catalog(((58, 1), (1024, 6)), name=name), "BUND043"),
        (foundry.catalog()[:-1], "BUND076"),
    )
    for data, rule in wrong:
        app.resources["Assets.car"] = data
        assert rule in rules_against(exported(tmp_path, ipa(app.files())))
