"""Where products are looked for, and how far what is read there is to be trusted."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pipeline.apple.bundle import gateway
from pipeline.apple.signing.trust import Anchors
from pipeline.model import Lane, Platform, Source
from pipeline.ports.clock import LiveClock
from pipeline.ports.products import Products
from tests.rooms.bundle import foundry

LANE = Lane("ios", Platform.IOS, "A.xcodeproj", "Example", "Release", "Scheme")
MAC = Lane("macos", Platform.MAC_OS, "A.xcodeproj", "Example", "Release")
ANCHORS = Anchors().including("Test Root CA", foundry.authority().root.der)


class StoppedClock(LiveClock):
    def now(self) -> datetime:
        return foundry.NOW


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    products = Products(tmp_path / "ios", Source.SIMULATED)
    archive = gateway.archive(products, LANE)
    assert archive.value
    assert not archive.value.exists
    assert archive.value.path == str(tmp_path / "ios" / "Scheme.xcarchive")
    export = gateway.export(products, MAC)
    assert export.value
    assert export.value.path == str(tmp_path / "ios" / "export" / "Example.pkg")
    app = gateway.exported_app(products, LANE, StoppedClock(), ANCHORS)
    assert app.source is Source.UNKNOWN
    assert "no exported product" in app.why
    assert gateway.archived_app(products, LANE, StoppedClock(), ANCHORS).source is Source.UNKNOWN


def test_what_was_made_bears_the_source_of_its_maker(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "Any.ipa").write_bytes(foundry.ipa(foundry.App().files()))
    products = Products(tmp_path, Source.SIMULATED)
    app = gateway.exported_app(products, LANE, StoppedClock(), ANCHORS)
    assert app.source is Source.SIMULATED
    assert app.value
    assert app.value.signature.trusted
    export = gateway.export(products, LANE)
    assert export.value
    assert export.value.holds(foundry.BUNDLE_ID, "2.5.0", "250")
    assert not export.value.given


def test_what_was_given_is_live(tmp_path: Path) -> None:
    given = tmp_path / "Given.ipa"
    given.write_bytes(foundry.ipa(foundry.App().files()))
    products = Products(tmp_path / "ios", Source.SIMULATED, {"export": given})
    assert gateway.exported_app(products, LANE, StoppedClock(), ANCHORS).source is Source.LIVE
    export = gateway.export(products, LANE)
    assert export.source is Source.LIVE
    assert export.value
    assert export.value.given


def test_what_cannot_be_read_is_unknown_with_the_reason(tmp_path: Path) -> None:
    given = tmp_path / "Given.ipa"
    given.write_bytes(b"no zip")
    app = gateway.exported_app(Products(tmp_path, Source.LIVE, {"export": given}), LANE, StoppedClock(), ANCHORS)
    assert app.source is Source.UNKNOWN
    assert app.why == "Given.ipa is no zip archive"


def test_two_products_are_not_chosen_from(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    for name in ("A.ipa", "B.ipa"):
        (tmp_path / "export" / name).write_bytes(b"")
    export = gateway.export(Products(tmp_path, Source.LIVE), LANE)
    assert export.value
    assert not export.value.exists
