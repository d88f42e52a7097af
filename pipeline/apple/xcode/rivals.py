"""Decides which candidate makes the build of each platform, and says why the others do not."""

from __future__ import annotations

import re

from pipeline.apple.xcode.candidates import EXAMPLE, Candidate, file_of, plain, title_of
from pipeline.apple.xcode.facts import Unrehearsed
from pipeline.model import Lane, Location, Platform

NAMES = {Platform.IOS: "ios", Platform.MAC_OS: "macos", Platform.TV_OS: "tvos", Platform.VISION_OS: "visionos"}


def chosen(
    fitting: list[Candidate], candidates: list[Candidate], wanted: frozenset[Platform], *, asked: bool
) -> tuple[tuple[Lane, ...], tuple[Unrehearsed, ...]]:
    lanes: list[Lane] = []
    others: list[Unrehearsed] = []
    # What speaks against a target counts only where another lane makes up for leaving it out.
    head = max(fitting, key=lambda c: (c.score, -c.project.count("/")))
    free = not wanted and not asked
    for platform in Platform:
        rivals = sorted(
            (candidate for candidate in fitting if candidate.platform is platform),
            key=lambda c: (-c.score, c.project.count("/"), c.project, c.target),
        )
        if not rivals:
            continue
        best = next((each for each in rivals if free and each.score >= 0 and not each.outside), rivals[0])
        if wanted and platform not in wanted:
            others.append(_left_out(platform, best, "the platforms asked for do not include it"))
        elif free and best.project != head.project and not _is_related(best.project, [best], [head]):
            others.append(_left_out(platform, best, f"nothing says that it belongs to {head.target} in {head.project}"))
        elif not wanted and platform is Platform.VISION_OS and _spans(best, candidates):
            others.append(_left_out(platform, best, "it is one platform of a target for several"))
        elif free and best.score < 0 <= head.score:
            others.append(_left_out(platform, best, f"it is hardly one for a release: {best.reasons[-1]}"))
        elif free and (why := _not_for_store(best, fitting)):
            others.append(_left_out(platform, best, why))
        elif free and best.unlikely and best.platform is not head.platform:
            others.append(_left_out(platform, best, best.unlikely))
        else:
            lanes.append(Lane(NAMES[platform], platform, best.project, best.target, best.configuration, best.scheme))
            if best.catalyst:
                others.append(_on_macs(best))
    return tuple(lanes), tuple(others)


def _not_for_store(best: Candidate, fitting: list[Candidate]) -> str:
    """Why a Mac app is made for another place than the App Store; "" where it may go there."""
    if best.outside and not best.sandboxed:
        return best.outside
    return best.unprepared if all(each.platform is Platform.MAC_OS for each in fitting) else ""


def unchosen(
    lanes: tuple[Lane, ...], candidates: list[Candidate]
) -> tuple[tuple[Unrehearsed, ...], frozenset[str], tuple[Lane, ...]]:
    """The apps of which no lane was made, told by project; the projects that concern this release; and what the lanes
    of those apps would be that might have been meant.
    """
    chosen = {(lane.project, lane.target) for lane in lanes}
    served = {lane.platform for lane in lanes}
    winners = [c for c in candidates if any(_is_of(c, lane) for lane in lanes)]
    groups: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if (candidate.project, candidate.target) not in chosen and candidate.platform in served:
            groups.setdefault(candidate.project, []).append(candidate)
    others: list[Unrehearsed] = []
    rivals: list[Lane] = []
    concerned = {lane.project for lane in lanes}
    for project, group in groups.items():
        free = [candidate for candidate in group if not candidate.carried]
        if project in concerned:
            ties = [candidate for candidate in free if any(_ties(candidate, winner) for winner in winners)]
            tied = {candidate.target for candidate in ties}
            rest = [candidate for candidate in free if candidate.target not in tied]
        else:
            ties, rest = [], free
        for part, rival in ((ties, True), (rest, project not in concerned and _is_related(project, free, winners))):
            if part:
                others.append(_outdone(part, winners, rival=rival))
            if part and rival:
                concerned.add(project)
                rivals += map(_lane_of, part)
    return tuple(others), frozenset(concerned), tuple(rivals)


def _lane_of(c: Candidate) -> Lane:
    name = f"{NAMES[c.platform]} {c.target} in {c.project}"
    return Lane(name, c.platform, c.project, c.target, c.configuration, c.scheme)


def _is_of(candidate: Candidate, lane: Lane) -> bool:
    return (candidate.project, candidate.target, candidate.platform) == (lane.project, lane.target, lane.platform)


def _ties(candidate: Candidate, winner: Candidate) -> bool:
    same = candidate.platform is winner.platform and candidate.project == winner.project
    return same and candidate.score >= winner.score


def _is_related(project: str, group: list[Candidate], winners: list[Candidate]) -> bool:
    """Whether a project holds an app of the same maker or name that might be the one to release."""
    if any(EXAMPLE.match(part) for part in project.split("/")[:-1]):
        return False
    makers = {_maker(winner.bundle_id) for winner in winners} - {""}
    own = {core(name) for winner in winners for name in (winner.target, title_of(winner.project))}
    its = {core(name) for name in (title_of(project), *(each.target for each in group))}
    return any(_maker(each.bundle_id) in makers for each in group) or any(
        one in other or other in one for one in own for other in its if min(len(one), len(other)) > _SHORT
    )


_SHORT = 3
"""A name of so few letters occurs in others by chance."""


def core(name: str) -> str:
    """A name without the platform at its end: IsometryiOS and IsometryMac are one app."""
    return re.sub(r"(?:ios|macos|osx|mac|tvos|visionos|iphone|ipad|mobile|desktop|app)$", "", plain(name))


def _maker(bundle_id: str) -> str:
    """The first two labels of a bundle identifier, which are the maker's domain."""
    return ".".join(bundle_id.lower().split(".")[:2]) if bundle_id.count(".") > 1 else ""


def _spans(candidate: Candidate, candidates: list[Candidate]) -> bool:
    return any(
        (other.project, other.target) == (candidate.project, candidate.target) and other.platform != candidate.platform
        for other in candidates
    )


def _left_out(platform: Platform, candidate: Candidate, why: str) -> Unrehearsed:
    what = f"{platform.label} build of {candidate.target} in {candidate.project}"
    place = Location(file_of(candidate.project), candidate.line)
    return Unrehearsed(what, why, f"ask for the platform {NAMES[platform]}", location=place)


def _on_macs(candidate: Candidate) -> Unrehearsed:
    return Unrehearsed(
        f"Mac Catalyst build of {candidate.target} in {candidate.project}",
        "Xcode alone can tell what it is made of",
        "judge its exported package with build.validate --pkg",
        location=Location(file_of(candidate.project), candidate.line),
    )


_SHOWN = 4


def _outdone(group: list[Candidate], winners: list[Candidate], *, rival: bool) -> Unrehearsed:
    """One word for all apps of a project that are not rehearsed."""
    candidate = group[0]
    winner = next(one for one in winners if one.platform is candidate.platform)
    because = [reason for reason in winner.reasons if reason not in (*candidate.reasons, *winner.against)]
    against = [reason for reason in candidate.reasons if reason not in winner.reasons]
    reason = (
        f"{winner.target} in {winner.project} fits a release better"
        + (f": {', '.join(because)}" if because else "")
        + (f"; this one: {', '.join(against)}" if against else "")
    )
    if candidate.score >= winner.score:
        reason = f"{winner.target} was chosen, although nothing speaks more for it"
    if candidate.project == winner.project:
        remedy = f"select it with the target {candidate.target}"
    else:
        path = candidate.project
        remedy = f"select it with the project {path}, or with projects: {{{NAMES[winner.platform]}: {path}}} in config"
    names = list(dict.fromkeys(each.target for each in group))
    labels = " and ".join(dict.fromkeys(each.platform.label for each in group))
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return Unrehearsed(
        f"{labels} {'app' if len(names) == 1 else 'apps'} {shown} in {candidate.project}",
        reason,
        remedy,
        rival=rival,
        location=Location(file_of(candidate.project), candidate.line),
    )
