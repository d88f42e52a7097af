"""Where a lane's products lie and what is in them; the files are outside the app's folder and read directly."""

from pathlib import Path
from typing import TypeVar

from pipeline.apple.bundle.comparison import ArtifactDifferences, differences, read_contents
from pipeline.apple.bundle.facts import Archive, ArchivedApp, BuiltApp, Export, ExportedApp, GivenSignatures
from pipeline.apple.bundle.inspection import built_app, on_disk
from pipeline.apple.bundle.signers import read_signers
from pipeline.apple.signing.facts import Anchors
from pipeline.model import Lane, Platform, Reading, Source, probe
from pipeline.ports.clock import Clock
from pipeline.ports.given import GivenFiles
from pipeline.ports.products import Products

B = TypeVar("B", bound=BuiltApp)

EXPORT_FOLDER = "export"


@probe
def archive(products: Products, lane: Lane) -> Reading[Archive]:
    """Which archive the lane has, or where it will be."""
    given = products.given("archive")
    found = on_disk(Archive, given or archive_path(products, lane), given=given is not None)
    return Reading.of(found, products.source_of("archive"))


@probe
def export(products: Products, lane: Lane) -> Reading[Export]:
    """Which exported product the lane has, or where it will be."""
    given = products.given("export")
    found = on_disk(Export, given or export_path(products, lane), given=given is not None)
    return Reading.of(found, products.source_of("export"))


@probe
def archived_app(products: Products, lane: Lane, clock: Clock, anchors: Anchors) -> Reading[ArchivedApp]:
    """The app in the lane's archive, read whole."""
    path = products.given("archive") or archive_path(products, lane)
    if not path.exists():
        return Reading.unknown(ArchivedApp, f"there is no archive at {path}")
    return _reading(built_app(ArchivedApp, path, anchors, clock.now()), products.source_of("archive"))


@probe
def exported_app(products: Products, lane: Lane, clock: Clock, anchors: Anchors) -> Reading[ExportedApp]:
    """The app in the lane's exported product, read whole."""
    path = products.given("export") or export_path(products, lane)
    if not path.exists():
        return Reading.unknown(ExportedApp, f"there is no exported product at {path}")
    return _reading(built_app(ExportedApp, path, anchors, clock.now()), products.source_of("export"))


@probe(lasting=True, scope="APP")
def given_signatures(given: GivenFiles, clock: Clock, anchors: Anchors) -> GivenSignatures:
    """Who signed the code and packages that `--file` names."""
    at = clock.now()
    return GivenSignatures(tuple(read_signers(given.paths(), given.opened, given.named, anchors, at)), at)


@probe(lasting=True, scope="APP")
def artifact_differences(given: GivenFiles, clock: Clock, anchors: Anchors) -> Reading[ArtifactDifferences]:
    """What changed from the first to the second of two products that were named."""
    if len(given.named) != BOTH:
        return Reading.unknown(ArtifactDifferences, "two artifacts are compared", remedy="name the older one first")
    old, new = (read_contents(Path(each), anchors, clock.now()) for each in given.named)
    return Reading.of(differences(old, new), given.source)


BOTH = 2


def _reading(app: B, source: Source) -> Reading[B]:
    """Where there is neither an app nor a program, nothing about it is known; `Archive` and `Export` say more."""
    if app.info or app.executables:
        return Reading.of(app, source, app.at)
    return Reading.unknown(type(app), app.problems[0] if app.problems else "the product holds no app", app.at)


def archive_path(products: Products, lane: Lane) -> Path:
    """The archive in the lane's folder; where there is none or more than one, the one that bears the scheme's name."""
    expected = products.directory / f"{lane.scheme or lane.target}.xcarchive"
    return _only(products.directory, (".xcarchive",)) or expected


def export_path(products: Products, lane: Lane) -> Path:
    """The product in the lane's export folder; where there is none or more than one, the one of the scheme's name."""
    folder = products.directory / EXPORT_FOLDER
    suffix = ".pkg" if lane.platform is Platform.MAC_OS else ".ipa"
    return _only(folder, (".ipa", ".pkg")) or folder / f"{lane.scheme or lane.target}{suffix}"


def _only(folder: Path, suffixes: tuple[str, ...]) -> Path | None:
    found = [path for path in folder.iterdir() if path.suffix in suffixes] if folder.is_dir() else []
    return found[0] if len(found) == 1 else None
