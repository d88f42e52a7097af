"""Finds the workspace that a lane's project is built in."""

from __future__ import annotations

import os
import posixpath
from dataclasses import replace

from pipeline.apple.xcode.candidates import EXAMPLE, file_of, title_of
from pipeline.apple.xcode.facts import Problem
from pipeline.apple.xcode.pbxproj import BrokenList
from pipeline.apple.xcode.schemes import FOLDER
from pipeline.apple.xcode.workspace import Workspace
from pipeline.apple.xcode.workspacedata import FILE as CONTENTS
from pipeline.apple.xcode.workspacedata import WorkspaceData
from pipeline.model import Lane, UsageFault


def in_workspace(workspace: Workspace, lane: Lane, named: str = "") -> Lane:
    """The lane with the workspace that its project is built in, of which `named` is the path if somebody says so.

    A scheme that lies in a workspace is archived there. Else one that refers to CocoaPods' project is taken, else the
    only one that refers to the lane's, else the one beside the project. Without Pods, the project is built on its own
    where another project of the workspace has a scheme of the same name: xcodebuild could not tell the two apart.

    Raises:
        UsageFault: there is no such workspace, or it does not refer to the lane's project.

    """
    if named:
        return replace(lane, workspace=_named_workspace(workspace, lane, named))
    schemes = [one for one in workspace.schemes(lane.project)[0] if one.name == lane.scheme]
    own = [one for one in schemes if one.archives(lane.project, lane.target)] or schemes
    homes = {one.workspace for one in own}
    holding = [
        one
        for one in workspace.workspaces
        if lane.project in one.projects and (one.path in homes or _concerns(one, lane.project))
    ]
    folder = posixpath.dirname(lane.project)

    def rank(one: WorkspaceData) -> tuple[bool, bool, bool, bool]:
        at_home = one.path in homes and "" not in homes
        return at_home, bool(one.pods), one.folder == folder, title_of(one.path) == title_of(lane.project)

    best = max(reversed(holding), key=rank, default=None)
    if best is None:
        return lane
    at_home, pods, beside, _ = rank(best)
    alone = len(holding) == 1 or beside
    fits = at_home or pods or (alone and not _is_ambiguous(workspace, best, lane))
    return replace(lane, workspace=best.path if fits else "")


def _concerns(found: WorkspaceData, project: str) -> bool:
    """Whether a workspace is no example's of how to use the project."""
    return holds(found.folder, project) or not any(EXAMPLE.match(part) for part in found.folder.split("/"))


def _is_ambiguous(workspace: Workspace, found: WorkspaceData, lane: Lane) -> bool:
    for path in found.projects:
        if path == lane.project or not workspace.has(file_of(path)):
            continue
        if workspace.has(f"{path}{FOLDER}{lane.scheme}.xcscheme"):
            return True
        try:
            targets = workspace.project(path).applications
        except BrokenList:
            continue
        if any(target.name == lane.scheme for target in targets):
            return True
    return False


def _named_workspace(workspace: Workspace, lane: Lane, name: str) -> str:
    plain = posixpath.normpath(name.replace(os.sep, "/")).removesuffix(f"/{CONTENTS}")
    problem = next((problem for path, problem in workspace.broken_workspaces if path == plain), None)
    if problem:
        raise UsageFault(f"{problem.location}: {problem.text}", remedy="mend the workspace, or name another one")
    holding = [one.path for one in workspace.workspaces if lane.project in one.projects]
    if plain in holding:
        return plain
    there = any(one.path == plain for one in workspace.workspaces)
    remedy = f"name one of: {', '.join(holding)}" if holding else "leave it out, or let `pod install` write it first"
    if there:
        raise UsageFault(f"the workspace {name} does not refer to {lane.project}", remedy=remedy)
    raise UsageFault(f"there is no workspace {name}", why=f"it is named for the lane {lane.name}", remedy=remedy)


def broken_workspaces(workspace: Workspace, lanes: tuple[Lane, ...]) -> list[Problem]:
    """What is wrong with workspaces beside or above the projects that are released."""
    return [
        problem
        for path, problem in workspace.broken_workspaces
        if any(holds(posixpath.dirname(path), lane.project) for lane in lanes)
    ]


def holds(folder: str, path: str) -> bool:
    """Whether a path lies in a folder; "" is the root."""
    return not folder or path.startswith(f"{folder}/")
