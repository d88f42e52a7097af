"""Show every certificate and profile that is found anywhere, and how long each of them lasts."""

from dataclasses import replace
from datetime import datetime, timedelta
from os.path import commonpath
from pathlib import PurePosixPath

from pipeline.apple.bundle.checks import given
from pipeline.apple.bundle.facts import GivenSignature, GivenSignatures
from pipeline.apple.signing.certificates import Certificate, CertificateKind
from pipeline.apple.signing.checks import holdings as checks
from pipeline.apple.signing.checks.wording import generation
from pipeline.apple.signing.choice import KIND_NAMES
from pipeline.apple.signing.facts import SigningPolicy
from pipeline.apple.signing.holdings import UNLISTED, HeldCertificate, HeldProfile, Holdings
from pipeline.apple.signing.material import Fault, Material
from pipeline.apple.signing.profiles import ProfileKind, Seal
from pipeline.apple.signing.security import REVOKED
from pipeline.model import Cell, Column, Exhibit, Scope, Stage, Tone
from pipeline.model.exhibits import BETWEEN
from pipeline.vault.checks import (
    every_change_was_made_by_a_recipient,
    identities_in_the_vault_are_complete,
    vault_is_as_its_ledger_says,
)

NOWHERE = Cell("–", Tone.QUIET)
_INSTALLED = "~/Library/"

_LEGEND = {
    "replaced": "replaced: its team has one that lasts longer, for all that it is for",
    "not yet": "not yet: its time has not begun",
    "forged": "forged: it claims to be Apple's and is not",
    "untraced": "untraced: the certificate of an authority above it is missing",
    "cut off": "cut off: an authority above it has expired",
    "refused": "refused: the keychain does not trust it",
    "revoked?": "revoked?: App Store Connect does not list it any more",
    "unpaired": "unpaired: no certificate was found for it",
    "locked": "locked: the password is wrong, or none was given",
}
"""What states mean that do not say so themselves; short, so that the table fits a narrow page."""
_FAULTS = {
    Fault.PASSWORD_NEEDED: "locked",
    Fault.WRONG_PASSWORD: "locked",
    Fault.NOT_SIGNED: "unsigned",
    Fault.UNREADABLE: "damaged",
}
_STATE = 7
"""The column of the state."""
_PORTAL_NAMES = {
    CertificateKind.IOS_DEVELOPMENT: "iOS Development",
    CertificateKind.IOS_DISTRIBUTION: "iOS Distribution",
    CertificateKind.MAC_DEVELOPMENT: "Mac Development",
    CertificateKind.MAC_APP_DISTRIBUTION: "Mac App Distribution",
    CertificateKind.MAC_INSTALLER_DISTRIBUTION: "Mac Installer Distribution",
    CertificateKind.DEVELOPER_ID_KEXT: "Developer ID Kext",
    CertificateKind.APP_STORE: "App Store",
    CertificateKind.APP_STORE_INSTALLER: "App Store Installer",
}
_TEAMS = frozenset({*KIND_NAMES, CertificateKind.PUSH})
"""Kinds whose organizational unit is a team."""
_TAKEN_BACK = {REVOKED: "revoked", UNLISTED: "revoked?"}
_EARLY = "*"
_EARLY_TOLD = "*: its last certificate ends then, before the profile itself"
_INVALID = "invalid"
_INVALID_TOLD = "invalid: App Store Connect says so: a certificate in it was revoked, or its App ID was changed"
_ENDINGS = {".mobileprovision": ".mob…", ".provisionprofile": ".prov…"}
"""Endings that say little beside profiles, and would break a narrow column."""
_SEALS = {
    Seal.APPLE: Cell("Apple's", Tone.GOOD),
    Seal.DOCTORED: Cell("doctored", Tone.BAD),
    Seal.FOREIGN: Cell("foreign", Tone.BAD),
    Seal.UNKNOWN: Cell("unknown", Tone.CAUTION),
}
_KINDS = {
    ProfileKind.DEVELOPMENT: "Development",
    ProfileKind.AD_HOC: "Ad Hoc",
    ProfileKind.APP_STORE: "App Store",
    ProfileKind.ENTERPRISE: "In House",
    ProfileKind.MAC_DEVELOPMENT: "Mac Development",
    ProfileKind.MAC_APP_STORE: "Mac App Store",
    ProfileKind.DEVELOPER_ID: "Developer ID",
}


def certificates(holdings: Holdings, policy: SigningPolicy) -> Exhibit:
    """Certificates and private keys, what ends first on top, and what could not be opened below."""
    below = _folder(holdings)
    rows = [_certificate_row(each, holdings.at, policy.expires_within, below) for each in holdings.certificates]
    rows += [_other_row(each, "private key", "unpaired", Tone.QUIET, below) for each in holdings.lone_keys]
    rows += [
        _other_row(each, "", _FAULTS.get(each.fault, "damaged"), Tone.BAD, below)
        for each in holdings.faults
        if each.fault
    ]
    states = {row[_STATE].text for row in rows}
    return Exhibit(
        "Certificates",
        (
            Column("Days", right=True),
            Column("Expires", spare=4),
            Column("Kind", wraps=True),
            Column("Name", wraps=True),
            Column("Team", spare=3),
            Column("Key", spare=2),
            Column("Where", wraps=True, spare=1),
            Column("State"),
            Column("SHA-1", spare=5),
        ),
        tuple(rows),
        legend=tuple(told for state, told in _LEGEND.items() if state in states),
        note=" ".join(filter(None, (f"Files are below {below}." if below else "", _unseen(holdings)))),
        empty=_none("certificates", holdings),
    )


def profiles(holdings: Holdings, policy: SigningPolicy) -> Exhibit:
    """Provisioning profiles, what ends first on top."""
    below = _folder(holdings)
    return Exhibit(
        "Provisioning profiles",
        (
            Column("Days", right=True),
            Column("Expires", spare=4),
            Column("Kind"),
            Column("Name", wraps=True),
            Column("App ID", wraps=True),
            Column("Team", spare=3),
            Column("Where", wraps=True, spare=2),
            Column("Seal"),
            Column("UUID", spare=5),
        ),
        tuple(_profile_row(each, holdings.at, policy.expires_within, below) for each in holdings.profiles),
        legend=(
            *([_EARLY_TOLD] if any(each.outlasts_certificates for each in holdings.profiles) else ()),
            *([_INVALID_TOLD] if any(_is_invalid(each, holdings.at) for each in holdings.profiles) else ()),
        ),
        empty=_none("profiles", holdings),
    )


def authorities(holdings: Holdings, policy: SigningPolicy) -> Exhibit:
    """Apple's certificates on which the others hang, what ends first on top."""
    return Exhibit(
        "Apple's authorities",
        (
            Column("Days", right=True),
            Column("Expires"),
            Column("Name", wraps=True),
            Column("Generation"),
            Column("SHA-1", spare=1),
        ),
        tuple(_authority_row(each, holdings.at, policy.expires_within) for each in holdings.authorities),
        empty="nothing that was found hangs on one",
    )


def signed_code(found: GivenSignatures, holdings: Holdings, policy: SigningPolicy) -> Exhibit:
    """Who signed the code that was given, and until when that certificate can sign more."""
    below = _folder(holdings)
    rows = tuple(_signature_row(each, found.at, policy.expires_within, below) for each in found.items)
    return Exhibit(
        "Signed code",
        (
            Column("Days", right=True),
            Column("Ends", spare=3),
            Column("Signed by", wraps=True),
            Column("Chain", wraps=True),
            Column("What", wraps=True),
            Column("Platform", spare=2),
            Column("Signed on", spare=1),
        ),
        rows,
        note="A chain is judged when the signature was made; whether a certificate was revoked is not known."
        if rows
        else "",
    )


def _signature_row(item: GivenSignature, at: datetime, within: timedelta, below: str) -> tuple[Cell, ...]:
    leaf = item.leaf
    tone = Tone.QUIET
    if leaf:
        tone = Tone.BAD if leaf.not_after <= at else Tone.CAUTION if leaf.not_after - at < within else Tone.GOOD
    above = ", ".join(each.subject_name for each in item.certificates[1:])
    doubt = Tone.BAD if item.fault else Tone.CAUTION
    more = f" and {item.others:,} more" if item.others else ""
    moment = item.timestamp or item.signed_at
    return (
        _days(leaf.not_after, at, tone) if leaf else NOWHERE,
        _day(leaf.not_after) if leaf else NOWHERE,
        Cell(str(item), Tone.PLAIN if leaf else Tone.CAUTION),
        Cell(above, Tone.GOOD) if item.trusted else Cell(item.fault or item.reason, doubt),
        Cell(_short(item.origin, below) + more, value=item.origin),
        Cell(item.platform_words),
        _day(moment) if moment else NOWHERE,
    )


def _certificate_row(held: HeldCertificate, at: datetime, within: timedelta, below: str) -> tuple[Cell, ...]:
    one = held.certificate
    state = _state(held, at, within)
    key = {True: Cell("yes", value=True), False: Cell("no", Tone.QUIET, value=False)}
    return (
        _days(one.not_after, at, state.tone),
        _day(one.not_after),
        Cell(_kind(one.kind), value=str(one.kind)),
        Cell(_name(one), value=one.subject_name),
        Cell(one.team_id if one.kind in _TEAMS else ""),
        key.get(held.keyed, Cell("?", Tone.QUIET)) if held.keyed is not None else Cell("?", Tone.QUIET),
        _where(held.places, below),
        state,
        Cell(one.sha1.upper(), Tone.QUIET),
    )


def _state(held: HeldCertificate, at: datetime, within: timedelta) -> Cell:
    """The worst that is to be said of it, in a word or two."""
    one = held.certificate
    if told := _TAKEN_BACK.get(held.problem):
        return Cell(told, Tone.BAD)
    if one.not_after <= at:
        return _ended(held, Cell("expired", Tone.BAD))
    if one.not_before > at:
        return Cell("not yet", Tone.CAUTION)
    if held.is_forged(at):
        return Cell("forged", Tone.BAD)
    if held.hangs_on_expired(at):
        return Cell("cut off", Tone.BAD)
    if held.problem:
        return Cell("refused", Tone.BAD, value=held.problem)
    if one.not_after - at < within:
        return _ended(held, Cell("ends soon", Tone.CAUTION))
    if one.kind in KIND_NAMES and held.trusted is None:
        return Cell("untraced", Tone.CAUTION)
    return Cell("valid", Tone.GOOD if held.judged else Tone.QUIET)


def _ended(held: HeldCertificate, state: Cell) -> Cell:
    if held.successor:
        return Cell("replaced", Tone.QUIET)
    return state if held.judged else Cell(state.text, Tone.QUIET)


def _other_row(material: Material, kind: str, state: str, tone: Tone, below: str) -> tuple[Cell, ...]:
    return (
        NOWHERE,
        NOWHERE,
        Cell(kind),
        Cell(),
        Cell(),
        Cell("yes", value=True) if material.key_only else Cell("?", Tone.QUIET),
        _where((material.origin,), below),
        Cell(state, tone),
        Cell(),
    )


def _profile_row(held: HeldProfile, at: datetime, within: timedelta, below: str) -> tuple[Cell, ...]:
    one = held.profile
    left = held.ends - at
    tone = Tone.BAD if left <= timedelta(0) else Tone.CAUTION if left < within else Tone.GOOD
    if held.successor and tone is not Tone.GOOD:
        tone = Tone.QUIET
    days = _days(held.ends, at, tone)
    return (
        replace(days, text=days.text + _EARLY) if held.outlasts_certificates else days,
        _day(held.ends),
        Cell(_KINDS.get(one.kind, "other"), value=str(one.kind)),
        Cell(one.name),
        Cell(one.bundle_id, value=one.application_identifier or one.bundle_id),
        Cell(", ".join(one.team_ids)),
        _where(held.places, below),
        Cell(_INVALID, Tone.BAD) if _is_invalid(held, at) else _SEALS[one.seal],
        Cell(one.uuid, Tone.QUIET),
    )


def _is_invalid(held: HeldProfile, at: datetime) -> bool:
    """Whether the table says so: a seal that does not hold is worse."""
    return held.is_invalid(at) and held.profile.seal is Seal.APPLE


def _authority_row(one: Certificate, at: datetime, within: timedelta) -> tuple[Cell, ...]:
    left = one.not_after - at
    tone = Tone.BAD if left <= timedelta(0) else Tone.CAUTION if left < within else Tone.PLAIN
    return (
        _days(one.not_after, at, tone),
        _day(one.not_after),
        Cell(one.subject_name),
        Cell(generation(one)),
        Cell(one.sha1.upper(), Tone.QUIET),
    )


def _days(end: datetime, at: datetime, tone: Tone) -> Cell:
    days = (end - at).days
    return Cell(f"{days:,}", tone, value=days)


def _day(end: datetime) -> Cell:
    return Cell(f"{end:%Y-%m-%d}", value=end.isoformat())


def _kind(kind: CertificateKind) -> str:
    """As Apple's portal calls it: shorter than what stands in the certificate."""
    return _PORTAL_NAMES.get(kind) or KIND_NAMES.get(kind) or kind.replace("_", " ").capitalize()


def _name(certificate: Certificate) -> str:
    """The name without what other columns say: “Apple Distribution: Example (ABCDE12345)” is Example."""
    name = certificate.subject_name
    kind, colon, rest = name.partition(": ")
    if colon and any(word in kind for word in ("Develop", "Distribution", "Services")):
        name = rest
    return name.removesuffix(f" ({certificate.team_id})") or certificate.subject_name


def _folder(holdings: Holdings) -> str:
    """The folder that all found files have in common; empty when there are none, or they have nothing in common."""
    found = [each.origin for each in (*holdings.lone_keys, *holdings.faults)]
    found += [place for each in holdings.certificates for place in each.places]
    found += [place for each in holdings.profiles for place in each.places]
    common = (
        commonpath(folders)
        if (folders := [str(PurePosixPath(each).parent) for each in found if each.startswith("/")])
        else ""
    )
    return "" if common == "/" else common


def _where(places: tuple[str, ...], below: str) -> Cell:
    """The places; what Xcode finds by itself is installed, wherever exactly that is."""
    shown = dict.fromkeys("installed" if each.startswith(_INSTALLED) else _short(each, below) for each in places)
    return Cell(", ".join(shown), value=BETWEEN.join(places), several=True)


def _short(place: str, below: str) -> str:
    stem, dot, ending = place.rpartition(".")
    if (short := _ENDINGS.get(dot + ending)) and not stem.endswith("/"):
        place = stem + short
    return place.removeprefix(f"{below}/") if below else place


def _unseen(holdings: Holdings) -> str:
    return f"Not looked at: {'; '.join(holdings.unseen)}." if holdings.unseen and holdings.looked else ""


def _none(what: str, holdings: Holdings) -> str:
    if not holdings.looked:
        return "nothing was looked at"
    where = ", ".join(holdings.looked)
    if what == "certificates" and (count := holdings.strangers):
        others = "a certificate of an authority" if count == 1 else f"{count:,} certificates of authorities"
        return f"no developer's certificates in {where}, only {others} other than Apple"
    return f"no {what} in {where}"


HOLDINGS = Stage(
    "holdings",
    scope=Scope.APP,
    title="certificates and profiles",
    checks=(
        checks,
        given,
        vault_is_as_its_ledger_says,
        every_change_was_made_by_a_recipient,
        identities_in_the_vault_are_complete,
    ),
    exhibits=(certificates, profiles, authorities, signed_code),
)
