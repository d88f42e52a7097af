"""Judges the tools, images and Xcodes that automation calls for."""

from collections.abc import Iterator
from datetime import datetime

from pipeline.apple.automation.facts import Automation, Job, Named
from pipeline.apple.automation.withdrawn import (
    FLOOR_SINCE,
    IMAGES,
    OLDEST_XCODE,
    TOOLS,
    XCODES,
    XCODES_AS_OF,
    image_of,
)
from pipeline.model import Finding, check, note, warning


@check("AUTO010", "the tools that are called still work")
def tools_still_work(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        withdrawal = TOOLS.get(call.key)
        if withdrawal is not None and automation.seen >= withdrawal.since:
            say = warning if withdrawal.fails else note
            yield say(
                f"{call.says or call.key}: {withdrawal.what}",
                subject=call.key,
                at=call.location,
                remedy=withdrawal.instead,
            )


@check("AUTO011", "runner images exist")
def runner_images_exist(automation: Automation) -> Iterator[Finding]:
    told: set[tuple[str, str]] = set()
    for job in automation.jobs:
        for runner in job.runners:
            withdrawal = IMAGES.get(image_of(runner.text))
            if withdrawal is None or (runner.text, runner.location.path) in told:
                continue
            told.add((runner.text, runner.location.path))
            if automation.seen >= withdrawal.since:
                yield warning(
                    f"the image {runner.text} is gone since {withdrawal.since:%Y-%m-%d}: no job runs on it any more "
                    f"({withdrawal.source})",
                    subject=runner.text,
                    at=runner.location,
                    remedy="use macos-26, whose Xcode the App Store takes",
                )


@check("AUTO012", "the Xcode that is chosen is on the image")
def chosen_xcode_is_on_the_image(automation: Automation) -> Iterator[Finding]:
    for job in automation.jobs:
        images = [image_of(runner.text) for runner in job.runners]
        if len(images) != 1 or images[0] not in XCODES or images[0] in _gone(automation.seen):
            continue
        held = XCODES[images[0]].versions
        for xcode in job.xcodes:
            if xcode.there and not _has(held, xcode.text) and not _is_newer(xcode.text, held):
                yield warning(
                    f"{job.runners[0].text} has no Xcode {xcode.text}; as of {XCODES_AS_OF} it had {', '.join(held)}",
                    subject=f"Xcode {xcode.text}",
                    at=xcode.location,
                    remedy="choose an Xcode that the image has",
                )


def _gone(seen: datetime) -> set[str]:
    return {name for name, withdrawal in IMAGES.items() if seen >= withdrawal.since}


def _has(held: tuple[str, ...], version: str) -> bool:
    plain = version.removesuffix(".0") if version.count(".") > 1 else version
    return plain in held or any(one == f"{plain}.0" or one.startswith(f"{plain}.") for one in held)


def _is_newer(version: str, held: tuple[str, ...]) -> bool:
    """Whether it came after the list was made."""
    return _numbers(version) > max(map(_numbers, held))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part[:6]) for part in version.split(".") if part.isdecimal())


@check("AUTO013", "what goes to the App Store is built with an Xcode that it takes")
def uploading_jobs_meet_the_floor(automation: Automation) -> Iterator[Finding]:
    if automation.seen < FLOOR_SINCE:
        return
    for job in automation.jobs:
        upload = next((one for one in job.uploads if one.platform in ("ios", "tvos", "visionos")), None)
        if upload is None or job.chooses:
            continue
        chosen = _chosen(job)
        if chosen is None or _numbers(chosen.text)[:1] >= (OLDEST_XCODE,):
            continue
        said = "chooses" if job.xcodes else "has by itself"
        yield warning(
            f"{f'the job {job.name}' if job.name else 'this'} {said} Xcode {chosen.text} and uploads with {upload.by}: "
            f"since {FLOOR_SINCE:%Y-%m-%d} the App Store takes only what Xcode {OLDEST_XCODE} or later built",
            subject=f"Xcode {chosen.text}",
            at=chosen.location,
            remedy=f"choose Xcode {OLDEST_XCODE} or later, on an image that has it (macos-26)",
            apple="90725",
        )


def _chosen(job: Job) -> Named | None:
    """The newest Xcode that a job may build with; None where that cannot be told."""
    if job.xcodes:
        return max(job.xcodes, key=lambda one: _numbers(one.text))
    images = {image_of(runner.text) for runner in job.runners}
    if len(images) != 1 or not images <= set(XCODES):
        return None
    return Named("Xcode", XCODES[images.pop()].default, job.runners[0].location)


@check("AUTO014", "an export is given its options")
def exports_have_options(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        if call.key == "export without options":
            yield warning(
                "xcodebuild -exportArchive without -exportOptionsPlist: it stops, and says that the option is missing",
                subject="-exportOptionsPlist",
                at=call.location,
                remedy="write export options and give them with -exportOptionsPlist",
            )


@check("AUTO015", "codesign may use the key that was imported")
def imported_keys_may_be_used(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        if call.key == "keychain":
            yield warning(
                "the job imports a certificate and signs with it, but nowhere sets the key's partition list: codesign "
                "asks for leave in a dialog that nobody answers",
                subject="security import",
                at=call.location,
                remedy="add `security set-key-partition-list -S apple-tool:,apple: -s -k PASSWORD KEYCHAIN` after it",
            )


@check("AUTO016", "a profile on the command line fits all that is built")
def profile_is_not_given_for_all(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        if call.key == "profile for all":
            yield warning(
                "PROVISIONING_PROFILE_SPECIFIER on xcodebuild's command line holds for every target, also for "
                f"{call.says}",
                subject="PROVISIONING_PROFILE_SPECIFIER",
                at=call.location,
                remedy="set the profile in each target's own settings, or in an xcconfig of that target",
            )


@check("AUTO019", "tools are looked for where Xcode keeps them")
def tools_are_looked_for_where_they_are(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        if call.key == "not on PATH":
            yield warning(
                f"{call.says} is looked for on PATH, where Xcode does not put it, and the script stops without it",
                subject=call.says,
                at=call.location,
                remedy=f"ask `xcrun --find {call.says}`",
            )


@check("AUTO028", "who is to upload does upload")
def uploads_are_made(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        if call.key == "idle":
            yield warning(
                f"{call.says} only prints, uploads nothing, and says that it is done",
                subject=call.says,
                at=call.location,
                remedy="upload there, or let it fail",
            )


@check("AUTO029", "certificates are looked for by the name that they have")
def certificates_bear_their_present_name(automation: Automation) -> Iterator[Finding]:
    for call in automation.calls:
        if call.key == "former certificate":
            yield note(
                f"{call.says} is the name of before: a certificate of the type Apple Distribution, which Xcode makes "
                "since version 11, is not found by it",
                subject=call.says,
                at=call.location,
                remedy="look for Apple Distribution too",
            )
