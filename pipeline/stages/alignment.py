"""Judge all projects of the app together: one team, one container, and nothing left out unseen."""

from pipeline.apple.automation import checks as automation
from pipeline.apple.xcode.checks import alignment
from pipeline.model import Scope, Stage

ALIGNMENT = Stage(
    "alignment",
    after=("preflight",),
    scope=Scope.APP,
    title="the app's projects together",
    checks=(alignment, automation),
)
