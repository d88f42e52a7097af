"""Show what changed from one product to another: for whoever releases the second one."""

from collections.abc import Iterable
from pathlib import PurePath

from pipeline.apple.bundle.checks import comparison as checks
from pipeline.apple.bundle.comparison import ArtifactDifferences, Change, Growth, Weight
from pipeline.apple.bundle.facts import BuiltApp
from pipeline.model import Cell, Column, Exhibit, Scope, Stage, Tone

_NONE = Cell("–", Tone.QUIET)
_MARKS = {"added": Cell("added"), "removed": Cell("removed", Tone.CAUTION), "changed": Cell("changed")}
_COLUMNS = (
    Column("Where", wraps=True),
    Column("What", wraps=True),
    Column("Change", spare=1),
    Column("Old", wraps=True),
    Column("New", wraps=True),
)
_APPLES = ("/System/", "/usr/lib/")
"""Where Apple's own libraries are."""


def artifacts(compared: ArtifactDifferences) -> Exhibit:
    """The two products."""
    return Exhibit(
        "Artifacts",
        (
            Column("Artifact"),
            Column("File", wraps=True),
            Column("App", wraps=True),
            Column("Version"),
            Column("Build"),
            Column("Platform", spare=2),
            Column("Size", right=True),
            Column("Signed by", wraps=True, spare=1),
            Column("SHA-256", spare=3),
        ),
        (_artifact("old", compared.old), _artifact("new", compared.new)),
        note="They are the same file, byte by byte." if compared.identical else "",
    )


def _artifact(mark: str, app: BuiltApp) -> tuple[Cell, ...]:
    return (
        Cell(mark),
        Cell(PurePath(app.path).name, value=app.path),
        Cell(app.bundle_id) if app.bundle_id else _NONE,
        Cell(app.version) if app.version else _NONE,
        Cell(app.build) if app.build else _NONE,
        Cell(app.platform),
        _bytes(app.size),
        Cell(str(app.signature)),
        Cell(app.sha256, Tone.QUIET),
    )


def size_by_component(compared: ArtifactDifferences) -> Exhibit:
    """The whole first, then what changed most; packed sizes where a product is packed file by file."""
    changed = [one for one in compared.growth if one.difference or one.packed_difference]
    changed.sort(key=lambda one: (-abs(one.difference), -abs(one.packed_difference or 0), one.component))
    whole = Growth("everything", _sum(one.old for one in compared.growth), _sum(one.new for one in compared.growth))
    packed = any(weight and weight.packed is not None for weight in (whole.old, whole.new))
    kept = len(compared.growth) - len(changed)
    return Exhibit(
        "Size by component",
        (
            Column("Component", wraps=True),
            Column("Old", right=True),
            Column("New", right=True),
            Column("Difference", right=True),
            *(
                (
                    Column("Old packed", right=True, spare=2),
                    Column("New packed", right=True, spare=2),
                    Column("Difference packed", right=True, spare=1),
                )
                if packed
                else ()
            ),
        ),
        tuple(_growth(one, packed=packed) for one in (whole, *changed)) if compared.growth else (),
        note=f"{kept:,} {'component is' if kept == 1 else 'components are'} as large as before." if kept else "",
        empty="nothing was compared",
    )


def _sum(weights: Iterable[Weight | None]) -> Weight | None:
    known = [weight for weight in weights if weight]
    return sum(known[1:], known[0]) if known else None


def _growth(one: Growth, *, packed: bool) -> tuple[Cell, ...]:
    old, new = one.old, one.new
    cells = [
        Cell(one.component),
        _bytes(old.unpacked if old else None),
        _bytes(new.unpacked if new else None),
        _signed(one.difference),
    ]
    if packed:
        cells += [
            _bytes(old.packed if old else None),
            _bytes(new.packed if new else None),
            _signed(one.packed_difference),
        ]
    return tuple(cells)


def _bytes(count: int | None) -> Cell:
    return _NONE if count is None else Cell(f"{count:,}", value=count)


def _signed(count: int | None) -> Cell:
    return _NONE if count is None else Cell(f"{count:+,}" if count else "0", value=count)


def entitlements(compared: ArtifactDifferences) -> Exhibit:
    """What the app, and the programs in it, may do; as XML and as DER, which newer systems go by."""
    return _changes("Entitlements", compared.entitlements, compared)


def information(compared: ArtifactDifferences) -> Exhibit:
    """Keys of the Info.plist of the app and of what runs inside it."""
    return _changes("Info.plist", compared.information, compared)


def bundles(compared: ArtifactDifferences) -> Exhibit:
    """Frameworks, extensions, resource bundles, and libraries on their own."""
    return _changes("Frameworks and other bundles", compared.bundles, compared)


def code(compared: ArtifactDifferences) -> Exhibit:
    """Architectures, SDK, minimum system and linked libraries."""
    told = [_told_library(each) for each in compared.code]
    return _changes("Code", told, compared)


def privacy(compared: ArtifactDifferences) -> Exhibit:
    """What privacy manifests declare."""
    return _changes("Privacy manifests", compared.privacy, compared)


def profiles(compared: ArtifactDifferences) -> Exhibit:
    """The embedded provisioning profiles."""
    return _changes("Provisioning profiles", compared.profiles, compared)


def signers(compared: ArtifactDifferences) -> Exhibit:
    """Who signed, with which certificate, and whether it holds."""
    return _changes("Signatures", compared.signers, compared)


def _told_library(change: Change) -> Change:
    """Apple's libraries by their name; others with the path from which they are loaded."""
    if change.what != "links":
        return change
    return Change(change.place, change.what, _library(change.old), _library(change.new))


def _library(path: str | None) -> str | None:
    return path.rpartition("/")[2] if path and path.startswith(_APPLES) else path


def _changes(title: str, changes: Iterable[Change], compared: ArtifactDifferences) -> Exhibit:
    rows = tuple(
        (
            Cell(each.place or "the app", value=each.place),
            Cell(f"{each.what} ({each.form} alone)" if each.form else each.what, value=each.what),
            _MARKS[each.kind],
            Cell(each.old) if each.old is not None else _NONE,
            Cell(each.new) if each.new is not None else _NONE,
        )
        for each in changes
    )
    compares = compared.old.comparable and compared.new.comparable
    return Exhibit(title, _COLUMNS, rows, empty="nothing changed" if compares else "nothing was compared")


DIFFERENCES = Stage(
    "differences",
    scope=Scope.APP,
    title="two artifacts",
    checks=(checks,),
    exhibits=(artifacts, size_by_component, entitlements, information, bundles, code, privacy, profiles, signers),
)
