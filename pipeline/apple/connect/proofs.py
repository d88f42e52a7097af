"""What must have come true at App Store Connect after a build was sent: about our very build, never about "latest"."""

from collections.abc import Iterator

from pipeline.apple.connect.facts import COMPLETE, FAILED, Builds, BuildUploads, ReleaseTarget, StateDetail
from pipeline.model import Finding, check, error

LOOK = "look at the build in App Store Connect under TestFlight"
AGAIN = "mend what Apple names, raise the build number (CURRENT_PROJECT_VERSION) and build again"


@check("CONN010", "Apple has accepted the upload")
def build_upload_was_accepted(target: ReleaseTarget, uploads: BuildUploads) -> Iterator[Finding]:
    found = uploads.of(target.version, target.build)
    if any(upload.state == COMPLETE for upload in found):
        return
    failed = next((upload for upload in found if upload.state == FAILED), None)
    if failed is not None and all(upload.state == FAILED for upload in found):
        for detail in failed.errors:
            yield error(
                f"Apple refused build {target}: {detail.description or detail.code}",
                subject=str(target),
                remedy=_remedy(detail),
                apple=detail.code,
            )
        if not failed.errors:
            yield error(f"Apple refused build {target} and gave no reason", subject=str(target), remedy=LOOK)
        return
    state = f"its upload is {found[0].state or 'in no state'}" if found else "there is no upload of it"
    yield error(
        f"Apple has not accepted build {target} yet: {state}",
        subject=str(target),
        remedy="run the release again: the upload goes on where it stopped",
        pending=True,
    )


@check("CONN011", "Apple has processed the build")
def build_is_valid(target: ReleaseTarget, uploads: BuildUploads, builds: Builds) -> Iterator[Finding]:
    build = builds.of(target.version, target.build)
    if build is not None and build.processing_state == "VALID":
        if build.expired:
            yield error(f"build {target} has expired", subject=str(target), remedy=AGAIN)
        return
    if build is not None and build.processing_state in ("INVALID", FAILED):
        yield error(
            f"Apple found build {target} {build.processing_state}",
            subject=str(target),
            remedy=f"read the mail from Apple or {LOOK}; then {AGAIN}",
            apple=build.processing_state,
        )
        return
    found = uploads.of(target.version, target.build)
    refused = [detail for upload in found if upload.state == FAILED for detail in upload.errors]
    if refused and all(upload.state == FAILED for upload in found):
        for detail in refused:
            yield error(
                f"Apple refused build {target}: {detail.description or detail.code}",
                subject=str(target),
                remedy=_remedy(detail),
                apple=detail.code,
            )
        return
    state = f"it is {build.processing_state or 'in no state'}" if build else "it is not listed"
    yield error(
        f"Apple has not processed build {target} yet: {state}",
        subject=str(target),
        remedy="run the release again later: it goes on waiting for this very build",
        pending=True,
    )


def _remedy(detail: StateDetail) -> str:
    """What to do, and the page of the rule that would have found it."""
    # Only a refusal needs the catalogue: no release waits for its import.
    from pipeline.apple.rejections.matching import advice

    return "; ".join(filter(None, (AGAIN, advice(detail.code, detail.description))))
