"""Whether the machine and the checkout are fit to start a release from."""

import re
from collections.abc import Iterator
from dataclasses import replace

from pipeline.apple.xcode.checks.doubts import doubted
from pipeline.apple.xcode.facts import TargetInfo
from pipeline.model import Declaration, Finding, Lane, Location, Platform, Severity, check, error, note, warning
from pipeline.workstation.facts import Checkout, InstalledXcode, Toolchain
from pipeline.workstation.version import COUNTED, LONGEST, is_numeric, same, version_in

VERSION_KEY, BUILD_KEY = "CFBundleShortVersionString", "CFBundleVersion"

OLDEST_XCODE = 26
"""Since 2026-04-28 for all platforms but macOS (developer.apple.com/news/?id=ueeok6yw)."""

SHOWN = 8
"""How many paths one summary names before it counts the rest."""

_SEED = re.compile(r"\d+[A-Z]5\d{3}[a-z]")
"""How the builds of betas are numbered, as far as all betas since Xcode 13 show; Apple does not say so."""

_NO_SEEDS = frozenset({"16C5032a"})
"""Releases with a number like a beta's: Xcode 16.2."""


@check("PREF001", "the tools this lane needs are on the machine")
def needed_tools_are_installed(toolchain: Toolchain, xcode: InstalledXcode) -> Iterator[Finding]:
    for tool in toolchain.tools:
        if not tool.path:
            yield error(
                f"{tool.name} is not on this machine, and it is needed to {tool.purpose}",
                subject=tool.name,
                remedy="run on a Mac with Xcode, or give the finished artifact of this lane",
            )
        elif tool.name == "xcodebuild" and not xcode.version:
            yield error(
                f"{tool.path} does not say which Xcode it belongs to: {xcode.fault}",
                subject=tool.name,
                remedy="choose an Xcode with `sudo xcode-select --switch`, open it once and accept its license",
            )


@check("PREF002", "App Store Connect accepts what this Xcode builds")
def xcode_is_accepted(toolchain: Toolchain, xcode: InstalledXcode, lane: Lane) -> Iterator[Finding]:
    if toolchain.given or not xcode.version:
        return
    name = f"Xcode {xcode.version} ({xcode.build})" if xcode.build else f"Xcode {xcode.version}"
    if lane.platform is not Platform.MAC_OS and int(xcode.version.partition(".")[0]) < OLDEST_XCODE:
        yield error(
            f"{name} is too old: {lane.platform.label} apps must be built with Xcode {OLDEST_XCODE} or later",
            subject="xcodebuild",
            remedy=f"install Xcode {OLDEST_XCODE} or later and choose it with `sudo xcode-select --switch`",
            apple="90725",
        )
    elif _SEED.fullmatch(xcode.build) and xcode.build not in _NO_SEEDS:
        yield warning(
            f"{name} is numbered like a beta, and the App Store takes nothing that a beta built",
            subject="xcodebuild",
            remedy="choose a released Xcode with `sudo xcode-select --switch`",
            apple="90534",
        )


@check("PREF003", "what is built is what is committed")
def checkout_is_clean(checkout: Checkout, toolchain: Toolchain) -> Iterator[Finding]:
    if toolchain.given:
        return
    if checkout.changed_count:
        yield error(
            f"{_counted(checkout.changed_count, 'file differs', 'files differ')} from the commit at HEAD: "
            f"{_listed(checkout.changed, checkout.changed_count)}",
            subject="checkout",
            at=Location(checkout.changed[0]) if checkout.changed else None,
            remedy="commit the changes, or put them aside with `git stash`",
        )
    elif checkout.untracked_count:
        yield warning(
            f"git does not know {_counted(checkout.untracked_count, 'file or folder', 'files or folders')} of the app: "
            f"{_listed(checkout.untracked, checkout.untracked_count)}",
            subject="checkout",
            at=Location(checkout.untracked[0]) if checkout.untracked else None,
            remedy="add them to a commit or to .gitignore, so that the commit alone says what was built",
        )


@check("PREF004", "the tag at HEAD names the version that is released")
def tag_names_the_version(checkout: Checkout, info: TargetInfo, declared: Declaration) -> Iterator[Finding]:
    version = declared.version or info.text(VERSION_KEY)
    named = {tag: found for tag in checkout.tags if (found := version_in(tag, declared.tag))}
    if version and named and not any(same(found, version) for found in named.values()):
        tag = next(iter(named))
        yield error(
            f"HEAD carries the tag {tag}, but the version to be released is {version}",
            subject=tag,
            at=info.place(VERSION_KEY) if not declared.version else _declaration(declared),
            remedy=f"release from another commit, or set the version to {named[tag]}",
        )


@check("PREF005", "the project's version and build are those that config declares, and well formed")
def version_and_build_agree(info: TargetInfo, declared: Declaration) -> Iterator[Finding]:
    for word, key, wanted in (("version", VERSION_KEY, declared.version), ("build", BUILD_KEY, declared.build)):
        found = info.text(key)
        if wanted and found and wanted != found:
            differ = error(
                f"config declares the {word} {wanted}, but the project gives the app the {word} {found}",
                subject=word,
                at=info.place(key),
                remedy=f"set the {word} to the same value in both places",
            )
            yield doubted(differ, info.hiding(key))
        if wanted:
            yield from _ill_formed(word, wanted, _declaration(declared))
        certain = key not in info.stamped and not any(each.key == key for each in info.undefined)
        if found and found != wanted and certain:
            for finding in _ill_formed(word, found, info.place(key)):
                # A text without any number stands for one that something else has to write.
                numbered = any(map(str.isdigit, found))
                yield doubted(finding if numbered else replace(finding, severity=Severity.WARNING), info.hiding(key))


def _declaration(declared: Declaration) -> Location | None:
    return Location(declared.path) if declared.path else None


def _ill_formed(word: str, value: str, place: Location | None) -> Iterator[Finding]:
    """Apple's answers are 90060 and 90058: "must be a period-separated list of at most three non-negative integers"."""
    shape = "write one to three integers with periods between them, as in 2.5.0"
    if not is_numeric(value) or (word == "version" and value.count(".") >= COUNTED):
        yield error(
            f"the {word} {value} is not a list of at most three integers with periods between them",
            subject=word,
            at=place,
            remedy=shape,
            apple="90060" if word == "version" else "90058",
        )
    elif len(value) > LONGEST:
        yield error(
            f"the {word} {value} is longer than {LONGEST} characters", subject=word, at=place, remedy="shorten it"
        )
    elif value.count(".") >= COUNTED:
        yield note(
            f"the build {value} has more than three integers, and Apple documents no more than three",
            subject=word,
            at=place,
            remedy=shape,
        )


@check("PREF006", "the commit that is released can be recorded")
def commit_is_known(checkout: Checkout) -> Iterator[Finding]:
    if not checkout.repository:
        yield warning(
            "the app does not lie in a git repository, so no record will say which sources this release was made of",
            subject="checkout",
            remedy="release from a git checkout",
        )
    elif not checkout.commit:
        yield warning(
            "the repository has no commit yet, so no record will say which sources this release was made of",
            subject="checkout",
            remedy="commit the app before releasing it",
        )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _listed(paths: tuple[str, ...], count: int) -> str:
    rest = count - min(len(paths), SHOWN)
    return ", ".join(paths[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")
