"""Make sure that this lane can be signed for the App Store before an hour is spent on building it."""

from dataclasses import replace
from datetime import datetime, timedelta

from pipeline.apple.signing import checks
from pipeline.apple.signing.certificates import NEVER
from pipeline.apple.signing.checks.identities import identifiers_are_known, team_is_known
from pipeline.apple.signing.choice import INSTALLER, Match, choose, end_of, usable
from pipeline.apple.signing.facts import Identities, Identity, InstalledProfiles, SigningNeed, SigningPolicy
from pipeline.apple.xcode.checks import signing_style_is_consistent
from pipeline.model import Cell, Column, Exhibit, Platform, Stage, Tone
from pipeline.stages.archive import artifact_was_given

_SHORT = 8
"""Letters of a SHA-1 that are shown; programs read all."""
_ENDINGS = {".mobileprovision": ".mob…", ".provisionprofile": ".prov…"}
"""Endings that say little beside profiles, and would break a narrow column."""
_NOWHERE = Cell("–", Tone.QUIET)
_NONE = Cell("none", Tone.BAD)
_LEGEND = {
    "Xcode's": "Xcode's: signed automatically, so Xcode makes or fetches the profile",
    "(unfit)": "unfit: it lacks something, or does not name the identity; a finding says what",
}


def signing(identities: Identities, profiles: InstalledProfiles, need: SigningNeed, policy: SigningPolicy) -> Exhibit:
    """With what each bundle would be signed, and for how many days that goes on."""
    choice = choose(profiles, identities, need)
    taken = {match.bundle.bundle_id: match for match in choice.matches}
    rows = []
    for bundle in need.bundles:
        match = taken.get(bundle.bundle_id)
        profile = _profile(match, choice.signer, profiles.at, policy.expires_within) if bundle.manual else _XCODES
        where = _where(choice.signer, match)
        rows.append(
            (Cell(bundle.bundle_id), *_identity(choice.signer, identities.at, policy.expires_within), *profile, where)
        )
    if need.platform is Platform.MAC_OS:
        found = usable(identities, need, INSTALLER)
        signer = max(found, key=lambda each: (each.trusted, end_of(each)), default=None)
        told = _identity(signer, identities.at, policy.expires_within)
        rows.append((Cell(INSTALLER.what), *told, _NOWHERE, _NOWHERE, _where(signer, None)))
    words = "\n".join(cell.text for row in rows for cell in row)
    return Exhibit(
        "Signing",
        (
            Column("What", wraps=True),
            Column("Identity", wraps=True),
            Column("SHA-1", spare=2),
            Column("Days", right=True),
            Column("Profile", wraps=True),
            Column("Its days", right=True),
            Column("Where", wraps=True, spare=1),
        ),
        tuple(rows),
        empty="no bundle identifier of the project is known",
        legend=tuple(told for word, told in _LEGEND.items() if word in words),
    )


def _identity(signer: Identity | None, at: datetime, within: timedelta) -> tuple[Cell, Cell, Cell]:
    if signer is None:
        return _NONE, _NOWHERE, _NOWHERE
    sha1 = signer.sha1.upper()
    return Cell(signer.label), Cell(sha1[:_SHORT], Tone.QUIET, sha1), _days(end_of(signer), at, within)


def _profile(match: Match | None, signer: Identity | None, at: datetime, within: timedelta) -> tuple[Cell, Cell]:
    if match is None:
        return _NONE, _NOWHERE
    profile, days = match.profile, _days(match.profile.expires, at, within)
    if match.expired or not any(match.faults(signer)):
        return Cell(profile.name, value=profile.uuid), days
    return Cell(f"{profile.name} (unfit)", Tone.BAD, profile.uuid), days


_XCODES = (Cell("Xcode's", Tone.QUIET), _NOWHERE)


def _days(end: datetime, at: datetime, within: timedelta) -> Cell:
    if end == NEVER:
        return _NOWHERE
    left = end - at
    tone = Tone.BAD if left <= timedelta(0) else Tone.CAUTION if left < within else Tone.GOOD
    return Cell(f"{left.days:,}", tone, left.days)


def _where(signer: Identity | None, match: Match | None) -> Cell:
    """Of the identity and the profile; what a Mac finds by itself is installed."""
    places = [signer.place] if signer else []
    places += [match.profile.path] if match else []
    whole = dict.fromkeys(_place(each) for each in places)
    return Cell(", ".join(dict.fromkeys(_shown(each) for each in whole)), value=", ".join(whole))


def _place(path: str) -> str:
    return "installed" if not path or path.startswith("~/Library/") else path


def _shown(place: str) -> str:
    stem, dot, ending = place.rpartition(".")
    return stem + _ENDINGS.get(dot + ending, dot + ending)


SIGNING = Stage(
    "signing",
    after=("preflight",),
    title="identity and profile",
    needless=artifact_was_given,
    checks=(checks,),
)

_OF_THE_PROJECT = (team_is_known, identifiers_are_known, signing_style_is_consistent)

ASKED = replace(SIGNING, checks=(checks, *_OF_THE_PROJECT), exhibits=(signing,))
"""The same where nothing else is asked: with a table, and with what a release says at the project's own stage."""
