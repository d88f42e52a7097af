"""Paths as the code's host knows them: an app may lie in a folder of its repository."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.model.run import Run


def in_repository(run: Run, path: str) -> str:
    """A path below the app's root as a path below the repository's.

    GitHub names the checkout in $GITHUB_WORKSPACE; where that is not set or holds no app, the app's root is taken to
    be the repository's.
    """
    workspace = os.environ.get("GITHUB_WORKSPACE", "")
    if not (workspace and run.root):
        return path
    try:
        folder = PurePath(run.root).relative_to(PurePath(workspace)).as_posix()
    except ValueError:
        return path
    return path if folder == "." else f"{folder}/{path}"
