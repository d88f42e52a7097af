"""What can be known before signing material is installed or removed: the material, and what is there already."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from pipeline.apple.signing.certificates import NEVER
from pipeline.apple.signing.profiles import Seal
from pipeline.values import dataclass

PROFILE_FOLDERS = (
    "Library/Developer/Xcode/UserData/Provisioning Profiles",
    "Library/MobileDevice/Provisioning Profiles",
)
"""Below the home folder: since Xcode 16 (release note 54347894), and before; a profile is installed in both."""

OVER = timedelta(days=5)
"""No job runs longer than this (GitHub's limit for runners of one's own): what it left behind is nobody's."""


_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
"""As Apple writes it. It becomes the name of a file, and whoever made the profile chose it."""


def is_profile_file(name: str) -> bool:
    """Whether it is a name under which a profile is installed: its UUID, and one of the two endings."""
    return re.fullmatch(rf"{_UUID}\.(?:mobileprovision|provisionprofile)", name) is not None


@dataclass(frozen=True)
class InstallableIdentity:
    """A certificate of the material; its private key is there unless it stands among the `keyless`.

    Attributes:
        sha1: of the certificate, lower-case hex.
        origin: a path, `$NAME` of a secret, or `vault:path`.
        key_origin: where its private key lies; empty when that is the same place.
        alien: why its chain leads to no root of Apple's; empty when it does, or when that is not known.
        untraced: why that is not known.
    """

    sha1: str = ""
    name: str = ""
    origin: str = ""
    key_origin: str = ""
    begins: datetime = NEVER
    ends: datetime = NEVER
    alien: str = ""
    untraced: str = ""


@dataclass(frozen=True)
class InstallableProfile:
    """A provisioning profile of the material.

    Attributes:
        origin: a path, `$NAME` of a secret, or `vault:path`; `part` numbers the file in it when it is an archive.
        sha256: of the profile, lower-case hex.
        extension: of the file where it is installed, without the dot.
        seal: whether Apple signed it, and signed just that; `seal_reason` says why not.
    """

    uuid: str = ""
    name: str = ""
    origin: str = ""
    part: int = 0
    sha256: str = ""
    extension: str = "mobileprovision"
    ends: datetime = NEVER
    seal: Seal = Seal.UNKNOWN
    seal_reason: str = ""

    @property
    def file(self) -> str:
        """The name under which Xcode looks for it; no name for a file unless `named`."""
        return f"{self.uuid}.{self.extension}"

    @property
    def named(self) -> bool:
        """Whether its UUID is one, so that it can be the name of a file."""
        return is_profile_file(self.file)

    @property
    def alien(self) -> bool:
        """Whether it is known not to be what Apple signed."""
        return self.seal in (Seal.DOCTORED, Seal.FOREIGN)


@dataclass(frozen=True)
class MaterialProblem:
    """A piece of the material that cannot be used, why, and what to do about it."""

    origin: str
    why: str
    remedy: str = ""


@dataclass(frozen=True)
class InstallableMaterial:
    """What there is to install, all from one source: "files", "environment", "vault", or "" for none.

    `at` is when it was read (aware, UTC). No private key and no password is kept here.
    """

    source: str = ""
    identities: tuple[InstallableIdentity, ...] = ()
    profiles: tuple[InstallableProfile, ...] = ()
    keyless: tuple[InstallableIdentity, ...] = ()
    problems: tuple[MaterialProblem, ...] = ()
    at: datetime = NEVER

    def __str__(self) -> str:
        if not self.source:
            return "none"
        return (
            f"{counted(len(self.identities), 'identity')} and {counted(len(self.profiles), 'profile')}: {self.source}"
        )

    @property
    def wanted_identities(self) -> tuple[InstallableIdentity, ...]:
        """Those that are valid now and not known to be somebody's own make, each once."""
        fitting = (e for e in reversed(self.identities) if not e.alien and e.begins <= self.at <= e.ends)
        return tuple(reversed({each.sha1: each for each in fitting}.values()))

    @property
    def origins(self) -> tuple[str, ...]:
        """Every place that has to be read for the wanted identities, each once."""
        places = (place for each in self.wanted_identities for place in (each.origin, each.key_origin) if place)
        return tuple(dict.fromkeys(places))

    @property
    def wanted_profiles(self) -> tuple[InstallableProfile, ...]:
        """Those that have not expired and are not known to be somebody's own make, each once."""
        fitting = (each for each in reversed(self.profiles) if each.named and not each.alien and self.at <= each.ends)
        return tuple(reversed({each.uuid: each for each in fitting}.values()))


@dataclass(frozen=True)
class InstalledFile:
    """A profile that an install put below the home folder.

    Attributes:
        path: relative to the home folder.
        sha256: of what was written, lower-case hex.
        stays: something else was there before, so a removal leaves the file alone.
    """

    path: str
    sha256: str
    stays: bool = False


@dataclass(frozen=True)
class Installation:
    """The record of one install, written before its first effect and removed after its last trace.

    Attributes:
        id: 8 hex digits, also in the keychain's name.
        keychain: its absolute path; empty for an install of profiles alone.
        begun: when (aware, UTC).
        host, pid: the process that does, or did, the work.
        job: which job of a build service it belongs to; empty at a desk.
        complete: whether the keychain is whole and in the search list; a removal begins by taking this back.
        sha1s: of the identities' certificates, lower-case hex.
    """

    id: str
    keychain: str = ""
    begun: datetime = NEVER
    host: str = ""
    pid: int = 0
    job: str = ""
    complete: bool = False
    sha1s: tuple[str, ...] = ()
    profiles: tuple[InstalledFile, ...] = ()


@dataclass(frozen=True)
class OwnKeychain:
    """What there is of one install: its record, its keychain file, its place in the search list; any may be missing.

    Attributes:
        listed: the path as the search list spells it; empty when it is not in there.
        there: whether the keychain file exists.
        record: None when there is none that can be read; `damaged` when there is one that cannot.
        working: whether the process that installs it may still be at work.
    """

    id: str
    path: str = ""
    listed: str = ""
    there: bool = False
    record: Installation | None = None
    damaged: bool = False
    working: bool = False

    @property
    def complete(self) -> bool:
        """Whether an install got to its end, and nothing has begun to remove it."""
        return self.record is not None and self.record.complete

    @property
    def whole(self) -> bool:
        """Whether it can be signed with."""
        return self.complete and self.there and bool(self.listed)

    @property
    def abandoned(self) -> bool:
        """Whether it is half made or half removed, and nobody is at it any more."""
        gone = self.complete and self.record is not None and bool(self.record.keychain) and not self.there
        return not self.working and (not self.complete or gone)


@dataclass(frozen=True)
class BuildJob:
    """The job of a build service that is running now; an empty name at a desk."""

    name: str = ""

    def __str__(self) -> str:
        return self.name or "none"


@dataclass(frozen=True)
class OwnKeychains:
    """All that installs have left on this Mac, the oldest first.

    Attributes:
        search_list: the user's keychain search list, as `security list-keychains -d user` spells it.
        job: the job of a build service that is running now; empty at a desk.
        at: when it was looked at (aware, UTC).
    """

    keychains: tuple[OwnKeychain, ...] = ()
    search_list: tuple[str, ...] = ()
    job: str = ""
    at: datetime = NEVER

    def __str__(self) -> str:
        return counted(len(self.keychains), "install") + " of ours"

    @property
    def abandoned(self) -> tuple[OwnKeychain, ...]:
        """What may be removed whoever made it."""
        return tuple(each for each in self.keychains if each.abandoned)

    @property
    def of_this_job(self) -> tuple[OwnKeychain, ...]:
        """Complete installs of the job that is running now."""
        return tuple(
            each for each in self.keychains if each.complete and each.record is not None and each.record.job == self.job
        )

    @property
    def outlived(self) -> tuple[OwnKeychain, ...]:
        """Complete installs of other jobs that must be over."""
        return tuple(
            each
            for each in self.keychains
            if each.complete
            and each.record is not None
            and each.record.job not in ("", self.job)
            and self.at - each.record.begun > OVER
        )

    @property
    def removable(self) -> tuple[OwnKeychain, ...]:
        """What `certs.uninstall` removes."""
        chosen = {each.id for each in (*self.abandoned, *self.of_this_job, *self.outlived)}
        return tuple(each for each in self.keychains if each.id in chosen)

    @property
    def others(self) -> tuple[OwnKeychain, ...]:
        """What belongs to somebody else, or is being made this moment."""
        removable = self.removable
        return tuple(each for each in self.keychains if each not in removable)

    @property
    def current(self) -> OwnKeychain | None:
        """The newest complete install of this job."""
        return self.of_this_job[-1] if self.of_this_job else None

    def holding(self, sha1s: Iterable[str]) -> OwnKeychain | None:
        """A keychain of this job that can be signed with and holds all of these identities."""
        wanted = set(sha1s)
        fitting = (e for e in reversed(self.of_this_job) if e.whole and e.record and wanted <= set(e.record.sha1s))
        return next(fitting, None)

    def claimed(self, path: str, *, beside: str = "") -> bool:
        """Whether an install, other than `beside`, counts on a file below the home folder."""
        records = [each.record for each in self.keychains if each.record and each.id != beside]
        return any(file.path == path for record in records for file in record.profiles)

    def claims(self, identifier: str, path: str) -> bool:
        """Whether that very install counts on the file."""
        records = [each.record for each in self.keychains if each.record and each.id == identifier]
        return any(file.path == path for record in records for file in record.profiles)


@dataclass(frozen=True)
class FoundIdentity:
    """One line of `security find-identity` for one of our keychains; `problem` is the code in brackets."""

    sha1: str
    keychain: str
    problem: str = ""


@dataclass(frozen=True)
class OwnIdentities:
    """The identities that `security` finds in this job's keychains, whatever they are for."""

    identities: tuple[FoundIdentity, ...] = ()

    def __str__(self) -> str:
        return counted(len(self.identities), "identity")


@dataclass(frozen=True)
class ProfileFiles:
    """The files of the material's profiles that are there: path below the home folder, and SHA-256 of the content."""

    digests: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return counted(len(self.digests), "file")

    def holds(self, path: str, sha256: str) -> bool:
        """Whether that very file is there."""
        return (path, sha256) in self.digests


def counted(number: int, what: str) -> str:
    """A number with its noun: "1 identity", "2 identities", "3 profiles"."""
    many = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{number} {what if number == 1 else many}"
