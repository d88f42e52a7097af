"""The one place that chooses a theatre: live, rehearsal or shadow. Nobody else can ask which one is played."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import __version__
from pipeline.model import Declaration, Lane, Location, Platform, Refused, Source, UsageFault
from pipeline.ports.clock import BriskClock, Clock, LiveClock
from pipeline.ports.files import Files, LiveFiles
from pipeline.ports.git import Git, LiveGit
from pipeline.ports.http import Http
from pipeline.ports.products import Products
from pipeline.ports.progress import Progress, ToldProgress
from pipeline.ports.secrets import EnvironmentSecrets, NoSecrets, Secrets
from pipeline.ports.tools import LiveTools, PlayedTools, Tools

if TYPE_CHECKING:
    from pipeline.apple.signing.trust import Anchors
    from pipeline.configuration.settings import AppSettings, Settings
    from pipeline.engine.runs import RunFolder
    from pipeline.engine.walk import Cast
    from pipeline.engine.wiring import Registry
    from pipeline.model import Stage
    from pipeline.model.run import Entry
    from pipeline.simulator.apple import SimulatedApple
    from pipeline.simulator.faults import AppAccount, Scenario
    from pipeline.simulator.machine.scenario import Scenario as MachineScenario

PORTS: tuple[type, ...] = (Http, Tools, Files, Git, Clock, Secrets, Products, Progress)
SAMPLE = Path(__file__).parent / "simulator" / "sample"
EXCERPT_LIMIT = 240

CONNECT, CLOUDKIT = "api.appstoreconnect.apple.com", "api.icloud.apple.com"
MANAGEMENT_TOKEN = "x-apple-cloudkit-management-token"

LIVE, REHEARSAL, SHADOW = "live", "rehearsal", "shadow"

CREDENTIALS = ("ASC_KEY_ID", "ASC_PRIVATE_KEY")
"""What a shadow rehearsal needs at least: a key that reads App Store Connect."""


@dataclass(frozen=True)
class Wishes:
    """What a person asked for, as plain values: kept with the run, so that a resume asks for the same."""

    app: str = ""
    config: str = ""
    theatre: str = ""
    table: str = "release"
    lanes: tuple[str, ...] = ()
    project: str = ""
    configuration: str = ""
    ipa: str = ""
    pkg: str = ""
    archive: tuple[str, ...] = ()
    scenario: str = ""
    approved: str = ""
    until: str = ""

    @classmethod
    def told(cls, told: Mapping[str, Any]) -> Wishes:
        """The inverse of `asdict`; keys of a newer version are passed over."""
        known = {name: told[name] for name in cls.__dataclass_fields__ if name in told}
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in known.items()})


@dataclass
class World:
    """A theatre that is ready to play: the app, its lanes, the run's folder, and the ports."""

    theatre: str
    note: str
    wishes: Wishes
    settings: Settings
    app: AppSettings
    root: Path
    runs: Path
    folder: RunFolder
    lanes: tuple[Lane, ...]
    ports: Callable[[Lane | None], Mapping[type, Any]]
    givens: Callable[[Lane | None], Mapping[type, Any]]
    clock: Callable[[Lane | None], Clock]
    secrets: Secrets
    scenario: str = ""
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def rehearsed(self) -> bool:
        """Whether Apple is simulated here."""
        return self.theatre != LIVE

    def cast(self, stages: Sequence[Stage], listener: Callable[[Entry], None] | None, *, resumed: bool = False) -> Cast:
        """Everything that the engine needs to walk a table here."""
        from pipeline.configuration.policy import policy_of
        from pipeline.engine.approval import approved
        from pipeline.engine.journal import Journal
        from pipeline.engine.leases import Leases
        from pipeline.engine.perform import Rights
        from pipeline.engine.walk import Cast, steps_told

        journal = Journal(self.folder.journal, redact=self.secrets.redact, listener=listener)
        if resumed and self.folder.run().id:
            journal.append("resume")
        else:
            journal.append(
                "run",
                run=self.folder.id,
                theatre=self.theatre,
                app=self.app.name,
                root=str(self.root),
                version=__version__,
                scenario=self.scenario,
                note=self.note,
                lanes=[{**asdict(lane), "platform": lane.platform.label} for lane in self.lanes],
                steps=steps_told(stages, self.lanes),
            )
        needed = self.theatre == LIVE and self.settings.policy.approval != "never"
        approval = approved(_run_folder(self.runs, self.wishes.approved)) if self.wishes.approved else None
        leases = Leases((self.folder.path if self.rehearsed else self.runs) / "leases", self.folder.id)
        return Cast(
            stages=stages,
            lanes=self.lanes,
            registry=registry(),
            ports=self.ports,
            givens=self.givens,
            clock=self.clock,
            journal=journal,
            rights=Rights(leases, approval, approval_needed=needed),
            policy=policy_of(self.settings.policy, lambda: datetime.now(UTC).date()),
            excerpt=self._excerpt,
            stop=self.stop,
        )

    def lease(self) -> Any:
        """The right to be the one walk of this run (and, live, of this app), as a context manager."""
        from contextlib import ExitStack

        from pipeline.engine.leases import Leases

        stack = ExitStack()
        owner = f"process {os.getpid()}"
        stack.enter_context(Leases(self.folder.path / "leases", owner).hold(f"run {self.folder.id}"))
        if not self.rehearsed:
            stack.enter_context(Leases(self.runs / "leases", f"{self.folder.id}").hold(f"the release of {self.app.name}"))
        return stack

    def _excerpt(self, place: Location) -> str:
        try:
            text = self.root.joinpath(place.path).read_text("utf-8", "replace")
        except (OSError, ValueError):
            return ""
        lines = text.splitlines()
        if place.line is None or not 0 < place.line <= len(lines):
            return ""
        return self.secrets.redact(lines[place.line - 1][:EXCERPT_LIMIT])


def registry() -> Registry:
    """All verbs that touch the outside."""
    from importlib import import_module

    from pipeline.engine.wiring import registry_of

    rooms = ("workstation", "apple.signing", "apple.xcode", "apple.bundle", "apple.cloudkit", "apple.connect", "apple.testflight")
    return registry_of([import_module(f"pipeline.{room}.gateway") for room in rooms])


def given_facts() -> tuple[type, ...]:
    """The facts that a world supplies without a probe."""
    from pipeline.apple.signing.trust import Anchors

    return (Declaration, Anchors)


# Opening a world ----------------------------------------------------------------------------------------------------


def runs_folder(option: str = "") -> Path:
    """Where runs are kept: `--runs`, else PIPELINE_RUNS, else `.runs` in the current folder."""
    return Path(option or os.environ.get("PIPELINE_RUNS") or ".runs").expanduser().absolute()


def open_world(wishes: Wishes, *, dry_run: bool, runs: Path, folder: RunFolder | None = None) -> World:
    """Choose the theatre and make it ready.

    A dry run plays in the shadow of live reads where credentials exist, and in a rehearsal where they don't.

    Raises:
        UsageFault: the app, its configuration or an option is at fault.
    """
    from pipeline.engine.runs import begin

    settings, app, root = find_app(wishes)
    files = LiveFiles(root)
    lanes = find_lanes(files, app, wishes)
    theatre = wishes.theatre or (LIVE if not dry_run else SHADOW if _credentials() else REHEARSAL)
    wishes = replace(wishes, theatre=theatre)
    if folder is None:
        folder = begin(runs, app.name, datetime.now(UTC), asdict(wishes))
    given = {lane.name: _given(wishes, lane) for lane in lanes}
    return {LIVE: live, REHEARSAL: rehearsal, SHADOW: shadow}[theatre](
        _Ground(wishes, settings, app, root, runs, folder, lanes, files, given)
    )


def reopen(folder: RunFolder, runs: Path) -> World:
    """The world of an earlier run, as it was asked for then."""
    return open_world(Wishes.told(folder.wishes()), dry_run=True, runs=runs, folder=folder)


@dataclass(frozen=True)
class _Ground:
    """What all theatres stand on."""

    wishes: Wishes
    settings: Settings
    app: AppSettings
    root: Path
    runs: Path
    folder: RunFolder
    lanes: tuple[Lane, ...]
    files: Files
    given: Mapping[str, Mapping[str, Path]]

    def world(
        self,
        theatre: str,
        note: str,
        *,
        http: Callable[[Clock], Http],
        tools: Tools,
        clock: Callable[[], Clock],
        secrets: Secrets,
        anchors: Callable[[], Anchors],
        stop: threading.Event,
        scenario: str = "",
    ) -> World:
        git, progress = LiveGit(self.root), ToldProgress()
        ports: dict[str, Mapping[type, Any]] = {}
        clocks: dict[str, Clock] = {}
        declared: dict[str, Declaration] = {}
        for lane in (None, *self.lanes):
            name = lane.name if lane else ""
            clocks[name] = clock()
            declared[name] = declaration(self, lane)
            own: dict[type, Any] = {
                Http: http(clocks[name]),
                Tools: tools,
                Files: self.files,
                Git: git,
                Clock: clocks[name],
                Secrets: secrets,
                Progress: progress,
            }
            if lane:
                own[Products] = Products(self.folder.path / "lanes" / name, tools.source, self.given[name])
            ports[name] = own
        from pipeline.apple.signing.trust import Anchors

        return World(
            theatre=theatre,
            note=note,
            wishes=self.wishes,
            settings=self.settings,
            app=self.app,
            root=self.root,
            runs=self.runs,
            folder=self.folder,
            lanes=self.lanes,
            ports=lambda lane: ports[lane.name if lane else ""],
            givens=lambda lane: _Givens({Declaration: declared[lane.name if lane else ""], Anchors: anchors}),
            clock=lambda lane: clocks[lane.name if lane else ""],
            secrets=secrets,
            scenario=scenario,
            stop=stop,
        )


def live(ground: _Ground) -> World:
    """Real ports with credentials: what is done here is done at Apple."""
    from pipeline.apple.signing.trust import APPLE_ROOTS
    from pipeline.ports.live_http import CloudKitToken, ConnectKey, LiveHttp
    from pipeline.ports.retries import RequestBudget, RetryingHttp

    if ground.root == SAMPLE:
        raise Refused(
            "the sample app is not released",
            why="it exists for rehearsals; its bundle identifier belongs to somebody",
            remedy="name your app with --app PATH, or rehearse with --dry-run",
        )
    secrets, stop, budget = EnvironmentSecrets(dict(os.environ)), threading.Event(), RequestBudget()
    keys = {CONNECT: ConnectKey(secrets), CLOUDKIT: CloudKitToken(secrets)}
    carrier = LiveHttp(keys, _services(ground.settings))
    return ground.world(
        LIVE,
        "",
        http=lambda clock: RetryingHttp(carrier, clock, budget),
        tools=LiveTools(),
        clock=lambda: LiveClock(stop),
        secrets=secrets,
        anchors=lambda: APPLE_ROOTS,
        stop=stop,
    )


def rehearsal(ground: _Ground) -> World:
    """No credentials, no network, no Xcode: Apple and the Mac are simulated; files, git and clock are real."""
    return _rehearsed(ground, REHEARSAL, "", lambda _apple: None)


def shadow(ground: _Ground) -> World:
    """With credentials: what GET requests show at Apple is copied into the simulator, and the rehearsal runs on that."""
    from pipeline.shadowing import copy_account

    note = "The simulated Apple was furnished with what the real one shows now; only GET requests were made."
    return _rehearsed(ground, SHADOW, note, lambda apple: copy_account(apple, live_reader(ground), _wanted(ground)))


def live_reader(ground: _Ground) -> Http:
    """The live services, for reading only: any method but GET is refused before it leaves."""
    from pipeline.ports.live_http import CloudKitToken, ConnectKey, LiveHttp, ReadingHttp
    from pipeline.ports.retries import RequestBudget, RetryingHttp

    secrets = EnvironmentSecrets(dict(os.environ))
    keys = {CONNECT: ConnectKey(secrets), CLOUDKIT: CloudKitToken(secrets)}
    return RetryingHttp(ReadingHttp(LiveHttp(keys, _services(ground.settings))), LiveClock(), RequestBudget())


def _rehearsed(ground: _Ground, theatre: str, note: str, furnish: Callable[[SimulatedApple], None]) -> World:
    from functools import cache

    from pipeline.apple.signing.trust import APPLE_ROOTS
    from pipeline.ports.live_http import CarriedHttp
    from pipeline.ports.retries import RequestBudget, RetryingHttp
    from pipeline.simulator.apple import HOSTS, SimulatedApple
    from pipeline.simulator.machine.mac import Machine

    team, targets = _targets(ground)
    services, machinery = _scenario(ground.wishes.scenario)
    projects = tuple(dict.fromkeys(ground.root / lane.project for lane in ground.lanes))
    machine = Machine(ground.folder.path / "mac", team_id=team, projects=projects, scenario=machinery)

    @cache
    def apple() -> SimulatedApple:
        account = services.with_accounts(team, _apps(ground, targets), _containers(ground))
        played = SimulatedApple(ground.folder.path / "apple", account, now=lambda: datetime.now(UTC))
        furnish(played)
        return played

    opening, budget = threading.Lock(), RequestBudget()

    def http(clock: Clock) -> Http:
        def carry(method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Mapping[str, str], bytes]:
            with opening:
                played = apple()
            return played.handle(method, url, headers, body, now=clock.now())

        keys = {CONNECT: lambda: {"authorization": "Bearer rehearsal"}, CLOUDKIT: lambda: {MANAGEMENT_TOKEN: "rehearsal"}}
        return RetryingHttp(CarriedHttp(carry, HOSTS, authorizers=keys), clock, budget)

    return ground.world(
        theatre,
        note,
        http=http,
        tools=PlayedTools(machine.run, machine.find),
        clock=BriskClock,
        secrets=NoSecrets(),
        anchors=cache(lambda: APPLE_ROOTS.including("the rehearsal's own root", machine.authority.root)),
        stop=threading.Event(),
        scenario=services.name,
    )


def _targets(ground: _Ground) -> tuple[str, dict[str, str]]:
    """The team that the rehearsal plays, and the bundle identifier of each lane."""
    from pipeline.apple.xcode.discovery import WORKSPACES
    from pipeline.apple.xcode.observation import UNREADABLE, Sight, target_settings

    team, bundles = ground.app.team_id, {}
    for lane in ground.lanes:
        try:
            settings = target_settings(Sight(WORKSPACES.of(ground.files), lane))
        except UNREADABLE:
            continue
        bundles[lane.name] = settings.bundle_id.text
        team = team or settings.team_id.text
    return team or "TEAM000000", bundles


def _apps(ground: _Ground, bundles: Mapping[str, str]) -> list[AppAccount]:
    """The app records that the rehearsal plays, with the TestFlight groups that `config/` names."""
    from pipeline.simulator.faults import AppAccount, Group

    platforms: dict[str, list[str]] = {}
    for lane in ground.lanes:
        if bundle_id := bundles.get(lane.name):
            platforms.setdefault(bundle_id, []).append(lane.platform)
    groups = tuple(Group(name, all_builds=False) for name in ground.app.groups or ("Internal Testers",))
    return [
        AppAccount(bundle_id, ground.app.name, tuple(each), groups=groups) for bundle_id, each in platforms.items()
    ]


def _containers(ground: _Ground) -> dict[str, tuple[str | None, str | None]]:
    """The containers that the rehearsal plays, with the app's own schema in both environments.

    Nobody knows here what the real ones hold; a rehearsal assumes the best and says SIMULATED.
    """
    text = _schema_text(ground)
    return {container: (text, text) for container in declaration(ground, None).containers}


def _schema_text(ground: _Ground) -> str | None:
    path = ground.app.schema or next((p for p in ground.files.tree() if p.endswith(".ckdb")), "")
    try:
        return ground.files.read(path, 1 << 20).decode("utf-8") if path else None
    except (OSError, UnicodeDecodeError, UsageFault):
        return None


def _scenario(name: str) -> tuple[Scenario, MachineScenario]:
    from pipeline.simulator.evening import evening
    from pipeline.simulator.faults import ScenarioFault

    try:
        return evening(name)
    except ScenarioFault as fault:
        raise UsageFault(str(fault), remedy="`simulator --list` shows the scenarios") from fault


def _wanted(ground: _Ground) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    team, bundles = _targets(ground)
    return team, tuple(dict.fromkeys(bundles.values())), declaration(ground, None).containers


def _credentials() -> bool:
    return all(os.environ.get(name) or os.environ.get(f"{name}_FILE") for name in CREDENTIALS)


def _services(settings: Settings) -> dict[str, str]:
    told = {CONNECT: settings.services.connect, CLOUDKIT: settings.services.cloudkit}
    return {host: url for host, url in told.items() if url}


def _run_folder(runs: Path, name: str) -> Path:
    from pipeline.engine.runs import find

    path = Path(name).expanduser()
    return path if (path / "plan.json").is_file() else find(runs, name).path


# The app and its lanes ----------------------------------------------------------------------------------------------


def find_app(wishes: Wishes) -> tuple[Settings, AppSettings, Path]:
    """The settings, the app, and its root: what `--app` names, else the only app of `config/`, else the sample."""
    from pipeline.configuration.reading import nearest
    from pipeline.configuration.settings import AppSettings

    settings = _settings(wishes.config, Path.cwd())
    name = wishes.app
    if not name and not settings.apps:
        return _app_at(SAMPLE, settings)
    if not name:
        if len(settings.apps) > 1:
            raise UsageFault(
                f"{settings.path} names {len(settings.apps)} apps", remedy=f"choose one with --app: {', '.join(settings.apps)}"
            )
        name = next(iter(settings.apps))
    if name in settings.apps:
        app = settings.apps[name]
        return settings, app, _folder(Path(app.path), f"{settings.path} names it as the path of {name}")
    path = Path(name).expanduser()
    if not path.exists() and os.sep not in name and settings.apps:
        raise UsageFault(f"there is no app {name!r}", why=f"neither a folder nor an app of {settings.path}", remedy=nearest(name, settings.apps))
    root = _folder(path, "--app names it")
    app = next((each for each in settings.apps.values() if Path(each.path) == root), None)
    return (settings, app, root) if app else _app_at(root, settings)


def _app_at(root: Path, settings: Settings) -> tuple[Settings, AppSettings, Path]:
    from pipeline.configuration.settings import AppSettings

    own = _settings("", root)
    app = next((each for each in own.apps.values() if Path(each.path) == root), None)
    if app:
        return own, app, root
    return settings, AppSettings(name=root.name, path=str(root)), root


def _settings(option: str, folder: Path) -> Settings:
    from pipeline.configuration.settings import Settings

    chosen = option or os.environ.get("PIPELINE_CONFIG", "")
    if chosen:
        path = Path(chosen).expanduser()
    else:
        path = folder / "config" / "pipeline.yaml"
        if not path.is_file():
            return Settings()
    from pipeline.configuration.reading import read_settings

    return read_settings(path)


def _folder(path: Path, because: str) -> Path:
    if not path.exists():
        raise UsageFault(f"there is no folder {path}", why=because, remedy="check the path")
    if not path.is_dir():
        raise UsageFault(f"{path} is not a folder", why=because, remedy="name the folder that holds the Xcode project")
    return path.resolve()


def surveyed(wishes: Wishes, target: Path) -> tuple[str, dict[str, object], dict[str, dict[str, str]]]:
    """What an app's project says, as the fields of a configuration at `target`: name, app, lanes.

    Without an app, the current folder is taken.
    """
    from pipeline.apple.xcode.discovery import WORKSPACES, discover
    from pipeline.apple.xcode.observation import UNREADABLE, Sight, target_entitlements, target_settings

    root = _folder(Path(wishes.app or ".").expanduser(), "--app names it")
    files = LiveFiles(root)
    base = target.absolute().parent.parent if target.absolute().parent.name == "config" else target.absolute().parent
    lanes: dict[str, dict[str, str]] = {}
    bundles, teams, containers = [], [], []
    for lane in discover(files).lanes:
        lanes[lane.name] = {
            "project": lane.project, "target": lane.target, "scheme": lane.scheme, "configuration": lane.configuration
        }
        try:
            sight = Sight(WORKSPACES.of(files), lane)
            settings, asked = target_settings(sight), target_entitlements(sight)
        except UNREADABLE:
            continue
        bundles.append(settings.bundle_id.text)
        teams.append(settings.team_id.text)
        containers.extend(asked.containers if asked.cloudkit else ())
        if len(lanes) > 1 and bundles[0] != bundles[-1]:
            lanes[lane.name]["bundle_id"] = bundles[-1]
    schemas = [path for path in files.tree() if path.endswith(".ckdb")]
    app: dict[str, object] = {
        "path": os.path.relpath(root, base),
        "bundle_id": next(filter(None, bundles), ""),
        "team_id": next(filter(None, teams), ""),
        "containers": list(dict.fromkeys(containers)),
        "schema": os.path.relpath(root / schemas[0], base) if len(schemas) == 1 else "",
    }
    return root.name, app, lanes


def find_lanes(files: Files, app: AppSettings, wishes: Wishes) -> tuple[Lane, ...]:
    """The lanes: discovered, then as `config/` and the options decide."""
    from pipeline.apple.xcode.discovery import discover

    platforms = tuple(name.lower() for name in wishes.lanes) or app.platforms or tuple(app.lanes)
    by_lane = {name: own.project for name, own in app.lanes.items() if own.project}
    found = discover(
        files, project=wishes.project, configuration=wishes.configuration, platforms=platforms, projects=by_lane
    )
    lanes = []
    for lane in found.lanes:
        own = app.lanes.get(lane.name)
        lanes.append(
            replace(
                lane,
                target=(own and own.target) or lane.target,
                scheme=(own and own.scheme) or lane.scheme,
                configuration=wishes.configuration or (own and own.configuration) or lane.configuration,
            )
        )
    _artifacts_fit(wishes, lanes)
    return tuple(lanes)


def _artifacts_fit(wishes: Wishes, lanes: Sequence[Lane]) -> None:
    named = [(wishes.ipa, "--ipa", False), (wishes.pkg, "--pkg", True)]
    for told, option, mac in named:
        if not told:
            continue
        if not Path(told).expanduser().is_file():
            raise UsageFault(f"{option} {told}: there is no such file", remedy="check the path")
        if not any((lane.platform is Platform.MAC_OS) is mac for lane in lanes):
            raise UsageFault(f"{option} {told}: no lane takes it", why=f"the lanes are {', '.join(map(str, lanes))}")
    for told in wishes.archive:
        if not Path(told.rpartition("=")[2]).expanduser().is_dir():
            raise UsageFault(f"--archive {told}: there is no such .xcarchive", remedy="check the path")


def declaration(ground: _Ground, lane: Lane | None) -> Declaration:
    """What `config/` declares for one lane. For the whole app, what is not declared is taken from the project."""
    from pipeline.configuration.settings import LaneSettings

    app, path = ground.app, ground.settings.path
    own = app.lanes.get(lane.name, LaneSettings()) if lane else LaneSettings()
    shown = ""
    if path:
        full = Path(path).absolute()
        shown = full.relative_to(ground.root).as_posix() if full.is_relative_to(ground.root) else path
    return Declaration(
        app=app.name,
        bundle_id=own.bundle_id or app.bundle_id,
        team_id=app.team_id or ("" if lane else _targets(ground)[0]),
        version=own.version or app.version,
        build=own.build or app.build,
        containers=app.containers or (() if lane else _project_containers(ground)),
        schema=app.schema,
        tag=app.tag,
        groups=app.groups,
        path=shown,
    )


def _project_containers(ground: _Ground) -> tuple[str, ...]:
    from pipeline.apple.xcode.discovery import WORKSPACES
    from pipeline.apple.xcode.observation import UNREADABLE, Sight, target_entitlements

    named: list[str] = []
    for lane in ground.lanes:
        try:
            asked = target_entitlements(Sight(WORKSPACES.of(ground.files), lane))
        except UNREADABLE:
            continue
        named.extend(asked.containers if asked.cloudkit else ())
    return tuple(dict.fromkeys(named))


class _Givens(dict[type, Any]):
    """Facts without a probe; the anchors are only made when somebody asks for them."""

    def __getitem__(self, fact: type) -> Any:
        value = super().__getitem__(fact)
        return value() if callable(value) else value


def _given(wishes: Wishes, lane: Lane) -> dict[str, Path]:
    given: dict[str, Path] = {}
    if wishes.ipa and lane.platform is not Platform.MAC_OS:
        given["export"] = Path(wishes.ipa).expanduser().absolute()
    if wishes.pkg and lane.platform is Platform.MAC_OS:
        given["export"] = Path(wishes.pkg).expanduser().absolute()
    for told in wishes.archive:
        name, _, path = told.rpartition("=")
        archive = Path(path).expanduser().absolute()
        if name == lane.name or (not name and _is_mac(archive) is (lane.platform is Platform.MAC_OS)):
            given["archive"] = archive
    return given


def _is_mac(archive: Path) -> bool:
    return any(archive.glob("Products/Applications/*.app/Contents"))


__all__ = ["BriskClock", "PlayedTools", "Source", "World", "Wishes", "open_world", "reopen", "runs_folder"]
