"""Git repositories as places: which addresses are used, what git is given, and what of a repository is never run."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pipeline.model import PipelineError, UsageFault
from pipeline.ports.vault import Moved, VaultChange
from pipeline.vault import repository
from pipeline.vault.opening import is_repository, who
from pipeline.vault.repository import RepositoryStorage, address_fault, needs_network
from tests.rooms.vault.vaults import JANE, at, files_below, git, made, new_place, publish, sealed


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("-uhttps://example.com", "dash"),
        ("--upload-pack=touch x", "dash"),
        ("ext::sh -c touch% x", "helper"),
        ("fd::17/foo", "helper"),
        ("http://example.com/x.git", "only https, ssh, file"),
        ("git://example.com/x.git", "only https, ssh, file"),
        ("ext://x", "only https, ssh, file"),
        ("https://jane:canary@example.com/x.git", "credential helper"),
        ("https://canary@example.com/x.git", "credential helper"),
        ("ssh://jane:canary@example.com/x.git", "credential helper"),
        ("https://[::1/x.git", "cannot be read"),
    ],
)
def test_addresses_that_are_not_used(place: str, why: str, tmp_path: Path) -> None:
    assert why in address_fault(place)
    with pytest.raises(UsageFault) as told:
        RepositoryStorage(place, tmp_path)
    assert "canary" not in f"{told.value}{told.value.remedy}"


@pytest.mark.parametrize(
    ("place", "distant"),
    [
        ("https://example.com/x.git", True),
        ("ssh://git@example.com/x.git", True),
        ("git@example.com:team/x.git", True),
        ("example.com:x", True),
        ("file:///x.git", False),
        ("/x.git", False),
        ("x/y:z.git", False),
    ],
)
def test_addresses_that_are(place: str, distant: bool) -> None:
    assert address_fault(place) == ""
    assert needs_network(place) is distant
    assert is_repository(place)


def test_what_is_a_repository(tmp_path: Path) -> None:
    bare = Path(new_place("bare", tmp_path))
    plain = bare.rename(tmp_path / "bare-without-ending")
    assert is_repository(str(plain))
    git("init", "--quiet", str(tmp_path / "tree"))
    assert not is_repository(str(tmp_path / "tree"))
    assert not is_repository(str(tmp_path / "tree" / "certs"))
    assert is_repository(str(tmp_path / "tree" / ".git"))


def test_the_branch_of_a_new_repository_is_the_one_it_waits_for(tmp_path: Path) -> None:
    place = new_place("bare", tmp_path)
    git("-C", place, "symbolic-ref", "HEAD", "refs/heads/trunk")
    made(place, tmp_path / "cache", JANE)
    assert git("-C", place, "branch", "--format=%(refname:short)").split() == ["trunk"]


def test_what_else_lies_in_the_repository_stays(tmp_path: Path) -> None:
    place = new_place("bare", tmp_path)
    clone = tmp_path / "clone"
    git("clone", "--quiet", place, str(clone))
    (clone / "README.md").write_text("ours")
    git("add", "--all", cwd=clone)
    git("commit", "--quiet", "--message", "begin", cwd=clone)
    git("push", "--quiet", "origin", "HEAD", cwd=clone)
    made(place, tmp_path / "cache", JANE)
    git("pull", "--quiet", cwd=clone)
    assert (clone / "README.md").read_text() == "ours"
    assert (clone / "ledger/000001.json").is_file()
    assert git("log", "--format=%s|%cn", cwd=clone).splitlines() == ["begin|jane", "begin|T"]


def test_a_commit_bears_the_name_of_who_made_it(tmp_path: Path) -> None:
    place = new_place("bare", tmp_path)
    vault = made(place, tmp_path / "cache", JANE)
    vault.publish(VaultChange(vault.look().head, "x", "Jané <jane@example.com>", {"identities/b.p8": sealed()}))
    vault.publish(VaultChange(vault.look().head, "y\nz", "<<>", {"identities/c.p8": sealed()}))
    shown = git("-C", place, "log", "--format=%s|%cn|%ce").encode("latin-1").decode().splitlines()
    assert shown[:2] == ["y z|vault|vault@localhost", "x|Jané|jane@example.com"]
    git("-C", place, "fsck", "--strict")


def test_a_push_that_is_refused_because_somebody_was_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, cache = new_place("bare", tmp_path), tmp_path / "cache"
    slow, fast = made(place, cache, JANE), at(place, JANE, cache)
    head = slow.look().head
    real = RepositoryStorage.commit

    def commit(self: RepositoryStorage, *arguments: object) -> None:
        monkeypatch.setattr(RepositoryStorage, "commit", real)
        publish(fast, put={"identities/fast.p8": sealed()})
        real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(RepositoryStorage, "commit", commit)
    with pytest.raises(Moved):
        slow.publish(VaultChange(head, "slow", "jane", {"identities/slow.p8": sealed()}))
    assert [deed.what for deed in slow.look().deeds] == ["begin", "more"]
    publish(slow, put={"identities/slow.p8": sealed()})


def test_a_push_whose_answer_was_lost_took_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, cache = new_place("bare", tmp_path), tmp_path / "cache"
    vault = made(place, cache, JANE)
    real = repository._git

    def git_without_answer(arguments: object, given: bytes, limit: int, env: dict[str, str]) -> object:
        done = real(arguments, given, limit, env)  # type: ignore[arg-type]
        return repository._Done(124, b"", "no answer") if "push" in arguments else done  # type: ignore[operator]

    monkeypatch.setattr(repository, "_git", git_without_answer)
    head = publish(vault, put={"identities/bb.p8": sealed()})
    assert vault.look().head == head


def test_a_push_that_a_hook_declines_says_why(tmp_path: Path) -> None:
    git("init", "--quiet", str(tmp_path / "tree"))
    place = str(tmp_path / "tree" / ".git")
    vault = at(place, JANE, tmp_path / "cache")
    with pytest.raises(UsageFault, match="branch is currently checked out"):
        vault.publish(VaultChange("", "begin", "jane", {"identities/b.p8": sealed()}, (), (JANE.recipient,)))
    assert vault.look().head == ""


TRAPS = ("pre-receive", "update", "post-receive", "post-update", "reference-transaction", "proc-receive", "pre-auto-gc")


@pytest.mark.parametrize("kind", ["bare", "address"])
def test_nothing_that_a_repository_on_this_machine_names_is_run(tmp_path: Path, kind: str) -> None:
    """Whoever wrote it is somebody else; git runs its hooks, and commands of its configuration, as us."""
    place = new_place(kind, tmp_path)
    folder = Path(place.removeprefix("file://"))
    made(place, tmp_path / "cache", JANE)
    trap = tmp_path / "sprung"
    hooks = folder / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in TRAPS:
        (hooks / name).write_text(f"#!/bin/sh\necho {name} >> {trap}\n")
        (hooks / name).chmod(0o755)
    script = tmp_path / "command"
    script.write_text(f"#!/bin/sh\necho command >> {trap}\n")
    script.chmod(0o755)
    other = tmp_path / "other.git"
    git("init", "--quiet", "--bare", str(other))
    (folder / "objects" / "info").mkdir(exist_ok=True)
    (folder / "objects" / "info" / "alternates").write_text(f"{other / 'objects'}\n")
    settings = ("core.alternateRefsCommand", "gc.recentObjectsHook", "uploadpack.packObjectsHook", "core.fsmonitor")
    for setting in settings:
        git("-C", str(folder), "config", setting, str(script))
    git("-C", str(folder), "config", "receive.procReceiveRefs", "refs/heads")
    vault = at(place, JANE, tmp_path / "elsewhere")
    git("-C", str(folder), "config", "--unset", "receive.procReceiveRefs")
    publish(vault, put={"identities/bb.p8": sealed()})
    assert len(vault.look().deeds) == 2
    assert not trap.exists(), trap.read_text()


def test_a_tree_that_grows_without_end_is_not_read_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten to the eighth files in eight objects. What is listed goes nowhere once it is longer than it may be."""
    monkeypatch.setattr(repository, "SECONDS", 5.0)
    place = new_place("bare", tmp_path)
    made(place, tmp_path / "cache", JANE)
    blob = git("-C", place, "hash-object", "-w", "--stdin", given=b"x").strip()
    entry = f"100644 blob {blob}"
    for _ in range(8):
        tree = git("-C", place, "mktree", given="".join(f"{entry}\t{n}\n" for n in range(10)).encode()).strip()
        entry = f"040000 tree {tree}"
    bomb = git("-C", place, "commit-tree", "-m", "bomb", "-p", "HEAD", tree).strip()
    git("-C", place, "update-ref", "HEAD", bomb)
    with pytest.raises(UsageFault, match="said more than"):
        at(place, JANE, tmp_path / "elsewhere").look()


def test_git_is_ended_when_it_says_too_much_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "SECONDS", 0.5)
    env = dict(os.environ)
    assert "said more" in repository._git(("-c", "alias.endless=!yes", "endless"), b"", 1_000, env).stderr
    assert "did not answer" in repository._git(("-c", "alias.idle=!sleep 60", "idle"), b"", 1_000, env).stderr
    loud = "alias.loud=!head -c 1000000 /dev/zero | tr '\\0' e >&2; echo done"
    done = repository._git(("-c", loud, "loud"), b"", 1_000, env)
    assert (done.returncode, done.stdout, len(done.stderr)) == (0, b"done\n", repository.ERROR_LIMIT)
    # A child that goes on, as ssh does for later connections, and keeps what git had open: git itself has ended.
    lasting = repository._git(("-c", "alias.lasting=!echo said; sleep 20 &", "lasting"), b"", 1_000, env)
    assert (lasting.returncode, lasting.stdout) == (0, b"said\n")


def test_no_hook_of_the_person_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = new_place("bare", tmp_path)
    made(place, tmp_path / "cache", JANE)
    trap, hooks = tmp_path / "sprung", tmp_path / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "post-checkout", "post-merge", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {trap}\n")
        (hooks / name).chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(f"[core]\n\thooksPath = {hooks}\n\tfsmonitor = touch {trap}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    vault = at(place, JANE, tmp_path / "elsewhere")
    assert len(vault.look().deeds) == 1
    assert not trap.exists()
    (hooks / "pre-push").write_text(f"#!/bin/sh\ntouch {trap}\n")
    (hooks / "pre-push").chmod(0o755)
    publish(vault, put={"identities/bb.p8": sealed()})
    assert not trap.exists()


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_TRACE"])
def test_inside_a_hook_the_surrounding_repository_is_left_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = new_place("bare", tmp_path)
    surrounding = tmp_path / "surrounding"
    git("init", "--quiet", str(surrounding))
    before = files_below(surrounding)
    path = {"GIT_DIR": ".git", "GIT_INDEX_FILE": "index", "GIT_OBJECT_DIRECTORY": ".git/objects", "GIT_TRACE": "trace"}
    monkeypatch.setenv(name, str(surrounding / path.get(name, "")))
    vault = made(place, tmp_path / "cache", JANE)
    publish(vault, put={"identities/bb.p8": sealed()})
    assert len(vault.look().deeds) == 2
    monkeypatch.delenv(name)
    assert files_below(surrounding) == before


def test_git_is_asked_without_a_terminal_and_without_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_VAULT_KEY", JANE.secret)
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -i key")
    env = repository._environment("git@example.com:team/x.git")
    assert "SIGNING_VAULT_KEY" not in env
    assert env["GIT_SSH_COMMAND"].startswith("ssh -i key -o BatchMode=yes")
    assert (env["GIT_TERMINAL_PROMPT"], env["GIT_ASKPASS"], env["GIT_ALLOW_PROTOCOL"]) == ("0", "", "https:ssh:file")


def test_an_ssh_address_is_asked_in_batch_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "told"
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" > {told}\necho "Permission denied (publickey)." >&2\nexit 255\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    with pytest.raises(PipelineError, match="out of reach") as fault:
        at("git@example.com:team/certs.git", JANE, tmp_path / "cache").look()
    assert "Permission denied" in fault.value.why
    assert "BatchMode=yes" in told.read_text()


def test_copies_go_when_nobody_uses_them(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    vault = made(new_place("bare", tmp_path), cache, JANE)
    assert len(list(cache.glob("copy-*"))) == 1
    del vault
    assert list(cache.glob("copy-*")) == []
    stale = cache / "copy-of-a-killed-process"
    stale.mkdir()
    os.utime(stale, (0, 0))
    vault = at(new_place("bare", tmp_path, "other"), JANE, cache)
    vault.look()
    assert not stale.exists()


def test_a_repository_that_was_rewritten_is_seen_as_it_is_now(tmp_path: Path) -> None:
    place, cache = new_place("bare", tmp_path), tmp_path / "cache"
    vault = made(place, cache, JANE)
    publish(vault, put={"identities/bb.p8": sealed()})
    clone = tmp_path / "clone"
    git("clone", "--quiet", place, str(clone))
    git("reset", "--quiet", "--hard", "HEAD~1", cwd=clone)
    git("commit", "--quiet", "--amend", "--message", "rewritten", cwd=clone)
    git("push", "--quiet", "--force", cwd=clone)
    assert "older than what was seen here" in vault.look().problems[0]


def test_threads_share_one_vault(tmp_path: Path) -> None:
    vault = made(new_place("bare", tmp_path), tmp_path / "cache", JANE)
    seen: list[int] = []
    threads = [threading.Thread(target=lambda: seen.append(len(vault.look().entries))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [2, 2, 2, 2]


def test_who_writes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = Jané\n\temail = jane@example.com\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert who() == "Jané <jane@example.com>"
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    assert " on " in who()
    for name, value in (("GITHUB_ACTIONS", "true"), ("GITHUB_ACTOR", "jane"), ("GITHUB_RUN_ID", "7")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/app")
    assert who() == "jane (run 7 of team/app)"
