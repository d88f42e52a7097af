"""How findings of this room count, list, date and place things."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pipeline.apple.signing.certificates import Certificate
from pipeline.apple.signing.facts import Identity, Origin

AUTHORITIES = "https://www.apple.com/certificateauthority/"
CERTIFICATES = "developer.apple.com/account/resources/certificates"
PROFILES = "developer.apple.com/account/resources/profiles"

_THERE = {
    Origin.KEYCHAIN: "is installed",
    Origin.FILES: "is among the given files",
    Origin.ENVIRONMENT: "is in SIGNING_CERTIFICATES",
}
_PUT_IDENTITY = {
    Origin.KEYCHAIN: "install it together with its private key",
    Origin.FILES: "give it together with its private key, as .p12 with --file",
    Origin.ENVIRONMENT: "put it together with its private key, as .p12 in base64, into SIGNING_CERTIFICATES",
}
_PUT_PROFILE = {
    Origin.KEYCHAIN: "install it",
    Origin.FILES: "give it with --file",
    Origin.ENVIRONMENT: "put it in base64 into SIGNING_PROFILES",
}


def days_until(end: datetime, now: datetime) -> str:
    """How far off it is: in 12 days."""
    days = (end - now).days
    return "today" if days < 1 else "in 1 day" if days == 1 else f"in {days:,} days"


def listed(words: Iterable[str]) -> str:
    """One after the other: a, b and c."""
    *rest, last = list(words) or [""]
    return f"{', '.join(rest)} and {last}" if rest else last


def offered(words: Iterable[str]) -> str:
    """In quotes, as a choice: “a” or “b”."""
    return " or ".join(f"“{word}”" for word in words)


def there(origin: Origin) -> str:
    """Where an identity was looked for, as what is said of it: is installed."""
    return _THERE[origin]


def profile_there(origin: Origin) -> str:
    """Where a profile was looked for, as what is said of it: is installed."""
    return "is in SIGNING_PROFILES" if origin is Origin.ENVIRONMENT else _THERE[origin]


def make_one(origin: Origin) -> str:
    """How to come by a certificate, and where to put it."""
    return (
        f"create one with certs.create, in Xcode › Settings › Accounts › Manage Certificates, or at {CERTIFICATES}, "
        f"and {_PUT_IDENTITY[origin]}"
    )


def make_profile(origin: Origin) -> str:
    """How to come by a profile, and where to put it."""
    return f"make one with certs.create or at {PROFILES}, and {_PUT_PROFILE[origin]}"


def renew_profile(origin: Origin) -> str:
    """How to renew a profile, and where to put it."""
    return f"renew it with certs.renew or at {PROFILES}, and {_PUT_PROFILE[origin]}"


def named_authority(authority: Certificate) -> str:
    """An authority's name in quotes, with what tells its generations apart: “Apple … Authority” (G3)."""
    return f"“{authority.subject_name}”" + (f" ({found})" if (found := generation(authority)) else "")


def generation(authority: Certificate) -> str:
    """What tells authorities of one name apart: G3. Apple puts it where a developer's certificate has the team."""
    unit = authority.team_id
    return unit if unit.startswith("G") and unit[1:].isdecimal() else ""


def called(identity: Identity) -> str:
    """Its name in quotes, and the file it lies in, if it lies in one."""
    return f"“{identity.label}”" + (f" ({identity.place})" if identity.place else "")
