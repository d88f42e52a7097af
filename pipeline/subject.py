"""What a run is about: the app, its settings, its lanes, and the artifacts that were given."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.lazily import cached_property
from pipeline.model import Beside, Declaration, Lane, Platform, UsageFault
from pipeline.ports.files import Files, LiveFiles
from pipeline.ports.git import LiveGit
from pipeline.values import dataclass
from pipeline.wishes import Wishes

if TYPE_CHECKING:
    from pipeline.apple.signing.facts import SigningPolicy
    from pipeline.apple.xcode.facts import TargetSettings
    from pipeline.configuration.settings import AppSettings, Settings
    from pipeline.ports.memory import Memory

SAMPLE = Path(__file__).parent / "simulator" / "sample"

LASTING = 365
"""Days for which Apple issues distribution certificates and profiles."""

SHOWN = 200
"""How many characters of a path an error shows."""


class _NoCheckout(LiveFiles):
    """A finished product is judged by itself: the folder around it is no checkout, and nobody looks for files there."""

    def tree(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class Subject:
    """One app, ready to be released: `given` holds, by lane name, the artifacts that were named instead of built.

    `beside` is what `build.check` judges although no release is made of it.
    """

    wishes: Wishes
    settings: Settings
    app: AppSettings
    root: Path
    files: Files
    lanes: tuple[Lane, ...]
    given: Mapping[str, Mapping[str, Path]]
    beside: Beside = Beside()

    @classmethod
    def of(cls, wishes: Wishes) -> Subject:
        """The app that is wished for.

        Raises:
            UsageFault: the app, its configuration or an option is at fault.
        """
        if wishes.table == "bundle" and wishes.artifact and not wishes.app:
            return cls._of_artifact(wishes)
        settings, app, root = find_app(wishes)
        files = LiveFiles(root, _memory(wishes, root), _named_elsewhere(settings, app, root))
        lanes = find_lanes(files, app, wishes)
        given = {lane.name: _given(wishes, lane) for lane in lanes}
        if wishes.table == "bundle":
            lanes = tuple(lane for lane in lanes if "export" in given[lane.name])
            if not lanes:
                raise UsageFault(
                    "there is nothing to judge",
                    why="a finished build is judged here, and none is given",
                    remedy="give it with --ipa or --pkg; `release --dry-run --archive PATH` judges what is exported",
                )
        beside = find_beside(files, settings, app, wishes, lanes)
        given |= {product.name: {"export": root / product.name} for product in beside.products}
        return cls(_anchored(wishes, settings, app, root), settings, app, root, files, lanes, given, beside)

    @classmethod
    def _of_artifact(cls, wishes: Wishes) -> Subject:
        """A finished product alone: what a project would say about it is unknown."""
        from pipeline.apple.bundle.lanes import lane_of
        from pipeline.configuration.settings import AppSettings

        path = path_of(wishes.artifact[0]).absolute()
        lane, root = lane_of(path), path.parent
        settings = _settings(wishes.config, Path.cwd())
        app = AppSettings(name=lane.target, path=str(root))
        placed = replace(wishes, artifact=(str(path),), config=_absolute(settings.path))
        return cls(placed, settings, app, root, _NoCheckout(root), (lane,), {lane.name: {"export": path}})

    @classmethod
    def without_app(cls, wishes: Wishes) -> Subject:
        """Signing material alone: no project is read, and there is no lane."""
        from pipeline.configuration.settings import AppSettings

        here = Path.cwd()
        settings = _settings(wishes.config, here)
        nobody = AppSettings(name="artifacts" if wishes.artifact else "signing", path=str(here))
        anchored = replace(_anchored(wishes, settings, nobody, here), app="")
        return cls(anchored, settings, nobody, here, LiveFiles(here), (), {})

    @cached_property
    def signing_policy(self) -> SigningPolicy:
        """What `config/` and the options decide about signing."""
        from pipeline.apple.signing.facts import SigningPolicy

        told, wishes = self.settings.signing, self.wishes
        return SigningPolicy(
            expires_within=timedelta(days=_days(wishes.within) if wishes.within else told.expires_within),
            recipients=tuple(told.recipients.items()),
            kinds=wishes.kind,
            renew=wishes.table == "renew",
            revoke=wishes.revoke,
            by=os.environ.get("GITHUB_ACTOR", ""),
        )

    @property
    def judged(self) -> tuple[Lane, ...]:
        """The lanes of a release, then those that are judged beside them."""
        return (*self.lanes, *self.beside.judged)

    @property
    def vault(self) -> str:
        """Where the vault is: `--vault`, else as `config/` says; empty for none."""
        return self.wishes.vault or self.settings.signing.vault

    def wished(self, **changes: Any) -> Subject:
        """The same with other wishes."""
        return replace(self, wishes=replace(self.wishes, **changes))

    @cached_property
    def bundle_ids(self) -> dict[str, str]:
        """The bundle identifier that the project gives each lane."""
        return {name: settings.bundle_id.text for name, settings in self._targets.items()}

    @cached_property
    def team_id(self) -> str:
        """The team: as declared, else as the first lane's project says; empty when nothing says."""
        said = (settings.team_id.text for settings in self._targets.values())
        return self.app.team_id or next(filter(None, said), "")

    @cached_property
    def version(self) -> str:
        """Version and build as the lanes' Info.plist will say, "2.5.0 (250)"; empty where lanes differ or none says."""
        from pipeline.apple.xcode.discovery import WORKSPACES
        from pipeline.apple.xcode.observation import UNREADABLE, Sight, target_info

        said: set[str] = set()
        for lane in self.lanes:
            try:
                info = target_info(Sight(WORKSPACES.of(self.files), lane))
            except UNREADABLE:
                continue
            version, build = info.text("CFBundleShortVersionString"), info.text("CFBundleVersion")
            said.add(f"{version} ({build})" if version and build else version or build)
        return said.pop() if len(said) == 1 else ""

    @cached_property
    def containers(self) -> tuple[str, ...]:
        """The CloudKit containers: as declared, else as the lanes' entitlements name them."""
        from pipeline.apple.xcode.discovery import WORKSPACES
        from pipeline.apple.xcode.observation import UNREADABLE, Sight, target_entitlements

        named: list[str] = []
        for lane in () if self.app.containers else self.lanes:
            try:
                asked = target_entitlements(Sight(WORKSPACES.of(self.files), lane))
            except UNREADABLE:
                continue
            named.extend(asked.containers if asked.cloudkit else ())
        return self.app.containers or tuple(dict.fromkeys(named))

    @cached_property
    def schema(self) -> str | None:
        """The text of the app's CloudKit schema file, if there is a readable one."""
        path = self.app.schema or next((p for p in self.files.tree() if p.endswith(".ckdb")), "")
        try:
            return self.files.read(path, 1 << 20).decode("utf-8") if path else None
        except (OSError, UnicodeDecodeError, UsageFault):
            return None

    @cached_property
    def _targets(self) -> dict[str, TargetSettings]:
        from pipeline.apple.xcode.discovery import WORKSPACES
        from pipeline.apple.xcode.observation import UNREADABLE, Sight, target_settings

        found: dict[str, TargetSettings] = {}
        for lane in self.lanes:
            try:
                found[lane.name] = target_settings(Sight(WORKSPACES.of(self.files), lane))
            except UNREADABLE:
                continue
        return found

    def declaration(self, lane: Lane | None) -> Declaration:
        """What `config/` declares for one lane. For the whole app, what is not declared is taken from the project.

        Of another app than those that are released, and of a product that was built once, nothing is declared.
        """
        from pipeline.configuration.settings import LaneSettings

        app, path = self.app, self.settings.path
        if lane in self.beside.products or (lane in self.beside.judged and lane.name not in self.beside.related):
            return Declaration(app=app.name)
        own = app.lanes.get(lane.name, LaneSettings()) if lane else LaneSettings()
        shown = ""
        if path:
            full = Path(path).absolute()
            shown = full.relative_to(self.root).as_posix() if full.is_relative_to(self.root) else path
        return Declaration(
            app=app.name,
            bundle_id=own.bundle_id or app.bundle_id,
            team_id=app.team_id if lane else self.team_id,
            version=own.version or app.version,
            build=own.build or app.build,
            containers=app.containers if lane else self.containers,
            schema=app.schema,
            tag=app.tag,
            groups=app.groups,
            path=shown,
        )


def find_app(wishes: Wishes) -> tuple[Settings, AppSettings, Path]:
    """The settings, the app, and its root: what `--app` names, else the only app of `config/`, else the sample."""
    from pipeline.configuration.reading import nearest

    settings = _settings(wishes.config, Path.cwd())
    name = wishes.app
    if not name and not settings.apps:
        own, app, root = _app_at(SAMPLE, settings)
        # The sample stands in for the app, not for what a team has decided about signing material.
        return (replace(own, signing=settings.signing) if settings.path else own), app, root
    if not name:
        if len(settings.apps) > 1:
            raise UsageFault(
                f"{settings.path} names {len(settings.apps)} apps",
                remedy=f"choose one with --app: {', '.join(settings.apps)}",
            )
        name = next(iter(settings.apps))
    if name in settings.apps:
        app = settings.apps[name]
        return settings, app, folder_of(Path(app.path), f"{settings.path} names it as the path of {name}")
    path = path_of(name)
    if os.sep not in name and settings.apps and not os.path.lexists(path):
        raise UsageFault(
            f"there is no app {name!r}",
            why=f"neither a folder nor an app of {settings.path}",
            remedy=nearest(name, settings.apps),
        )
    root = folder_of(path, "--app names it")
    known = next((each for each in settings.apps.values() if Path(each.path) == root), None)
    return (settings, known, root) if known else _app_at(root, settings)


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
        path = path_of(chosen)
    else:
        path = folder / "config" / "pipeline.yaml"
        if not path.is_file():
            return Settings()
        _is_the_checkouts(path, folder)
    from pipeline.configuration.reading import read_settings

    return read_settings(path, known_rules)


def _named_elsewhere(settings: Settings, app: AppSettings, root: Path) -> tuple[str, ...]:
    """The schema that a configuration names which is not the checkout's own: whoever wrote that may name any file."""
    if not app.schema or not settings.path:
        return ()
    from pipeline.regular import Fence, Outside

    try:
        Fence(str(root)).place(Path(settings.path).absolute())
    except Outside:
        return (app.schema,)
    except OSError:
        pass
    return ()


def _is_the_checkouts(path: Path, folder: Path) -> None:
    """Whoever packed a checkout may have put a link in the place of its configuration. Raises UsageFault."""
    from pipeline.regular import Fence, Outside

    try:
        Fence(str(folder)).place(path)
    except Outside as fault:
        raise UsageFault(
            f"{_short(path)} cannot be read",
            why="it is a link to something outside of the checkout",
            remedy="name the file that it leads to with --config",
        ) from fault
    except OSError:
        return  # whoever reads it says why it cannot be read


def known_rules() -> frozenset[str]:
    """The rules that a policy may name."""
    from pipeline.engine.judge import UNSEEN
    from pipeline.engine.wiring import checks_of, mark_of
    from pipeline.stages import every_table

    stages = {stage.name: stage for table in every_table().values() for stage in table}
    checks = (check for stage in stages.values() for check in (*checks_of(stage), *stage.proofs))
    return frozenset({UNSEEN, *(mark_of(check).rule for check in checks)})


def path_of(told: str) -> Path:
    """The path that a person wrote. A tilde before a name that nobody here has, or behind ./, is a plain character."""
    return Path(os.path.expanduser(told))  # noqa: PTH111 - Path knows neither of the two


def folder_of(path: Path, because: str) -> Path:
    import stat

    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            os.scandir(path).close()
    except FileNotFoundError:
        raise UsageFault(f"there is no folder {_short(path)}", why=because, remedy="check the path") from None
    except (OSError, ValueError) as fault:
        raise UsageFault(
            f"the folder {_short(path)} cannot be read",
            why=f"{because}; {(fault.strerror if isinstance(fault, OSError) else None) or fault}",
            remedy="name a folder that you may read",
        ) from fault
    if not stat.S_ISDIR(mode):
        raise UsageFault(
            f"{_short(path)} is not a folder", why=because, remedy="name the folder that holds the Xcode project"
        )
    return path.resolve()


def _short(path: Path) -> str:
    text = str(path)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _memory(wishes: Wishes, root: Path) -> Memory | None:
    """What is kept between runs belongs to the table that judges sources; a release leaves nothing beside its run."""
    if wishes.table != "build" or root == SAMPLE:
        return None
    from pipeline.ports.memory import LiveMemory

    return LiveMemory.of_user()


def find_lanes(files: Files, app: AppSettings, wishes: Wishes) -> tuple[Lane, ...]:
    """The lanes: discovered, then as `config/` and the options decide."""
    from pipeline.apple.xcode.discovery import WORKSPACES, discover, in_workspace

    platforms = tuple(name.lower() for name in wishes.lanes) or app.platforms or tuple(app.lanes)
    by_lane = {name: own.project for name, own in app.lanes.items() if own.project}
    held = {name: own.workspace for name, own in app.lanes.items() if own.workspace}
    found = discover(
        files,
        project=wishes.project,
        configuration=wishes.configuration,
        platforms=platforms,
        projects=by_lane,
        workspaces=held,
    )
    lanes = []
    for lane in found.lanes:
        own = app.lanes.get(lane.name)
        decided = replace(
            lane,
            target=(own and own.target) or lane.target,
            scheme=(own and own.scheme) or lane.scheme,
            configuration=wishes.configuration or (own and own.configuration) or lane.configuration,
        )
        if (decided.target, decided.scheme) != (lane.target, lane.scheme) and lane.name not in held:
            # Another scheme may lie in another workspace, or in none.
            decided = in_workspace(WORKSPACES.of(files), replace(decided, workspace=""))
        lanes.append(decided)
    _artifacts_fit(wishes, lanes)
    return tuple(lanes)


def find_beside(files: Files, settings: Settings, app: AppSettings, wishes: Wishes, lanes: tuple[Lane, ...]) -> Beside:
    """What lies beside the lanes and is judged too, where a person asks for a judgement of the whole checkout."""
    if wishes.table != "build" or wishes.lanes or wishes.project:
        return Beside()
    from pipeline.apple.xcode.discovery import WORKSPACES
    from pipeline.apple.xcode.siblings import beside
    from pipeline.committed import committed

    workspace, discovery = WORKSPACES.of(files), WORKSPACES.discovery(files)
    others = (one for one in settings.apps.values() if one.name != app.name and one.path == app.path)
    released = frozenset(own.project for one in others for own in one.lanes.values() if own.project)
    found = WORKSPACES.kept(
        files, lambda held, seen: beside(held, seen, lanes, released), "beside", repr(lanes), *sorted(released)
    )
    own = (app.bundle_id, *(candidate.bundle_id for candidate in discovery.candidates))
    products, left = committed(files, workspace, LiveGit(files.root), own)
    return replace(found, products=products, left=(*found.left, *left))


def _artifacts_fit(wishes: Wishes, lanes: Sequence[Lane]) -> None:
    names = ", ".join(lane.name for lane in lanes)
    for told, option, mac in ((wishes.ipa, "--ipa", False), (wishes.pkg, "--pkg", True)):
        if not told:
            continue
        _artifact(f"{option} {told}", path_of(told), folder=False)
        if not any((lane.platform is Platform.MAC_OS) is mac for lane in lanes):
            raise UsageFault(
                f"{option} {told}: no lane takes it",
                why=f"a {option[2:]} is for {'macOS' if mac else 'all platforms but macOS'}; the lanes are {names}",
                remedy=f"give the lane's own artifact with {'--ipa' if mac else '--pkg'}, or leave {option} out",
            )
    for told in wishes.archive:
        lane, _, path = told.rpartition("=")
        _artifact(f"--archive {told}", path_of(path), folder=True)
        if lane and lane not in names.split(", "):
            raise UsageFault(f"--archive {told}: there is no lane {lane}", remedy=f"write one of {names} before the =")
        if not lane and not any((each.platform is Platform.MAC_OS) is _is_mac(path_of(path)) for each in lanes):
            raise UsageFault(
                f"--archive {told}: no lane takes it",
                why=f"it holds {'a Mac app' if _is_mac(path_of(path)) else 'no Mac app'}; the lanes are {names}",
                remedy="name the lane that it is for: --archive LANE=PATH",
            )


def _artifact(told: str, path: Path, *, folder: bool) -> None:
    import stat

    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as fault:
        why = (fault.strerror if isinstance(fault, OSError) else None) or str(fault)
        raise UsageFault(f"{told}: it cannot be opened", why=why, remedy="check the path") from fault
    found = stat.S_ISDIR(mode)
    if not found and not stat.S_ISREG(mode):
        raise UsageFault(
            f"{told}: this is not a file", why="it is a pipe, a socket or a device", remedy="give a file that stays"
        )
    if found is not folder:
        raise UsageFault(
            f"{told}: this is {'a folder' if found else 'a file'}",
            why=f"{'an .xcarchive is a folder' if folder else 'an .ipa or .pkg is a single file'}",
            remedy="check the path",
        )
    if folder and not (path / "Info.plist").is_file():
        raise UsageFault(
            f"{told}: this is no .xcarchive", why="it holds no Info.plist", remedy="name the .xcarchive itself"
        )


def _anchored(wishes: Wishes, settings: Settings, app: AppSettings, root: Path) -> Wishes:
    """The wishes with absolute paths, so that a run can be resumed from any folder.

    Raises:
        UsageFault: what is written there cannot be meant.
    """
    days = _days(wishes.within) if wishes.within else settings.signing.expires_within
    if wishes.table == "renew" and days >= LASTING:
        raise UsageFault(
            f"what was renewed would have to be renewed again: {days} days are as long as a certificate lasts",
            why=f"Apple's certificates and profiles for the App Store last {LASTING} days",
            remedy="name fewer days with --within",
        )
    named = app.name if app.name in settings.apps else str(root)
    archives = tuple(
        f"{name}{mark}{_absolute(path)}" for name, mark, path in (a.rpartition("=") for a in wishes.archive)
    )
    return replace(
        wishes,
        app=named,
        config=_absolute(settings.path),
        ipa=_absolute(wishes.ipa),
        pkg=_absolute(wishes.pkg),
        archive=archives,
        scenario=_absolute(wishes.scenario) if os.sep in wishes.scenario else wishes.scenario,
        file=tuple(_named(path) for path in wishes.file),
        artifact=tuple(_absolute(path) for path in wishes.artifact),
        vault=_vault(wishes.vault),
    )


def _named(told: str) -> str:
    """What `--file` names; it must be there, while what it holds is judged."""
    path = _absolute(told)
    if not os.path.lexists(path):
        raise UsageFault(f"--file {told}: there is no such file", remedy="check the path")
    return path


def _vault(told: str) -> str:
    from pipeline.configuration.reading import is_address

    return told if not told or is_address(told) else _absolute(told)


def _days(told: str) -> int:
    if not (told.isascii() and told.isdigit() and len(told) < 5 and int(told)):
        raise UsageFault(f"--within {told!r} is no number of days", remedy="write a whole number, such as 30")
    return int(told)


def _absolute(path: str) -> str:
    return str(path_of(path).absolute()) if path else ""


def _given(wishes: Wishes, lane: Lane) -> dict[str, Path]:
    given: dict[str, Path] = {}
    if wishes.ipa and lane.platform is not Platform.MAC_OS:
        given["export"] = path_of(wishes.ipa).absolute()
    if wishes.pkg and lane.platform is Platform.MAC_OS:
        given["export"] = path_of(wishes.pkg).absolute()
    for told in wishes.archive:
        name, _, path = told.rpartition("=")
        archive = path_of(path).absolute()
        if name == lane.name or (not name and _is_mac(archive) is (lane.platform is Platform.MAC_OS)):
            given["archive"] = archive
    return given


def _is_mac(archive: Path) -> bool:
    return any(archive.glob("Products/Applications/*.app/Contents"))
