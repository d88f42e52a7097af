"""Asks the machine and git what a release would start from, without changing anything."""

import re

from pipeline.model import Reading, probe
from pipeline.ports.git import Git
from pipeline.ports.products import Products
from pipeline.ports.tools import Completed, Tools
from pipeline.workstation.facts import Checkout, InstalledXcode, Tool, Toolchain
from pipeline.workstation.status import read_status

CHANGED_LIMIT = 50
NOT_INSTALLED, FATAL = 127, 128
XCODE_SECONDS = 60.0


@probe(lasting=True, scope="APP")
def installed_xcode(tools: Tools) -> InstalledXcode:
    """`xcodebuild -version` answers "Xcode 26.1" and "Build version 17B55" on two lines."""
    path = tools.find("xcodebuild")
    if path is None:
        return InstalledXcode()
    done = tools.run(["xcodebuild", "-version"], timeout=XCODE_SECONDS)
    version = re.search(r"^Xcode ([0-9]{1,4}(?:\.[0-9]{1,4})*)", done.stdout, re.MULTILINE)
    build = re.search(r"^Build version (\w+)", done.stdout, re.MULTILINE)
    if done.returncode or version is None:
        return InstalledXcode(path, fault=_first_line(done))
    return InstalledXcode(path, version[1], build[1] if build else "")


@probe
def toolchain(products: Products, xcode: InstalledXcode) -> Toolchain:
    """A lane whose artifact is given needs no tool; any other needs `xcodebuild` to archive or to export."""
    given = products.given("export")
    if given is not None:
        return Toolchain(given=str(given))
    purpose = "export the archive" if products.given("archive") else "archive and export the app"
    return Toolchain(tools=(Tool("xcodebuild", purpose, xcode.path),))


@probe(scope="APP")
def checkout(git: Git) -> Checkout | Reading[Checkout]:
    """Three questions to git: where the work tree is, how it differs from HEAD, and which tags HEAD has."""
    place = git.ask("rev-parse", "--show-toplevel", "--show-prefix", "--is-shallow-repository")
    if place.returncode == FATAL and "not a git repository" in place.stderr:
        return Checkout()
    if place.returncode:
        return Reading.unknown(Checkout, _refusal(place))
    root, prefix, shallow = [*place.stdout.split("\n"), "", "", ""][:3]
    told = git.ask("status", "--porcelain=v2", "--branch", "-z", "--", ".")
    if told.returncode:
        return Reading.unknown(Checkout, _refusal(told))
    status = read_status(told.stdout)
    tags = git.ask("tag", "--points-at", "HEAD") if status.commit else None
    if tags is not None and tags.returncode:
        return Reading.unknown(Checkout, _refusal(tags))
    return Checkout(
        repository=True,
        root=root,
        commit=status.commit,
        branch=status.branch,
        changed=tuple(path.removeprefix(prefix) for path in status.changed[:CHANGED_LIMIT]),
        changed_count=len(status.changed),
        untracked=tuple(path.removeprefix(prefix) for path in status.untracked[:CHANGED_LIMIT]),
        untracked_count=len(status.untracked),
        tags=tuple(tags.stdout.split()) if tags else (),
        shallow=shallow == "true",
    )


def _refusal(done: Completed) -> str:
    """Why git did not answer, in words for a person."""
    if done.returncode == NOT_INSTALLED:
        return "git is not installed"
    if "dubious ownership" in done.stderr:
        return (
            "git refuses to look at a checkout that belongs to another user; if you trust it, run "
            "`git config --global --add safe.directory` with its path"
        )
    return f"git did not answer: {_first_line(done)}"


def _first_line(done: Completed) -> str:
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return lines[0][:300].rstrip(".") if lines else f"it ended with status {done.returncode} and said nothing"
