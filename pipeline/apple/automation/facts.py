"""What can be known of the automation that a repository carries: workflows, scripts, export options, pins."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pipeline.apple.xcode.facts import Problem
from pipeline.model import Location
from pipeline.values import dataclass


@dataclass(frozen=True)
class Named:
    """Something that a workflow or a script names by literal.

    Attributes:
        kind: project, workspace, scheme, target, configuration, file, used file, bundle id, team, profile, container,
            runner, Xcode.
        text: the literal; paths are relative to the app's root where that can be told.
        there: whether the repository holds it; None where that cannot be told.
        choices: what there is of that kind, at most a few.
        within: where it was looked for: a project, say.
        job: the job that names it; "" outside of workflows.
        tolerated: the command may fail, or is not always run.
    """

    kind: str
    text: str
    location: Location
    there: bool | None = None
    choices: tuple[str, ...] = ()
    within: str = ""
    job: str = ""
    tolerated: bool = False


@dataclass(frozen=True)
class Call:
    """A command of which the tables of this room know something. `key` is their entry, `says` the detail."""

    key: str
    location: Location
    says: str = ""
    job: str = ""
    tolerated: bool = False


@dataclass(frozen=True)
class Upload:
    """A command that brings a build to App Store Connect. `platform` is ios, macos, tvos, visionos; "" is unknown."""

    by: str
    location: Location
    platform: str = ""


@dataclass(frozen=True)
class Job:
    """A job of a workflow.

    Attributes:
        runners: the images that `runs-on` names by literal; one job may run on several.
        xcodes: the versions of Xcode that it chooses, in order.
        chooses: it chooses an Xcode in a way that cannot be followed.
        uploads: what it brings to App Store Connect.
    """

    name: str
    location: Location
    runners: tuple[Named, ...] = ()
    xcodes: tuple[Named, ...] = ()
    chooses: bool = False
    uploads: tuple[Upload, ...] = ()


@dataclass(frozen=True)
class Exposed:
    """A secret that stands in clear. `what` says which kind; the secret itself is kept nowhere."""

    what: str
    location: Location
    key: bool = False


_PLACEHOLDER = re.compile(r"\w+\.(?:example|your-?company|my-?company)\.(.+)", re.IGNORECASE)


@dataclass(frozen=True)
class Identities:
    """What the projects of the app say about themselves, in all targets and configurations.

    `open` names the kinds of which some could not be told, so that nothing is said about them: bundle id, team,
    profile, container.
    """

    bundle_ids: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    open: tuple[str, ...] = ()

    def known(self, kind: str) -> tuple[str, ...]:
        """All that there are of a kind; nothing where some could not be told."""
        if kind in self.open:
            return ()
        held = {"bundle id": self.bundle_ids, "team": self.teams, "profile": self.profiles}
        return held.get(kind, self.containers)

    def replaces(self, bundle_id: str) -> bool:
        """Whether a bundle identifier is one of the projects' with the maker's name in place of a placeholder's."""
        tail = bundle_id.split(".", 2)[2:]
        return any((found := _PLACEHOLDER.fullmatch(one)) and tail == [found[1]] for one in self.bundle_ids)


@dataclass(frozen=True)
class Automation:
    """What the workflows, scripts and lanes of the repository say.

    Attributes:
        files: those that were read.
        unfollowed: how many names come from variables that only the shell knows.
        seen: when this was looked at, for what changes with the date.
    """

    files: tuple[str, ...] = ()
    named: tuple[Named, ...] = ()
    jobs: tuple[Job, ...] = ()
    calls: tuple[Call, ...] = ()
    exposed: tuple[Exposed, ...] = ()
    problems: tuple[Problem, ...] = ()
    identities: Identities = Identities()
    unfollowed: int = 0
    seen: datetime = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Option:
    """A key of export options with its value as a text, and its place. `known` is False for what a script fills in."""

    key: str
    text: str = ""
    location: Location | None = None
    known: bool = True


@dataclass(frozen=True)
class ExportOptions:
    """One set of export options: a property list, or a text that a script writes into one.

    Attributes:
        location: where it begins.
        options: the plain values.
        profiles: bundle identifier to profile, as `provisioningProfiles` has them.
        open: some of its keys are filled in by a script.
        platform: ios, macos, tvos, visionos, as the job that uses it says; "" where it does not.
        exported: where a file is used that this export would have had to leave behind.
        flaw: why it cannot be read.
    """

    location: Location
    options: tuple[Option, ...] = ()
    profiles: tuple[Option, ...] = ()
    open: bool = False
    platform: str = ""
    exported: Location | None = None
    flaw: str = ""

    def get(self, key: str) -> Option | None:
        """The option of that name."""
        return next((each for each in self.options if each.key == key), None)

    def text(self, key: str) -> str:
        """Its value, where it is known."""
        found = self.get(key)
        return found.text if found and found.known else ""


@dataclass(frozen=True)
class App:
    """What export options have to fit: an app target with all that it carries.

    Attributes:
        bundle_ids: the app's own and those of its extensions; "" stands for one that could not be told.
        cloudkit: it asks for CloudKit or for iCloud documents.
        environment: its entitlements name the CloudKit environment themselves.
    """

    target: str
    platforms: tuple[str, ...] = ()
    bundle_ids: tuple[str, ...] = ()
    cloudkit: bool = False
    environment: str = ""


@dataclass(frozen=True)
class ExportPlans:
    """All export options of the repository, and the apps they may be meant for."""

    plans: tuple[ExportOptions, ...] = ()
    apps: tuple[App, ...] = ()
    identities: Identities = Identities()


@dataclass(frozen=True)
class Pin:
    """A version that Package.resolved pins a package to. `kind` is version, branch or revision."""

    identity: str
    kind: str
    text: str
    location: Location


@dataclass(frozen=True)
class Requirement:
    """A remote package that a project or a package of the repository asks for."""

    identity: str
    kind: str
    text: str
    location: Location


@dataclass(frozen=True)
class PinFile:
    """A Package.resolved. `version` is that of its format; `flaw` says why it cannot be read."""

    path: str
    pins: tuple[Pin, ...] = ()
    version: int = 0
    flaw: str = ""
    line: int | None = None


@dataclass(frozen=True)
class PinnedProject:
    """A project, and what pins its packages.

    Attributes:
        project: the .xcodeproj.
        wants: the remote packages that it and its local packages ask for.
        files: the Package.resolved that serve it: its own, and those of the workspaces it is built in.
        expected: where Xcode would write it.
        strays: products that name a package reference which is not there: the product and its place.
        whole: whether all local packages were read.
        ignored: where the repository says that Package.resolved is not to be committed.
        released: the lane's own project.
    """

    project: str
    wants: tuple[Requirement, ...] = ()
    files: tuple[PinFile, ...] = ()
    expected: str = ""
    strays: tuple[Requirement, ...] = ()
    whole: bool = True
    ignored: Location | None = None
    released: bool = False


@dataclass(frozen=True)
class PackagePins:
    """The pins of all projects that concern the release."""

    projects: tuple[PinnedProject, ...] = ()


@dataclass(frozen=True)
class Committed:
    """A build product that lies in the repository.

    `differs` says in which respects its Info.plist says something else than the project does.
    """

    path: str
    bundle_id: str = ""
    version: str = ""
    differs: tuple[str, ...] = ()


@dataclass(frozen=True)
class CommittedProducts:
    """Build products among the sources."""

    products: tuple[Committed, ...] = ()
