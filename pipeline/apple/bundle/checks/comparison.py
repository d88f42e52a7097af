"""What must hold of two products before their differences mean anything."""

from collections.abc import Iterator
from pathlib import PurePath

from pipeline.apple.bundle.comparison import ArtifactDifferences
from pipeline.apple.bundle.facts import BuiltApp
from pipeline.model import Finding, check, error, note, warning

PARTS = 8


@check("BUND090", "both artifacts can be read")
def both_artifacts_can_be_read(compared: ArtifactDifferences) -> Iterator[Finding]:
    for app in (compared.old, compared.new):
        if not app.comparable:
            reason = app.problems[0] if app.problems else "it holds no app"
            yield error(
                f"{PurePath(app.path).name} cannot be compared: {reason}",
                subject=app.path,
                remedy="give an .ipa, .pkg, .xcarchive or .app that `build.validate` can read",
            )


@check("BUND091", "both artifacts are of one app")
def both_artifacts_are_of_one_app(compared: ArtifactDifferences) -> Iterator[Finding]:
    old, new = compared.old, compared.new
    if not (old.comparable and new.comparable):
        return
    for what, before, after in (
        ("bundle identifier", old.bundle_id, new.bundle_id),
        ("platform", old.platform, new.platform),
    ):
        if before != after:
            yield warning(
                f"the {what} was {before or 'none'} and is {after or 'none'}: this is another app",
                subject=new.bundle_id,
                remedy="compare two builds of one app, for one platform",
            )


@check("BUND092", "the second artifact is the newer one")
def the_second_artifact_is_newer(compared: ArtifactDifferences) -> Iterator[Finding]:
    old, new = compared.old, compared.new
    before, after = _order(old), _order(new)
    if before is not None and after is not None and after < before and old.bundle_id == new.bundle_id:
        yield warning(
            f"the first artifact, {old.version} ({old.build}), is newer than the second, {new.version} ({new.build})",
            subject=new.bundle_id,
            remedy="name the older artifact first: what is told as added was removed",
        )


@check("BUND093", "the artifacts differ")
def the_artifacts_differ(compared: ArtifactDifferences) -> Iterator[Finding]:
    if compared.identical:
        yield note("both artifacts are the same file, byte by byte", subject=compared.new.bundle_id)
    elif (
        compared.old.comparable
        and compared.new.comparable
        and not compared.changes
        and not any(growth.difference for growth in compared.growth)
    ):
        yield note(
            "nothing that is compared here differs, although the files do: the code may be another all the same",
            subject=compared.new.bundle_id,
        )


def _order(app: BuiltApp) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """What to order builds by, number by number; None where a version is not numbers and dots."""
    version, build = _numbers(app.version), _numbers(app.build)
    return None if version is None or build is None else (version, build)


def _numbers(text: str) -> tuple[int, ...] | None:
    parts = text.split(".")
    if len(parts) > PARTS or not all(part.isascii() and part.isdecimal() and len(part) < 18 for part in parts):
        return None
    numbers = [int(part) for part in parts]
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
