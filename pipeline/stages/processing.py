"""Wait until Apple has processed this very build."""

from datetime import timedelta

from pipeline.apple.connect.proofs import build_is_valid
from pipeline.apple.testflight.proofs import testflight_knows_the_build
from pipeline.model import Stage

PROCESSING = Stage(
    "processing",
    after=("upload",),
    title="Apple's processing",
    proofs=(build_is_valid, testflight_knows_the_build),
    patience=timedelta(hours=2),
)
