"""The fence around a checkout: what is read of it lies in it, wherever its links and paths would lead."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ports.files import ELSEWHERE, Elsewhere, LiveFiles, Unreadable
from pipeline.regular import Fence


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An app in a repository with a sibling, and another repository beside them."""
    for path, text in {
        "repository/App/own.txt": "own",
        "repository/Shared/shared.txt": "shared",
        "other/secret.txt": "SECRET",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "repository/.git").mkdir()
    return tmp_path / "repository/App"


def test_siblings_within_the_repository_are_read(app: Path) -> None:
    files = LiveFiles(app)
    with pytest.raises(Elsewhere):
        files.read("/own.txt")
    assert files.read("own.txt") == b"own"
    with pytest.raises(Elsewhere):
        files.read("/own.txt")
    assert files.read("../Shared/shared.txt") == b"shared"
    assert files.read(app.parent / "Shared/shared.txt") == b"shared"
    (app / "linked").symlink_to("../Shared")
    assert files.read("linked/shared.txt") == b"shared"
    assert files.exists("linked")
    assert files.stamp("linked/shared.txt") == files.stamp("../Shared/shared.txt") != None  # noqa: E711


@pytest.mark.parametrize(
    "path",
    [
        "../../other/secret.txt",
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
        "/dev/stdin",
        "../../other",
        "../../absent.txt",
        "file",
        "folder/secret.txt",
        "folder/absent.txt",
        "folder/../other/secret.txt",
        "twice/secret.txt",
        "back/secret.txt",
        "passwd",
        "loop/../folder/secret.txt",
        "absent/../loop/../folder/secret.txt",
    ],
)
def test_what_lies_elsewhere_is_not_read_nor_looked_at(app: Path, path: str) -> None:
    other = app.parent.parent / "other"
    (app / "file").symlink_to(other / "secret.txt")
    (app / "folder").symlink_to("../../other")
    (app / "twice").symlink_to("folder")
    (app / "back").symlink_to("../../repository/App/folder")
    (app / "passwd").symlink_to("/etc/passwd")
    (app / "loop").symlink_to("loop")
    files = LiveFiles(app)
    with pytest.raises(Unreadable) as fault:
        files.read(path)
    assert "SECRET" not in str(fault.value)
    if "loop" not in path:
        assert isinstance(fault.value, Elsewhere)
        assert fault.value.why == "it lies outside of the checkout, and is not read"
        assert files.stamp(path) == ELSEWHERE
    assert not files.exists(path)


def test_without_a_repository_the_folder_is_the_bound(app: Path) -> None:
    (app.parent / ".git").rmdir()
    assert LiveFiles(app).read("own.txt") == b"own"
    with pytest.raises(Elsewhere):
        LiveFiles(app).read("../Shared/shared.txt")


def test_a_repository_that_holds_a_home_folder_is_no_bound(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many keep their home folder in a repository; an app that was unpacked there is not all of it."""
    monkeypatch.setenv("HOME", str(app.parent))
    with pytest.raises(Elsewhere):
        LiveFiles(app).read("../Shared/shared.txt")
    monkeypatch.setenv("HOME", str(app.parent / "Shared"))
    with pytest.raises(Elsewhere):
        LiveFiles(app).read("../Shared/shared.txt")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_somebody_else_is_no_bound(app: Path) -> None:
    """Whoever may write to a folder above could make a repository of it."""
    os.chown(app.parent, 12345, -1)
    with pytest.raises(Elsewhere):
        LiveFiles(app).read("../Shared/shared.txt")


def test_a_submodule_is_a_checkout_of_its_own(app: Path) -> None:
    (app / ".git").write_text("gitdir: ../.git/modules/App\n")
    with pytest.raises(Elsewhere):
        LiveFiles(app).read("../Shared/shared.txt")


def test_the_root_may_be_reached_through_a_link(app: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(app)
    assert LiveFiles(tmp_path / "link").read("own.txt") == b"own"
    assert LiveFiles(tmp_path / "link").read("../Shared/shared.txt") == b"shared"


def test_what_the_kernel_shows_is_never_read() -> None:
    assert Fence("/").top == "/"
    for path in ("/proc/self/environ", "proc/self/environ", "/dev/zero", "/sys/kernel/hostname", "proc"):
        with pytest.raises(Elsewhere):
            LiveFiles(Path("/")).read(path)


def test_pipes_and_loops_are_not_read(app: Path) -> None:
    os.mkfifo(app / "pipe")
    (app / "loop").symlink_to("loop")
    (app / "a").symlink_to("b")
    (app / "b").symlink_to("a")
    for path, word in (("pipe", "pipe"), ("loop", "links"), ("a", "links"), ("a/x", "links"), (".", "irectory")):
        with pytest.raises(Unreadable, match=word):
            LiveFiles(app).read(path)
    with pytest.raises(FileNotFoundError):
        LiveFiles(app).read("absent")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(["..", ".", "", "in", "out", "loop", "App", "Shared", "other", "own.txt", "secret.txt", "x"]),
        min_size=1,
        max_size=9,
    )
)
def test_no_path_leads_out(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    top = tmp_path_factory.getbasetemp() / "fence"
    app = top / "repository/App"
    if not app.exists():
        for folder in (app, top / "repository/Shared", top / "other"):
            folder.mkdir(parents=True)
        (top / "repository/.git").mkdir()
        (top / "other/secret.txt").write_text("SECRET")
        (app / "own.txt").write_text("own")
        (app / "in").symlink_to("../Shared")
        (app / "out").symlink_to("../../other")
        (app / "loop").symlink_to("loop/x")
        (top / "repository/Shared/out").symlink_to("../App/out")
        (top / "other/back").symlink_to("../repository")
    with suppress(Unreadable, FileNotFoundError):
        assert LiveFiles(app).read("/".join(parts)) == b"own"
