"""Make sure that this lane can be signed for the App Store before an hour is spent on building it."""

from pipeline.apple.signing import checks
from pipeline.model import Stage
from pipeline.stages.archive import artifact_was_given

SIGNING = Stage(
    "signing",
    after=("preflight",),
    title="identity and profile",
    needless=artifact_was_given,
    checks=(checks,),
)
