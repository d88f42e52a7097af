"""The one place that chooses a theatre: live, rehearsal or shadow. Nobody else can ask which one is played."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import __version__, regular
from pipeline.model import Beside, BuildPolicy, Declaration, Lane, Location, Refused, Source, UsageFault
from pipeline.ports.clock import BriskClock, Clock, LiveClock
from pipeline.ports.files import Files
from pipeline.ports.git import Git, LiveGit
from pipeline.ports.given import GivenFiles
from pipeline.ports.home import READ_LIMIT, FolderHome, Home
from pipeline.ports.http import Http
from pipeline.ports.products import Products
from pipeline.ports.progress import Progress, ToldProgress
from pipeline.ports.secrets import EnvironmentSecrets, RehearsedSecrets, Secrets
from pipeline.ports.tools import LiveTools, PlayedTools, Tools
from pipeline.ports.vault import NoVault, Vault
from pipeline.subject import SAMPLE, Subject
from pipeline.values import dataclass
from pipeline.wishes import APPLESS, LOCAL, READING, Wishes

if TYPE_CHECKING:
    from pipeline.apple.signing.trust import Anchors
    from pipeline.configuration.settings import Settings
    from pipeline.engine.runs import RunFolder
    from pipeline.engine.walk import Cast
    from pipeline.engine.wiring import Registry
    from pipeline.model import Stage
    from pipeline.model.run import Entry, Run
    from pipeline.ports.live_http import LiveHttp
    from pipeline.shadowing import Account
    from pipeline.simulator.apple import SimulatedApple
    from pipeline.simulator.faults import AppAccount, Scenario
    from pipeline.simulator.machine.mac import Machine
    from pipeline.simulator.machine.scenario import Scenario as MachineScenario

PORTS: tuple[type, ...] = (
    Http,
    Tools,
    Files,
    Git,
    Clock,
    Secrets,
    Products,
    Progress,
    Home,
    GivenFiles,
    Vault,
)
EXCERPT_LIMIT = 240
NOBODY_ASKED = "Live: files, git and clock were real; neither Apple nor Xcode was asked, and nothing was changed."
STOOD_IN = "Live: files, tools, git and clock were real, but "

CONNECT, CLOUDKIT = "api.appstoreconnect.apple.com", "api.icloud.apple.com"
MANAGEMENT_TOKEN = "x-apple-cloudkit-management-token"  # noqa: S105 - the name of a header, not a token

LIVE, REHEARSAL, SHADOW = "live", "rehearsal", "shadow"

PRAISE = ("this release would go through", "this release would go through")
LIVE_PRAISE = ("released", "everything went through, but not at Apple")
OTHER_PRAISE = ("this would be done", "this would be done")
OTHER_LIVE_PRAISE = ("done", "done, but not at Apple")
"""The verdicts of a walk that ended well, for releases and for other tables: all real, or something simulated."""

CREDENTIALS = ("ASC_KEY_ID", "ASC_PRIVATE_KEY")
"""What a shadow rehearsal needs at least: a key that reads App Store Connect."""

ASKING = frozenset({"release", "doctor", "schema", "upload", "beta", "holdings", "create", "renew"})
"""The tables that ask Apple's services something; there is no shadow of the others."""

SHADOW_SECONDS = 10
"""How long a shadow waits for services that do not answer before it plays without them."""


@dataclass
class World:
    """A theatre that is ready to play: the app, its lanes, the run's folder, and the ports."""

    theatre: str
    note: str
    subject: Subject
    runs: Path
    folder: RunFolder
    ports: Callable[[Lane | None], Mapping[type, Any]]
    givens: Callable[[Lane | None], Mapping[type, Any]]
    clock: Callable[[Lane | None], Clock]
    secrets: Secrets
    scenario: str = ""
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def wishes(self) -> Wishes:
        """What was asked for."""
        return self.subject.wishes

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

        subject = self.subject
        journal = Journal(self.folder.journal, redact=self.secrets.redact, listener=listener)
        before = self.folder.run() if resumed else None
        if before and before.id:
            if before.theatre != self.theatre:
                raise Refused(
                    f"run {self.folder.id} was played in the theatre {before.theatre!r}, not in {self.theatre!r}",
                    why="its wishes were changed since, or a shadow lost its copy of the account",
                    remedy="begin a new run",
                )
            journal.append("resume")
        else:
            journal.append(
                "run",
                run=self.folder.id,
                theatre=self.theatre,
                app=subject.app.name,
                root=str(subject.root),
                version=subject.version,
                tool=__version__,
                scenario=self.scenario,
                note=self.note,
                approval=self.approved_first,
                lanes=[{**asdict(lane), "platform": lane.platform.label} for lane in subject.lanes],
                **_told_beside(subject),
                steps=steps_told(stages, subject.judged, subject.beside.products),
            )
        asks = self.approved_first and subject.settings.policy.approval != "never"
        needed = self.theatre == LIVE and asks
        approval = approved(_run_folder(self.runs, self.wishes.approved)) if self.wishes.approved else None
        leases = Leases((self.runs if self._acts else self.folder.path) / "leases", self.folder.id)
        return Cast(
            stages=stages,
            lanes=subject.judged,
            products=subject.beside.products,
            registry=registry(self.wishes.table),
            ports=self.ports,
            givens=self.givens,
            clock=self.clock,
            journal=journal,
            rights=Rights(leases, approval, approval_needed=needed),
            policy=policy_of(subject.settings.policy, lambda: datetime.now(UTC).date()),
            excerpt=self._excerpt,
            stop=self.stop,
            # Lanes gain by waiting side by side; where nothing takes time, turns are faster and always the same.
            hands=len(subject.lanes) + 1 if self._acts else 1,
            praise=self._praise(),
        )

    @property
    def _acts(self) -> bool:
        """Whether something real may be waited for or changed: not in a rehearsal, and not where files are judged."""
        return not self.rehearsed and self.wishes.table not in READING

    @property
    def approved_first(self) -> bool:
        """Whether a live run of this table needs an approved plan: one that changes something at Apple."""
        return self.wishes.table not in LOCAL

    def _praise(self) -> tuple[str, str]:
        if self.wishes.table == "release":
            return PRAISE if self.rehearsed else LIVE_PRAISE
        return OTHER_PRAISE if self.rehearsed else OTHER_LIVE_PRAISE

    def lease(self) -> Any:
        """The right to be the one walk of this run (and of this app, where it may act), as a context manager."""
        from contextlib import ExitStack

        from pipeline.engine.leases import Leases

        stack = ExitStack()
        owner = f"process {os.getpid()} of {socket.gethostname()}, {os.urandom(4).hex()}"
        stack.enter_context(Leases(self.folder.path / "leases", owner).hold(f"run {self.folder.id}"))
        if self._acts:
            stack.enter_context(
                Leases(self.runs / "leases", f"{self.folder.id}").hold(
                    f"the {self.wishes.table} of {self.subject.app.name}"
                )
            )
        return stack

    def keep_plan(self, run: Run) -> None:
        """Keep what a rehearsal proposed, for somebody to approve; a live run proposes nothing to anybody."""
        from pipeline.engine.approval import plan_told

        if self.rehearsed and run.approval and run.plan.promises:
            self.folder.keep("plan.json", plan_told(run.plan))

    def _excerpt(self, place: Location) -> str:
        """A line of a file of the checkout, or of the configuration, which may lie elsewhere; "" of any other."""
        try:
            text = self._shown(place.path).decode("utf-8", "replace")
        except (OSError, ValueError, UsageFault):
            return ""
        lines = text.splitlines()
        if place.line is None or not 0 < place.line <= len(lines):
            return ""
        return self.secrets.redact(lines[place.line - 1])[:EXCERPT_LIMIT]

    def _shown(self, path: str) -> bytes:
        told = self.subject.settings.path
        if told and path in (told, self.subject.declaration(None).path):
            return regular.read(told)
        return self.subject.files.read(path)


def _told_beside(subject: Subject) -> dict[str, Any]:
    beside = (*subject.beside.judged, *subject.beside.products)
    return {"beside": [{**asdict(lane), "platform": lane.platform.label} for lane in beside]} if beside else {}


ROOMS = (
    "workstation",
    "apple.signing",
    "apple.xcode",
    "apple.sources",
    "apple.automation",
    "apple.bundle",
    "apple.cloudkit",
    "apple.connect",
    "apple.testflight",
)
MATERIAL_ROOMS = ("apple.keychain", "apple.portal", "vault", "inventory")
"""Rooms that only the tables about signing material visit."""


def registry(table: str = "") -> Registry:
    """All verbs that touch the outside, or those that a table can ask for."""
    from importlib import import_module

    from pipeline.engine.wiring import registry_of
    from pipeline.stages import MATERIAL

    rooms = (*ROOMS, *MATERIAL_ROOMS) if not table or table in MATERIAL else ROOMS
    return registry_of([import_module(f"pipeline.{room}.gateway") for room in rooms])


def given_facts() -> tuple[type, ...]:
    """The facts that a world supplies without a probe."""
    from pipeline.apple.portal.facts import AppLanes
    from pipeline.apple.signing.facts import SigningPolicy
    from pipeline.apple.signing.trust import Anchors
    from pipeline.apple.xcode.resolved import SettingsQuery
    from pipeline.configuration.facts import Waivers

    return (Declaration, Beside, BuildPolicy, Anchors, SigningPolicy, AppLanes, SettingsQuery, Waivers)


# Opening a world ----------------------------------------------------------------------------------------------------


def runs_folder(option: str = "") -> Path:
    """Where runs are kept: `--runs`, else PIPELINE_RUNS, else `.runs` in the current folder."""
    return Path(option or os.environ.get("PIPELINE_RUNS") or ".runs").expanduser().absolute()


def open_world(wishes: Wishes, *, dry_run: bool, runs: Path, folder: RunFolder | None = None) -> World:
    """Choose the theatre and make it ready.

    A dry run plays in the shadow of live reads where credentials exist, and in a rehearsal where they don't, where the
    table asks Apple nothing, or where Apple is out of reach.

    Raises:
        UsageFault: the app, its configuration or an option is at fault.
        AppleFailure: App Store Connect refuses the key that a shadow is to be read with.
    """
    from pipeline.engine.runs import begin

    shown = wishes.table in ASKING and _credentials()
    theatre = wishes.theatre or (LIVE if not dry_run else SHADOW if shown else REHEARSAL)
    bare = theatre == LIVE and wishes.table in APPLESS and not wishes.app
    subject = (Subject.without_app if bare else Subject.of)(replace(wishes, theatre=theatre))
    opened = folder or begin(runs, subject.app.name, datetime.now(UTC), asdict(subject.wishes))
    try:
        return {LIVE: live, REHEARSAL: rehearsal, SHADOW: shadow}[theatre](_Ground(subject, runs, opened))
    except BaseException:
        if folder is None:
            opened.discard()
        raise


def reopen(folder: RunFolder, runs: Path) -> World:
    """The world of an earlier run, as it was asked for then."""
    return open_world(Wishes.told(folder.wishes()), dry_run=True, runs=runs, folder=folder)


@dataclass(frozen=True)
class _Ground:
    """What all theatres stand on."""

    subject: Subject
    runs: Path
    folder: RunFolder

    def world(
        self,
        theatre: str,
        note: str,
        *,
        carrier: Callable[[Clock], Http],
        tools: Tools,
        clock: Callable[[], Clock],
        secrets: Secrets,
        anchors: Callable[[], Anchors],
        stop: threading.Event,
        home: Home,
        vault: Vault,
        scenario: str = "",
    ) -> World:
        from pipeline.apple.signing.facts import SigningPolicy
        from pipeline.apple.signing.trust import Anchors
        from pipeline.apple.xcode.resolved import SettingsQuery
        from pipeline.configuration.facts import Waivers
        from pipeline.ports.retries import RequestBudget, RetryingHttp

        subject, git, progress = self.subject, LiveGit(self.subject.root), ToldProgress()
        given = GivenFiles(subject.wishes.file or subject.wishes.artifact)
        traced: Callable[[Http], Http] = _as_it_is
        if subject.wishes.verbose or (theatre == LIVE and subject.wishes.table not in READING):
            tools, traced = self._traced(tools, secrets)
        budget = RequestBudget()
        ports: dict[str, Mapping[type, Any]] = {}
        clocks: dict[str, Clock] = {}
        givens: dict[str, Mapping[type, Any]] = {}
        for lane in (None, *subject.judged, *subject.beside.products):
            name = lane.name if lane else ""
            clocks[name] = clock()
            givens[name] = _Givens(
                {
                    Declaration: subject.declaration(lane),
                    Beside: subject.beside,
                    BuildPolicy: subject.settings.policy.thresholds,
                    Anchors: anchors,
                    SigningPolicy: lambda: subject.signing_policy,
                    SettingsQuery: SettingsQuery(subject.wishes.key, subject.wishes.target),
                    Waivers: lambda: Waivers(
                        subject.settings.policy.waivers, subject.declaration(None).path, datetime.now(UTC).date()
                    ),
                    **_of_all_lanes(subject),
                }
            )
            own: dict[type, Any] = {
                Http: RetryingHttp(traced(carrier(clocks[name])), clocks[name], budget),
                Tools: tools,
                Files: subject.files,
                Git: git,
                Clock: clocks[name],
                Secrets: secrets,
                Progress: progress,
                Home: home,
                GivenFiles: given,
                Vault: vault,
            }
            if lane:
                own[Products] = Products(
                    self.folder.path / "lanes" / name.replace("/", "_"), tools.source, subject.given.get(name)
                )
            ports[name] = own
        return World(
            theatre=theatre,
            note=note,
            subject=subject,
            runs=self.runs,
            folder=self.folder,
            ports=lambda lane: ports[lane.name if lane else ""],
            givens=lambda lane: givens[lane.name if lane else ""],
            clock=lambda lane: clocks[lane.name if lane else ""],
            secrets=secrets,
            scenario=scenario,
            stop=stop,
        )

    def _traced(self, tools: Tools, secrets: Secrets) -> tuple[Tools, Callable[[Http], Http]]:
        from pipeline.ports.tracing import TracedHttp, TracedTools, log_at

        log = log_at(self.folder.path / "log.jsonl", secrets.redact)
        return TracedTools(tools, log), lambda http: TracedHttp(http, log)


def live(ground: _Ground) -> World:
    """Real ports with credentials: what is done here is done at Apple."""
    from pipeline.apple.signing.trust import APPLE_ROOTS

    if ground.subject.root == SAMPLE and ground.subject.wishes.table not in APPLESS | READING:
        raise Refused(
            "the sample app is not released" if ground.subject.wishes.table == "release" else "no app is named",
            why="the sample exists for rehearsals; its bundle identifier belongs to somebody",
            remedy="name your app with --app PATH, or rehearse with --dry-run",
        )
    secrets, stop = EnvironmentSecrets(dict(os.environ)), threading.Event()
    carrier = _carrier(ground, secrets, stop)
    reads = ground.subject.wishes.table in READING
    return ground.world(
        LIVE,
        NOBODY_ASKED if reads else _stand_in_note(ground.subject.settings, STOOD_IN),
        carrier=lambda _clock: carrier,
        tools=LiveTools(),
        clock=lambda: LiveClock(stop),
        secrets=secrets,
        anchors=lambda: APPLE_ROOTS,
        stop=stop,
        home=FolderHome(Path(os.path.expanduser("~"))),  # noqa: PTH111 - Path.home() fails without a home
        vault=_live_vault(ground.subject, secrets),
    )


def rehearsal(ground: _Ground) -> World:
    """No credentials, no network, no Xcode: Apple and the Mac are simulated; files, git and clock are real."""
    return _rehearsed(ground, REHEARSAL, "", _containers(ground.subject), lambda _apple: None)


def shadow(ground: _Ground) -> World:
    """With credentials: what GET requests show at Apple is copied into the simulator; the rehearsal runs on that.

    Where Apple is out of reach it becomes a plain rehearsal that says so. What was copied stays with the run.

    Raises:
        AppleFailure: App Store Connect refuses the key.
    """
    from pipeline.shadowing import OutOfReach, furnish

    secrets, subject = EnvironmentSecrets(dict(os.environ)), ground.subject
    try:
        account = _account(ground, secrets)
    except OutOfReach as fault:
        plain = replace(ground, subject=subject.wished(theatre=REHEARSAL))
        ground.folder.keep("wishes.json", asdict(plain.subject.wishes))
        note = f"There are credentials, but Apple was out of reach, so nothing was compared with the account: {fault}."
        world = _rehearsed(plain, REHEARSAL, note, _containers(subject), lambda _apple: None)
    else:
        assumed = _containers(subject) if account.unasked else {}
        note = " ".join(filter(None, (account.note, _stand_in_note(subject.settings))))
        world = _rehearsed(ground, SHADOW, note, assumed, lambda apple: furnish(apple, account, subject))
    return replace(world, secrets=secrets)


def _account(ground: _Ground, secrets: Secrets) -> Account:
    """What the run has copied before, else what Apple shows now."""
    from pipeline.shadowing import KEPT, Account, read_account

    kept = ground.folder.kept(KEPT)
    if kept is not None:
        return Account.of(kept)
    account = read_account(live_reader(ground, secrets), ground.subject)
    ground.folder.keep(KEPT, account.told())
    return account


def live_reader(ground: _Ground, secrets: Secrets) -> Http:
    """The live services, for reading only: any method but GET is refused before it leaves."""
    from pipeline.ports.live_http import ReadingHttp
    from pipeline.ports.retries import RequestBudget, RetryingHttp

    clock = LiveClock()
    clock.deadline = clock.now() + timedelta(seconds=SHADOW_SECONDS)
    return RetryingHttp(ReadingHttp(_carrier(ground, secrets, threading.Event())), clock, RequestBudget())


def _carrier(ground: _Ground, secrets: Secrets, stop: threading.Event) -> LiveHttp:
    """The network, with credentials. What stands in for Apple is no live source."""
    from pipeline.ports.live_http import CloudKitToken, ConnectKey, LiveHttp

    keys: dict[str, Callable[[], Mapping[str, str]]] = {
        CONNECT: ConnectKey(secrets),
        CLOUDKIT: CloudKitToken(secrets),
    }
    settings = ground.subject.settings
    return LiveHttp(keys, _services(settings), Source.SIMULATED if _stand_ins(settings) else Source.LIVE, stop)


def _rehearsed(
    ground: _Ground,
    theatre: str,
    note: str,
    containers: Mapping[str, tuple[str | None, str | None]],
    furnish: Callable[[SimulatedApple], None],
) -> World:
    from functools import cache

    from pipeline.apple.signing.trust import APPLE_ROOTS
    from pipeline.ports.live_http import CarriedHttp
    from pipeline.simulator.apple import HOSTS, SimulatedApple
    from pipeline.simulator.machine.mac import Machine
    from pipeline.stages import AT_PORTAL

    subject = ground.subject
    team = subject.team_id or "TEAM000000"
    services, machinery = _scenario(subject.wishes.scenario)
    projects = tuple(dict.fromkeys(subject.root / lane.project for lane in subject.lanes))
    machine = Machine(
        ground.folder.path / "mac",
        team_id=team,
        projects=projects,
        scenario=machinery,
        root=str(subject.root),
    )

    @cache
    def apple() -> SimulatedApple:
        account = services.with_accounts(team, _apps(subject), containers)
        of_portal = subject.wishes.table in AT_PORTAL
        issuer = _issuer(machine) if of_portal else None
        played = SimulatedApple(ground.folder.path / "apple", account, now=lambda: datetime.now(UTC), issuer=issuer)
        if not played.effects():
            if of_portal:
                from pipeline.simulator.issuing import seeded

                played.plant(seeded(account, machine.keychain.identities, machine.keychain.profiles))
            furnish(played)  # a shadow puts the account's own in the place of all that
        return played

    def simulated_secrets() -> Mapping[str, str]:
        from pipeline.simulator.machine.secrets import signing_secrets

        return signing_secrets(machine)

    local = RehearsedSecrets(os.environ, simulated_secrets)
    opening = threading.Lock()

    def carrier(clock: Clock) -> Http:
        def carry(
            method: str, url: str, headers: Mapping[str, str], body: bytes
        ) -> tuple[int, Mapping[str, str], bytes]:
            with opening:
                played = apple()
            return played.handle(method, url, headers, body, now=clock.now())

        keys = {
            CONNECT: lambda: {"authorization": "Bearer rehearsal"},
            CLOUDKIT: lambda: {MANAGEMENT_TOKEN: "rehearsal"},
        }
        return CarriedHttp(carry, HOSTS, authorizers=keys)

    return ground.world(
        theatre,
        note,
        carrier=carrier,
        tools=PlayedTools(machine.run, machine.find),
        clock=BriskClock,
        secrets=local,
        anchors=cache(lambda: APPLE_ROOTS.including("the rehearsal's own root", machine.authority.root)),
        stop=threading.Event(),
        home=_FurnishedHome(machine),
        vault=_rehearsed_vault(subject, local, ground.folder.path),
        scenario=services.name,
    )


def _issuer(machine: Machine) -> Any:
    from pipeline.simulator.issuing import AuthorityIssuer

    return AuthorityIssuer(machine.authority)


def _live_vault(subject: Subject, secrets: Secrets) -> Vault:
    if not subject.vault:
        return NoVault()
    from pipeline.vault.opening import opened

    cache = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "pipeline" / "vaults"  # noqa: PTH111 - as above
    return opened(subject.vault, lambda: secrets.get("SIGNING_VAULT_KEY"), cache=cache)


def _rehearsed_vault(subject: Subject, secrets: Secrets, run: Path) -> Vault:
    from pipeline.stages import MATERIAL

    if subject.wishes.table not in MATERIAL:
        return NoVault()
    from pipeline.vault.opening import copied

    return copied(subject.vault, lambda: secrets.get("SIGNING_VAULT_KEY"), run / "vault")


def _apps(subject: Subject) -> list[AppAccount]:
    """The app records that the rehearsal plays, with the TestFlight groups that `config/` names."""
    from pipeline.simulator.faults import AppAccount, Group

    platforms: dict[str, list[str]] = {}
    for lane in subject.lanes:
        if bundle_id := subject.bundle_ids.get(lane.name):
            platforms.setdefault(bundle_id, []).append(lane.platform)
    groups = tuple(Group(name, all_builds=False) for name in subject.app.groups or ("Internal Testers",))
    return [
        AppAccount(bundle_id, subject.app.name, tuple(each), groups=groups) for bundle_id, each in platforms.items()
    ]


def _containers(subject: Subject) -> dict[str, tuple[str | None, str | None]]:
    """The containers that the rehearsal plays, with the app's own schema in both environments.

    Nobody knows here what the real ones hold; a rehearsal assumes the best and says SIMULATED.
    """
    return dict.fromkeys(subject.containers, (subject.schema, subject.schema))


def _scenario(name: str) -> tuple[Scenario, MachineScenario]:
    from pipeline.simulator.evening import evening
    from pipeline.simulator.faults import ScenarioFault

    try:
        return evening(name)
    except ScenarioFault as fault:
        raise UsageFault(str(fault), remedy="`simulator --list` shows the scenarios") from fault


def _credentials() -> bool:
    return all(os.environ.get(name) or os.environ.get(f"{name}_FILE") for name in CREDENTIALS)


def _services(settings: Settings) -> dict[str, str]:
    told = {CONNECT: settings.services.connect, CLOUDKIT: settings.services.cloudkit}
    return {host: url for host, url in told.items() if url}


def _stand_ins(settings: Settings) -> tuple[str, ...]:
    """The addresses that take the place of Apple's hosts."""
    from urllib.parse import urlsplit

    return tuple(dict.fromkeys(url for host, url in _services(settings).items() if urlsplit(url).hostname != host))


def _stand_in_note(settings: Settings, before: str = "") -> str:
    places = _stand_ins(settings)
    if not places:
        return ""
    return (
        f"{before}{' and '.join(places)} stood in for Apple, as `services` in {settings.path} decides: "
        "what was seen and done there counts as simulated."
    )


def _run_folder(runs: Path, name: str) -> Path:
    from pipeline.engine.runs import find

    path = Path(name).expanduser()
    return path if (path / "plan.json").is_file() else find(runs, name).path


def _of_all_lanes(subject: Subject) -> dict[type, Any]:
    """What only tables about signing material ask for: their rooms are not imported for a release."""
    from pipeline.stages import MATERIAL

    if subject.wishes.table not in MATERIAL:
        return {}
    from pipeline.apple.portal.facts import AppLanes

    return {AppLanes: AppLanes(tuple((lane, subject.declaration(lane)) for lane in subject.lanes))}


class _FurnishedHome(FolderHome):
    """The home folder of a simulated Mac, which is furnished when somebody first looks into it."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine.home, Source.SIMULATED)
        self._machine = machine

    def find(self, folder: str, *patterns: str) -> tuple[str, ...]:
        self._furnish()
        return super().find(folder, *patterns)

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes:
        self._furnish()
        return super().read(path, limit)

    def _furnish(self) -> None:
        _ = self._machine.keychain


class _Givens(dict[type, Any]):
    """Facts without a probe; the anchors are only made when somebody asks for them."""

    def __getitem__(self, fact: type) -> Any:
        value = super().__getitem__(fact)
        return value() if callable(value) else value


def _as_it_is(http: Http) -> Http:
    return http
