"""Scenarios: what the small Apple's account holds, how long it takes for things, and what goes wrong."""

from __future__ import annotations

from dataclasses import field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")

DEEDS = ("401", "403", "404", "429", "500", "500-after", "502", "503", "reset", "reset-after", "hang")
"""What a fault can do: answer with that status, before or after the effect, drop the connection before or after the
effect, or not answer."""

OUTCOMES = ("valid", "invalid", "failed")
PLATFORMS = ("IOS", "MAC_OS", "TV_OS", "VISION_OS")
EMPTY_SCHEMA = (
    "DEFINE SCHEMA\n\n"
    "    RECORD TYPE Users (\n"
    '        "___createTime" TIMESTAMP,\n'
    '        "___createdBy"  REFERENCE,\n'
    '        "___etag"       STRING,\n'
    '        "___modTime"    TIMESTAMP,\n'
    '        "___modifiedBy" REFERENCE,\n'
    '        "___recordID"   REFERENCE,\n'
    "        roles           LIST<INT64>,\n"
    '        GRANT WRITE TO "_creator",\n'
    '        GRANT READ TO "_world"\n'
    "    );\n"
)
"""The schema of a container that nobody has used yet: every container has the type Users."""


class ScenarioFault(ValueError):
    """A scenario says something that is not understood."""


class Dropped(Exception):
    """No answer came.

    Attributes:
        applied: whether the request had taken effect; the client cannot know.
        hung: whether the connection stayed open until the client gave up.

    """

    def __init__(self, *, applied: bool, hung: bool = False) -> None:
        super().__init__("the connection was dropped" if not hung else "no answer within the time allowed")
        self.applied = applied
        self.hung = hung


@dataclass(frozen=True, eq=False, match_args=False)
class Fault:
    """From the `nth` matching request on, `times` requests meet it.

    `on` is "METHOD path" with {id} for identifiers ("PATCH /v1/buildUploadFiles/{id}"); METHOD may be * and the path
    may end with *. `retry_after` is in seconds; Apple is not known to send that header, so it is off by default.
    """

    on: str
    do: str
    nth: int = 1
    times: int = 1
    retry_after: int | None = None

    def matches(self, method: str, template: str) -> bool:
        """Whether a request to that route is meant."""
        wanted, _, path = self.on.partition(" ")
        if wanted not in ("*", method):
            return False
        return template.startswith(path[:-1]) if path.endswith("*") else template == path


@dataclass(frozen=True, eq=False, match_args=False)
class Processing:
    """Time, in seconds, and the end of Apple's work on an upload.

    After the commit the upload is PROCESSING for `seconds`; then it names a build that 404s and is in no list for
    `builds_invisible`; then the build is PROCESSING for `validating`; then, for `beta_delay`, TestFlight groups do not
    know it yet. `outcome` "invalid" ends in an INVALID build, "failed" in a FAILED upload without a build, with `code`
    and `detail`; for well-known codes the detail may be left empty.
    """

    seconds: float = 40.0
    builds_invisible: float = 60.0
    validating: float = 90.0
    beta_delay: float = 0.0
    outcome: str = "valid"
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, eq=False, match_args=False)
class Group:
    """A TestFlight group."""

    name: str = "Internal Testers"
    internal: bool = True
    all_builds: bool = True
    testers: int = 1


@dataclass(frozen=True, eq=False, match_args=False)
class ExistingBuild:
    """A build that was uploaded `age_days` before the state was made."""

    version: str
    build: str
    platform: str = "IOS"
    state: str = "VALID"
    age_days: float = 10.0
    uses_non_exempt_encryption: bool | None = False


@dataclass(frozen=True, eq=False, match_args=False)
class StoreVersion:
    """A version in the App Store; `state` is an AppVersionState."""

    version: str
    platform: str = "IOS"
    state: str = "READY_FOR_DISTRIBUTION"


@dataclass(frozen=True, eq=False, match_args=False)
class AppAccount:
    """An app record with what belongs to it. `identifier` is the App Store id; empty: derived from the bundle id."""

    bundle_id: str
    name: str = ""
    platforms: tuple[str, ...] = ("IOS",)
    identifier: str = ""
    sku: str = ""
    locale: str = "en-US"
    record: bool = True
    registered: bool = True
    capabilities: tuple[str, ...] = ("ICLOUD", "PUSH_NOTIFICATIONS")
    groups: tuple[Group, ...] = (Group(),)
    builds: tuple[ExistingBuild, ...] = ()
    versions: tuple[StoreVersion, ...] = ()


@dataclass(frozen=True, eq=False, match_args=False)
class Container:
    """A CloudKit container with the .ckdb text of its two environments; None: the schema of an unused container."""

    identifier: str
    name: str = ""
    development: str | None = None
    production: str | None = None


@dataclass(frozen=True, eq=False, match_args=False)
class Portal:
    """The developer portal: how long, in seconds, what was made there is in no list, and how much room there is.

    `distribution` is how many distribution certificates of a type a team may hold. `forbids` names what the API key may
    not use at all: "certificates", "profiles", "bundleIds", "devices".
    """

    certificates_invisible: float = 0.0
    profiles_invisible: float = 0.0
    distribution: int = 3
    forbids: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, match_args=False)
class RateLimit:
    """Requests one key may make: in a rolling hour, and in a rolling minute (0: no such budget)."""

    hour: int = 3600
    minute: int = 0


@dataclass(frozen=True, eq=False, match_args=False)
class Scenario:
    """One evening at Apple: accounts, speed, faults. `production_schema` "behind" leaves production schemas empty."""

    name: str = "green"
    about: str = ""
    team_id: str = "TEAM000000"
    team_name: str = "Simulated Team"
    apps: tuple[AppAccount, ...] = ()
    containers: tuple[Container, ...] = ()
    roles: tuple[str, ...] = ("ADMIN",)
    production_schema: str = "current"
    processing: Processing = field(default_factory=Processing)
    rate_limit: RateLimit = field(default_factory=RateLimit)
    portal: Portal = field(default_factory=Portal)
    part_size: int = 5 * 1024 * 1024
    faults: tuple[Fault, ...] = ()

    @classmethod
    def load(cls, mapping: Mapping[str, Any]) -> Scenario:
        """A scenario from plain values.

        Raises:
            ScenarioFault: a key or a value is not understood; the message names it and the nearest that is.

        """
        values = dict(mapping)
        if isinstance(values.get("processing"), str):
            values["processing"] = {"outcome": values["processing"]}
        elif isinstance(values.get("processing"), (int, float)):
            values["processing"] = {"seconds": values["processing"]}
        scenario = _build(cls, values, "the scenario")
        _check(scenario)
        return scenario

    @classmethod
    def for_apps(
        cls,
        team_id: str,
        apps: Iterable[tuple[str, str, Iterable[str]]],
        containers: Mapping[str, tuple[str | None, str | None]] | None = None,
    ) -> Scenario:
        """An account in good order for these apps; see `with_apps`."""
        return cls().with_apps(team_id, apps, containers)

    def with_apps(
        self,
        team_id: str,
        apps: Iterable[tuple[str, str, Iterable[str]]],
        containers: Mapping[str, tuple[str | None, str | None]] | None = None,
    ) -> Scenario:
        """The same scenario for an account in good order.

        Args:
            team_id: the team.
            apps: (bundle id, name, platforms) of each; it gets an app record, a registered bundle id with iCloud and
                push, and an internal TestFlight group, unless the scenario itself says otherwise for that bundle id.
            containers: CloudKit container id -> (development, production) schema text. Without it each app has the
                container that Xcode proposes, unused.

        """
        listed = [AppAccount(bundle_id, name or bundle_id, tuple(platforms)) for bundle_id, name, platforms in apps]
        if containers is None:
            containers = {f"iCloud.{app.bundle_id}": (None, None) for app in listed}
        return self.with_accounts(team_id, listed, containers)

    def with_accounts(
        self,
        team_id: str,
        apps: Iterable[AppAccount],
        containers: Mapping[str, tuple[str | None, str | None]],
    ) -> Scenario:
        """This scenario for these accounts; what the scenario itself says of a bundle id or a container counts more."""
        declared = {app.bundle_id: app for app in self.apps}
        for app in apps:
            declared.setdefault(app.bundle_id, app)
        held = {container.identifier: container for container in self.containers}
        for identifier, (development, production) in containers.items():
            shown = None if self.production_schema == "behind" else production
            held.setdefault(identifier, Container(identifier, "", development, shown))
        scenario = replace(self, team_id=team_id, apps=tuple(declared.values()), containers=tuple(held.values()))
        _check(scenario)
        return scenario


_PARTS: dict[str, type] = {
    "processing": Processing,
    "rate_limit": RateLimit,
    "portal": Portal,
    "apps": AppAccount,
    "containers": Container,
    "faults": Fault,
    "groups": Group,
    "builds": ExistingBuild,
    "versions": StoreVersion,
}
_LISTS = frozenset({"apps", "containers", "faults", "groups", "builds", "versions"})
_WORDS = frozenset({"platforms", "capabilities", "roles", "forbids"})


def _build(kind: type[T], values: Any, where: str) -> T:
    if not isinstance(values, dict):
        raise ScenarioFault(f"{where} must be a mapping, not {values!r}")
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    made: dict[str, Any] = {}
    # YAML 1.1 reads the bare word on as true.
    for key, value in ((("on" if key is True else key), value) for key, value in values.items()):
        if key not in known:
            raise ScenarioFault(f"{where} has an unknown key {key!r}{_nearest(str(key), list(known))}")
        made[key] = _value(key, value, f"{where}: {key}", str(known[key].type))
    try:
        return kind(**made)
    except TypeError as fault:
        raise ScenarioFault(f"{where} is incomplete: {fault}") from fault


def _value(key: str, value: Any, where: str, annotation: str) -> Any:
    if key in _LISTS:
        if not isinstance(value, (list, tuple)):
            raise ScenarioFault(f"{where} must be a list")
        return tuple(_build(_PARTS[key], item, f"{where}[{index}]") for index, item in enumerate(value))
    if key in _PARTS:
        return _build(_PARTS[key], value, where)
    if key in _WORDS:
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise ScenarioFault(f"{where} must be a list of words")
        return tuple(value)
    return _scalar(value, where, annotation)


def _scalar(value: Any, where: str, annotation: str) -> Any:
    if value is None and "None" in annotation:
        return None
    wanted = annotation.partition(" |")[0]
    if wanted == "str" and isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value)
    if wanted == "bool" and isinstance(value, bool):
        return value
    if wanted in ("int", "float") and isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < 0 or (wanted == "int" and value != int(value)):
            raise ScenarioFault(f"{where} must be a number from 0, not {value!r}")
        return int(value) if wanted == "int" else float(value)
    raise ScenarioFault(f"{where} must be {annotation}, not {value!r}")


def _check(scenario: Scenario) -> None:
    _one_of(scenario.processing.outcome, OUTCOMES, "processing: outcome")
    _one_of(scenario.production_schema, ("current", "behind"), "production_schema")
    for app in scenario.apps:
        for platform in (*app.platforms, *(build.platform for build in app.builds)):
            _one_of(platform, PLATFORMS, f"apps: {app.bundle_id}: platforms")
    for fault in scenario.faults:
        _one_of(fault.do, DEEDS, f"faults: {fault.on}: do")
        method, _, path = fault.on.partition(" ")
        if not method or not path.startswith(("/", "*")):
            raise ScenarioFault(f'faults: on must read like "POST /v1/buildUploads", not {fault.on!r}')
    if scenario.part_size < 1:
        raise ScenarioFault("part_size must be at least one byte")


def _one_of(value: str, allowed: tuple[str, ...], where: str) -> None:
    if value not in allowed:
        near = _nearest(value, list(allowed))
        raise ScenarioFault(f"{where} must be one of {', '.join(allowed)}, not {value!r}{near}")


def _nearest(word: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(word, known, 1, 0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""
