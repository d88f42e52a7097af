"""What can be known of an app at App Store Connect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.apple.connect.versions import same_version, version_key
from pipeline.values import dataclass

if TYPE_CHECKING:
    from datetime import datetime

AWAITING_UPLOAD = "AWAITING_UPLOAD"
PROCESSING = "PROCESSING"
COMPLETE = "COMPLETE"
FAILED = "FAILED"
APPROVED = frozenset(
    {
        "PENDING_DEVELOPER_RELEASE",
        "PENDING_APPLE_RELEASE",
        "PROCESSING_FOR_DISTRIBUTION",
        "READY_FOR_DISTRIBUTION",
        "REPLACED_WITH_NEW_VERSION",
        # The older appStoreState, for answers that lack appVersionState.
        "PROCESSING_FOR_APP_STORE",
        "PREORDER_READY_FOR_SALE",
        "READY_FOR_SALE",
        "REMOVED_FROM_SALE",
        "DEVELOPER_REMOVED_FROM_SALE",
    }
)
"""States of a version that App Review has approved: its train takes no more builds."""


@dataclass(frozen=True)
class ReleaseTarget:
    """What is being released: version is CFBundleShortVersionString, build is CFBundleVersion."""

    bundle_id: str
    version: str
    build: str
    platform: str

    def __str__(self) -> str:
        return f"{self.version} ({self.build})"


@dataclass(frozen=True)
class AppRecord:
    """The app as App Store Connect knows it; `id` is empty when the key's team has no app with that bundle id."""

    id: str
    bundle_id: str
    name: str = ""

    @property
    def exists(self) -> bool:
        """Whether there is a record."""
        return bool(self.id)


@dataclass(frozen=True)
class StateDetail:
    """One remark of Apple's on an upload: its code, such as "90189", and its words."""

    code: str
    description: str

    def __str__(self) -> str:
        return f"{self.code}: {self.description}" if self.code else self.description


@dataclass(frozen=True)
class UploadedFile:
    """A file of a build upload. `size` is in bytes; `checksum` is lower-case hex, and often not shown by Apple.

    `expires` is the hour after which the first of its parts has no address any more, where Apple tells it.
    """

    id: str
    name: str = ""
    size: int | None = None
    checksum: str = ""
    algorithm: str = ""
    state: str = ""
    kind: str = "ASSET"
    errors: tuple[StateDetail, ...] = ()
    expires: datetime | None = None

    @property
    def committed(self) -> bool:
        """Whether Apple has been told that all parts are there."""
        return self.state in ("UPLOAD_COMPLETE", "COMPLETE")

    def __str__(self) -> str:
        size = "unknown size" if self.size is None else f"{self.size:,} bytes"
        return f"{size}, {self.algorithm} {self.checksum}" if self.checksum else size


@dataclass(frozen=True)
class BuildUpload:
    """One build upload. `state` is Apple's BuildUploadState: AWAITING_UPLOAD, PROCESSING, COMPLETE or FAILED."""

    id: str
    version: str
    build: str
    platform: str
    state: str
    errors: tuple[StateDetail, ...] = ()
    warnings: tuple[StateDetail, ...] = ()
    created: datetime | None = None
    build_id: str = ""
    file: UploadedFile | None = None

    @property
    def accepted(self) -> bool:
        """Whether Apple has all of it and has not refused it."""
        return self.state in (PROCESSING, COMPLETE)

    @property
    def unfinished(self) -> bool:
        """Whether it waits for a file, or for a file's parts."""
        return self.state == AWAITING_UPLOAD and not (self.file is not None and self.file.committed)

    @property
    def begun(self) -> str:
        """When it was begun, in UTC; nothing when Apple does not tell."""
        return f"{self.created:%Y-%m-%d %H:%M:%S} UTC" if self.created else ""

    def misfit(self, name: str, size: int, at: datetime | None) -> str:
        """Why a file of that name and size, in bytes, cannot be sent into it at that hour; nothing when it can."""
        file = self.file
        if self.state != AWAITING_UPLOAD:
            return f"it is {self.state or 'in no state'}"
        if file is None:
            return ""
        if (file.name, file.size) != (name, size):
            return f"it is for {file.name or 'a file without a name'}, {file}"
        if file.state == FAILED:
            return "Apple could not put its file together"
        if not file.committed and file.expires is not None and at is not None and file.expires <= at:
            return f"its addresses expired on {file.expires:%Y-%m-%d}"
        return ""

    def may_continue(self, name: str, size: int, at: datetime | None) -> bool:
        """Whether a file of that name and size, in bytes, can be sent into it at that hour."""
        return not self.misfit(name, size, at)


@dataclass(frozen=True)
class BuildUploads:
    """The uploads of one app on one platform that bear the build number being released, as `seen` at an hour."""

    app_id: str
    items: tuple[BuildUpload, ...] = ()
    seen: datetime | None = None

    def of(self, version: str, build: str) -> tuple[BuildUpload, ...]:
        """Those of one version and build, the accepted ones first, then the newest first."""
        found = [i for i in self.items if same_version(i.version, version) and same_version(i.build, build)]
        return tuple(sorted(found, key=_order, reverse=True))

    def accepted(self, version: str, build: str) -> bool:
        """Whether Apple has accepted an upload of that version and build, so that another would be refused."""
        return any(upload.accepted for upload in self.of(version, build))

    def leftovers(self, version: str, build: str, name: str, size: int) -> tuple[BuildUpload, ...]:
        """Unfinished uploads of that version and build that a file of that name and size cannot continue."""
        found = self.of(version, build)
        return tuple(one for one in found if one.unfinished and not one.may_continue(name, size, self.seen))


def _order(upload: BuildUpload) -> tuple[bool, float]:
    return upload.accepted, upload.created.timestamp() if upload.created else 0.0


@dataclass(frozen=True)
class Build:
    """One build. `processing_state` is PROCESSING, FAILED, INVALID or VALID."""

    id: str
    version: str
    build: str
    platform: str
    processing_state: str
    uploaded: datetime | None = None
    expires: datetime | None = None
    expired: bool = False
    uses_non_exempt_encryption: bool | None = None


@dataclass(frozen=True)
class Builds:
    """The builds a new one has to fit in with: of the same version, or on macOS of all versions."""

    app_id: str
    items: tuple[Build, ...] = ()

    def of(self, version: str, build: str) -> Build | None:
        """The build with that version and build number."""
        found = (i for i in self.items if same_version(i.version, version) and same_version(i.build, build))
        return next(found, None)

    def highest(self) -> Build | None:
        """The build with the highest build number."""
        numbered = [(key, item) for item in self.items if (key := version_key(item.build)) is not None]
        return max(numbered, key=lambda pair: pair[0])[1] if numbered else None


@dataclass(frozen=True)
class StoreVersion:
    """One version in the App Store. `state` is Apple's AppVersionState."""

    id: str
    version: str
    platform: str
    state: str

    @property
    def approved(self) -> bool:
        """Whether App Review has approved it, released or not."""
        return self.state in APPROVED


@dataclass(frozen=True)
class StoreVersions:
    """All versions of the app in the App Store, on one platform."""

    app_id: str
    items: tuple[StoreVersion, ...] = ()

    def highest_approved(self) -> StoreVersion | None:
        """The highest version that App Review has approved."""
        found = [(key, i) for i in self.items if i.approved and (key := version_key(i.version)) is not None]
        return max(found, key=lambda pair: pair[0])[1] if found else None


@dataclass(frozen=True)
class AcceptedContent:
    """Whether what Apple has under our version and build number is the file that was exported here.

    `same` is None when Apple has no file to compare with. `certain` is False when only the sizes could be compared.
    """

    same: bool | None
    certain: bool = False
    ours: str = ""
    theirs: str = ""
