"""What can be known of the sources that a lane's target is compiled from."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum

from pipeline.model import Location
from pipeline.values import dataclass

CONTAINER, STORE, MIRROR = "CKContainer", "cloud store", "NSPersistentCloudKitContainer"
"""Who asks CloudKit for a container: the app itself, a store that is told which, a store that looks for one."""


class Topic(StrEnum):
    """What a use is about, and so what its `name` is."""

    PURPOSE = "PURPOSE"
    """A purpose string: an Info.plist key such as NSCameraUsageDescription."""
    REASON = "REASON"
    """A required-reason API: a category such as NSPrivacyAccessedAPICategoryUserDefaults."""
    ENTITLEMENT = "ENTITLEMENT"
    """A capability: an entitlement key."""
    PUSH = "PUSH"
    """Registration for remote notifications."""
    SUBSCRIPTION = "SUBSCRIPTION"
    """A CloudKit subscription, whose changes come by push."""
    SILENT = "SILENT"
    """Pushes that show nothing and are to wake the app."""
    SHARE = "SHARE"
    """An invitation to shared records that is taken."""
    GROUP = "GROUP"
    """An app group that is named."""
    GROUP_DEFAULTS = "GROUP_DEFAULTS"
    """User defaults of an app group that is named."""
    KEYCHAIN = "KEYCHAIN"
    """A keychain access group that is named."""
    CONTAINER = "CONTAINER"
    """A CloudKit container that is named where it is opened."""
    CONTAINER_TEXT = "CONTAINER_TEXT"
    """A CloudKit container that is named elsewhere, and may be opened."""
    OPENED = "OPENED"
    """CloudKit is asked for a container, named or not: CONTAINER, STORE or MIRROR, by who asks."""
    ZONE = "ZONE"
    """A CloudKit record zone that is named."""
    RECORD_TYPE = "RECORD_TYPE"
    """A CloudKit record type that is named."""
    FIELD = "FIELD"
    """A field of a CloudKit record, "Type.field"."""
    TASK = "TASK"
    """A background task that is registered: its identifier."""
    TYPE = "TYPE"
    """A type identifier that the code takes for one of the app's own."""
    WEB_VIEW = "WEB_VIEW"
    """UIWebView."""
    OTHERS_GROUP = "OTHERS_GROUP"
    """A path into the group container of one of Apple's apps: that group."""
    COMPARED = "COMPARED"
    """A text that the app's bundle identifier is compared with."""
    CONFLICT = "CONFLICT"
    """A merge that was not brought to its end: the markers that version control leaves in the file."""


@dataclass(frozen=True)
class Use:
    """One place in the sources that needs something.

    Attributes:
        name: what is needed or named; see Topic.
        symbol: what stands in the source, as a person knows it: "AVCaptureDevice.requestAccess(for: .video)".
        package: the local Swift package that holds the file; "" for the target's own.
        certain: False where an `#if` that cannot be told decides whether the code is compiled, and where Apple does
            not say that the symbol counts.
        linked: False where the code is part of another executable than the app's own, such as an embedded framework.
        imported: False where the code is linked into the app and nothing that the app runs imports it, so that it may
            never run.
        reached: of OPENED, False where it is not evident that the app comes there: it is made when first asked for, or
            nothing else names the type or function in which it stands.
        guarded: of OPENED, True where the app may well pass it by: sources look first whether there is iCloud, or it
            stands in a package, and other entitlements of the repository than the app's ask for CloudKit.
    """

    topic: Topic
    name: str
    symbol: str = ""
    location: Location | None = None
    package: str = ""
    certain: bool = True
    linked: bool = True
    imported: bool = True
    reached: bool = True
    guarded: bool = False


@dataclass(frozen=True)
class TargetSources:
    """What the sources of the lane's target, and of the local code that it links, use.

    Attributes:
        files: how many source files were looked at.
        uses: of each need no more than a few places, in the order of the files; names in full.
        packages: names of local Swift packages that were read, `remote` of products whose sources are elsewhere.
        absent: members of the target that are not in the checkout.
        unread: files that could not be read, and packages that could not be understood.
        scripted: Info.plist keys that a script of the target names; it may add them to the built app.
        localized: purpose strings that an InfoPlist.strings of the target holds.
        undecided: build settings that decide about `#if` and could not be resolved.
        identifiers: where the sources compare the bundle identifier, those of all targets of the repository; empty
            where some could not be told.
    """

    files: int = 0
    uses: tuple[Use, ...] = ()
    packages: tuple[str, ...] = ()
    remote: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    scripted: tuple[str, ...] = ()
    localized: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()

    def of(self, *topics: Topic) -> tuple[Use, ...]:
        """The uses of some topics."""
        return tuple(use for use in self.uses if use.topic in topics)


@dataclass(frozen=True)
class Reason:
    """One category that a privacy manifest declares. `package` is the local package whose manifest it is."""

    category: str
    reasons: tuple[str, ...] = ()
    location: Location | None = None
    package: str = ""


@dataclass(frozen=True)
class DeclaredReasons:
    """What the privacy manifests of the target, and of the local packages that it links, declare.

    `manifest` is the target's own; "" when it has none. `unread` are manifests that cannot be read.
    """

    manifest: str = ""
    reasons: tuple[Reason, ...] = ()
    unread: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class CarriedSources:
    """The sources of one program that travels inside the app, and what its privacy manifests declare."""

    target: str
    sources: TargetSources = TargetSources()
    declared: DeclaredReasons = DeclaredReasons()


@dataclass(frozen=True)
class EmbeddedSources:
    """The sources of all programs that travel inside the app: extensions, app clips, helpers, watch apps."""

    targets: tuple[CarriedSources, ...] = ()

    def of(self, target: str) -> CarriedSources:
        """Those of a target; nothing where it is none of them."""
        return next((each for each in self.targets if each.target == target), CarriedSources(target))
