"""The tables of contents about builds: settings shown, products compared, archives made and exported."""

from pipeline.model import Stage
from pipeline.stages import RELEASE
from pipeline.stages.archive import ARCHIVE
from pipeline.stages.bundle import BUNDLE
from pipeline.stages.differences import DIFFERENCES
from pipeline.stages.schema import SCHEMA
from pipeline.stages.settings import SETTINGS


def _until(last: Stage) -> tuple[Stage, ...]:
    """A release up to a stage, without what asks CloudKit: that is no question of a build."""
    return tuple(stage for stage in RELEASE[: RELEASE.index(last) + 1] if stage is not SCHEMA)


TABLES = {
    "settings": (SETTINGS,),
    "diff": (DIFFERENCES,),
    "archive": _until(ARCHIVE),
    "export": _until(BUNDLE),
}
