"""`init`: a first configuration from what an app's project says."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.ports.files import LiveFiles
from pipeline.subject import folder_of, path_of
from pipeline.telling import quoted

if TYPE_CHECKING:
    from pipeline.apple.xcode.observation import Sight
    from pipeline.wishes import Wishes


def init(wishes: Wishes, config: str, *, force: bool) -> int:
    """Write a configuration with what the app's project says."""
    from pipeline.configuration.beginning import written
    from pipeline.reports.text import shown

    target = Path(os.path.expanduser(config or "config/pipeline.yaml"))  # noqa: PTH111 - a tilde may be a name
    name, app, lanes = surveyed(wishes, target)
    path = written(target, name, app, lanes, force=force)
    count = f"{len(lanes)} {'lane' if len(lanes) == 1 else 'lanes'}"
    print(f"wrote {shown(path)}: the app {name} with {count} ({', '.join(lanes)})")
    found = "" if path == Path("config/pipeline.yaml") else f" --config {quoted(str(path))}"
    print(f"next: `invoke release --dry-run{found}`")
    return 0


def surveyed(wishes: Wishes, target: Path) -> tuple[str, dict[str, object], dict[str, dict[str, str]]]:
    """What an app's project says, as the fields of a configuration at `target`: name, app, lanes.

    Without an app, the current folder is taken. What the project contradicts itself about is left out.
    """
    from pipeline.apple.xcode.discovery import WORKSPACES, discover
    from pipeline.apple.xcode.observation import UNREADABLE, Sight, target_entitlements, target_settings

    root = folder_of(path_of(wishes.app or "."), "--app names it" if wishes.app else "it is the current folder")
    files = LiveFiles(root)
    base = target.absolute().parent.parent if target.absolute().parent.name == "config" else target.absolute().parent
    lanes: dict[str, dict[str, str]] = {}
    bundles: dict[str, str] = {}
    teams: list[str] = []
    containers: list[str] = []
    for lane in discover(files).lanes:
        lanes[lane.name] = {
            "project": lane.project,
            "workspace": lane.workspace,
            "target": lane.target,
            "scheme": lane.scheme,
            "configuration": lane.configuration,
        }
        sight = Sight(WORKSPACES.of(files), lane)
        bundles[lane.name] = _bundle_id(sight)
        try:
            settings, asked = target_settings(sight), target_entitlements(sight)
        except UNREADABLE:
            continue
        teams.append(settings.team_id.text)
        containers.extend(asked.containers if asked.cloudkit else ())
    shared = len(set(bundles.values())) == 1
    for name, bundle_id in () if shared else bundles.items():
        lanes[name]["bundle_id"] = bundle_id
    schemas = [path for path in files.tree() if path.endswith(".ckdb")]
    app: dict[str, object] = {
        "path": _relative(root, base),
        "bundle_id": next(iter(bundles.values())) if shared else "",
        "team_id": next(filter(None, teams), ""),
        "containers": list(dict.fromkeys(containers)),
        "schema": _relative(root / schemas[0], base) if len(schemas) == 1 else "",
    }
    return _plain(root.name), app, lanes


def _bundle_id(sight: Sight) -> str:
    """The lane's bundle identifier; empty where settings and Info.plist do not agree on one."""
    from pipeline.apple.xcode.observation import UNREADABLE, target_info, target_settings

    try:
        said = {target_settings(sight).bundle_id.text, target_info(sight).text("CFBundleIdentifier")} - {""}
    except UNREADABLE:
        return ""
    return said.pop() if len(said) == 1 else ""


def _relative(path: Path, base: Path) -> str:
    told = os.path.relpath(path, base)
    # A tilde in front would be the home of somebody.
    return f"./{told}" if told.startswith("~") else told


def _plain(name: str) -> str:
    """A folder's name as the name of an app: what cannot be seen is left out."""
    return "".join(each for each in name if each.isprintable()).strip() or "app"
