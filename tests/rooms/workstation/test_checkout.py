"""What git says about real checkouts of every kind."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pipeline.model import Reading, Source
from pipeline.ports.git import LiveGit, _filters
from pipeline.ports.tools import Completed
from pipeline.workstation import gateway
from pipeline.workstation.facts import Checkout

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed here")


class Repository:
    """A git repository in a folder of the test's own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        person = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always")
        done = subprocess.run(("git", *person, *arguments), cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, path: str, text: str = "x\n") -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def commit(self, *paths: str) -> str:
        for path in paths:
            self.write(path, f"this is {path}\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def seen(root: Path) -> Checkout:
    found = gateway.checkout(LiveGit(root))
    assert isinstance(found, Checkout), found
    return found


def test_a_clean_checkout(repository: Repository) -> None:
    commit = repository.commit("app/a.swift")
    assert seen(repository.root) == Checkout(
        repository=True, root=os.path.realpath(repository.root), commit=commit, branch="main"
    )


def test_only_the_apps_own_folder_counts_and_paths_are_relative_to_it(repository: Repository) -> None:
    repository.commit("app/Sources/a b.swift", "app/old name.swift", "app/gone.swift", "other/b.swift")
    repository.write("app/Sources/a b.swift", "changed\n")
    repository.write("other/b.swift", "changed\n")
    repository.write("other/new.txt")
    repository.write("app/ümläut\n.txt")
    repository.git("mv", "app/old name.swift", "app/new name.swift")
    repository.git("rm", "--quiet", "app/gone.swift")
    found = seen(repository.root / "app")
    assert sorted(found.changed) == ["Sources/a b.swift", "gone.swift", "new name.swift"]
    assert found.changed_count == 3
    assert (found.untracked, found.untracked_count) == (("ümläut\n.txt",), 1)
    assert found.root == os.path.realpath(repository.root)


def test_ignored_files_and_the_pipelines_own_are_not_untracked(repository: Repository) -> None:
    repository.write(".gitignore", "build/\n")
    repository.commit("a.swift")
    repository.write("build/App.ipa")
    repository.write(".runs/1/journal")
    assert seen(repository.root).untracked_count == 0


def test_long_lists_are_cut_and_counted(repository: Repository) -> None:
    names = [f"f{number:03}" for number in range(gateway.CHANGED_LIMIT + 7)]
    repository.commit(*names)
    for name in names:
        repository.write(name, "changed\n")
    found = seen(repository.root)
    assert (len(found.changed), found.changed_count) == (gateway.CHANGED_LIMIT, len(names))


def test_tags_at_head_only(repository: Repository) -> None:
    repository.commit("a")
    repository.git("tag", "v1.0.0")
    repository.commit("b")
    repository.git("tag", "v1.1.0")
    repository.git("tag", "--annotate", "ios/1.1.0", "--message", "x")
    assert sorted(seen(repository.root).tags) == ["ios/1.1.0", "v1.1.0"]


def test_a_detached_head(repository: Repository) -> None:
    commit = repository.commit("a")
    repository.git("checkout", "--quiet", "--detach")
    found = seen(repository.root)
    assert (found.commit, found.branch, found.detached) == (commit, "", True)


def test_no_commit_yet(repository: Repository) -> None:
    found = seen(repository.root)
    assert (found.repository, found.commit, found.branch, found.tags) == (True, "", "main", ())


def test_a_conflict_counts_as_a_change(repository: Repository) -> None:
    repository.commit("a")
    repository.git("checkout", "--quiet", "-b", "side")
    repository.write("a", "side\n")
    repository.git("commit", "--quiet", "--all", "--message", "x")
    repository.git("checkout", "--quiet", "main")
    repository.write("a", "main\n")
    repository.git("commit", "--quiet", "--all", "--message", "x")
    with pytest.raises(subprocess.CalledProcessError):
        repository.git("merge", "side")
    assert seen(repository.root).changed == ("a",)


def test_a_shallow_clone(repository: Repository, tmp_path: Path) -> None:
    repository.commit("a")
    repository.commit("b")
    assert not seen(repository.root).shallow
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.root}", str(tmp_path / "clone"))
    assert seen(tmp_path / "clone").shallow


def test_a_submodule_with_new_files_of_its_own_is_untracked_not_changed(repository: Repository, tmp_path: Path) -> None:
    library = Repository(tmp_path / "library")
    library.commit("code.swift")
    repository.commit("a")
    repository.git("submodule", "--quiet", "add", str(library.root), "library")
    repository.commit("b")
    repository.write("library/notes.txt")
    found = seen(repository.root)
    assert (found.changed, found.untracked) == ((), ("library",))
    repository.write("library/code.swift", "changed\n")
    assert seen(repository.root).changed == ("library",)


def test_no_repository(tmp_path: Path) -> None:
    assert seen(tmp_path) == Checkout()


def unknown(root: Path) -> str:
    found = gateway.checkout(LiveGit(root))
    assert isinstance(found, Reading)
    assert found.source is Source.UNKNOWN
    return found.why


def test_git_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert unknown(tmp_path) == "git is not installed"


def test_a_checkout_of_another_user(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit("a")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert "git config --global --add safe.directory" in unknown(repository.root)


def test_a_damaged_repository_is_unknown_with_gits_own_words(repository: Repository) -> None:
    repository.commit("a")
    (repository.root / ".git" / "index").write_bytes(b"garbage")
    why = unknown(repository.root)
    assert why.startswith("git did not answer: ")
    assert "index" in why


class Counted(LiveGit):
    """Live git that counts its processes."""

    asked = 0

    def ask(self, *arguments: str) -> Completed:
        self.asked += 1
        return super().ask(*arguments)


def test_three_processes_are_enough(repository: Repository, tmp_path: Path) -> None:
    repository.commit("a")
    git, nowhere = Counted(repository.root), Counted(tmp_path)
    gateway.checkout(git)
    gateway.checkout(nowhere)
    assert (git.asked, nowhere.asked) == (3, 1)


# What a folder's own configuration may not do -------------------------------------------------------------------------


@pytest.fixture
def hostile(repository: Repository, tmp_path: Path) -> tuple[Repository, str, Path]:
    """A repository with a changed file, a program, and the file that it leaves behind where it is run."""
    repository.write("app/kept.swift", "x")
    repository.commit()
    marker, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{marker}'\ncat\n")
    program.chmod(0o755)
    return repository, str(program), marker


def test_no_monitor_of_the_repository_is_run(hostile: tuple[Repository, str, Path]) -> None:
    repository, program, marker = hostile
    repository.git("config", "core.fsmonitor", program)
    assert seen(repository.root).repository
    assert not marker.exists()


@pytest.mark.parametrize("name", ["mine", "a=b", "lfs"])
@pytest.mark.parametrize("kind", ["clean", "process"])
@pytest.mark.parametrize("place", ["config", "included", "worktree"])
def test_no_filter_of_the_repository_is_run(
    hostile: tuple[Repository, str, Path], name: str, kind: str, place: str
) -> None:
    repository, program, marker = hostile
    file = repository.root / ".git" / {"config": "config", "included": "more", "worktree": "config.worktree"}[place]
    if place == "included":
        repository.git("config", "include.path", "more")
    if place == "worktree":
        repository.git("config", "extensions.worktreeConfig", "true")
    repository.git("config", "--file", str(file), f"filter.{name}.{kind}", program)
    repository.git("config", "--file", str(file), f"filter.{name}.required", "true")
    (repository.root / ".git" / "info" / "attributes").write_text(f"*.swift filter={name}\n")
    (repository.root / "app" / "kept.swift").write_text("y")
    found = gateway.checkout(LiveGit(repository.root))
    assert isinstance(found, Checkout)
    assert found.changed == ("app/kept.swift",)
    assert not marker.exists()


def test_no_filter_of_a_submodule_is_run(hostile: tuple[Repository, str, Path]) -> None:
    repository, program, marker = hostile
    nested = Repository(repository.root / "library")
    nested.write("a.swift", "x")
    nested.commit()
    repository.commit()
    nested.git("config", "filter.mine.clean", program)
    nested.git("config", "core.fsmonitor", program)
    (nested.root / ".git" / "info" / "attributes").write_text("*.swift filter=mine\n")
    (nested.root / "a.swift").write_text("y")
    found = gateway.checkout(LiveGit(repository.root))
    assert isinstance(found, Checkout)
    assert found.changed == ("library",)
    assert not marker.exists()


def test_git_lfs_called_as_usual_stays(repository: Repository) -> None:
    repository.write("a", "x")
    for key, value in {"clean": "git-lfs clean -- %f", "process": "git-lfs filter-process"}.items():
        repository.git("config", f"filter.lfs.{key}", value)
    assert list(_filters(repository.root)) == []
    repository.git("config", "lfs.extension.mine.clean", "program")
    assert list(_filters(repository.root)) == ["lfs"]


def test_a_filter_of_the_person_stays(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "person").write_text('[filter "mine"]\n\tclean = tr y x\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "person"))
    repository.write("a.swift", "x")
    repository.commit()
    (repository.root / ".git" / "info" / "attributes").write_text("*.swift filter=mine\n")
    (repository.root / "a.swift").write_text("y")
    found = gateway.checkout(LiveGit(repository.root))
    assert isinstance(found, Checkout)
    assert found.changed == ()


def test_nothing_is_fetched_for_a_partial_clone(hostile: tuple[Repository, str, Path]) -> None:
    repository, program, marker = hostile
    git = ("config", "--local")
    repository.git(*git, "core.repositoryFormatVersion", "1")
    repository.git(*git, "extensions.partialClone", "origin")
    repository.git(*git, "remote.origin.url", str(repository.root))
    repository.git(*git, "remote.origin.promisor", "true")
    repository.git(*git, "remote.origin.uploadpack", program)
    repository.git(*git, "protocol.file.allow", "always")
    tree = repository.git("rev-parse", "HEAD^{tree}").strip()
    (repository.root / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    gateway.checkout(LiveGit(repository.root))
    assert not marker.exists()
