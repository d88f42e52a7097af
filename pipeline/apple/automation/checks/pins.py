"""Judges what pins Swift packages, and build products that lie among the sources."""

from collections.abc import Iterator

from pipeline.apple.automation.facts import CommittedProducts, PackagePins, Requirement
from pipeline.model import Finding, Location, check, error, note, warning


@check("AUTO030", "package pins are committed")
def package_pins_are_committed(packages: PackagePins) -> Iterator[Finding]:
    for project in packages.projects:
        if project.files or not project.wants:
            continue
        why = f", because {project.ignored} leaves it out" if project.ignored else ""
        yield warning(
            f"{project.project} asks for {_counted(project.wants, 'remote package')}, and there is no "
            f"{project.expected}{why}: two builds of one commit may hold different code",
            subject=project.project,
            at=project.ignored or project.wants[0].location,
            remedy="commit Package.resolved, and build with -onlyUsePackageVersionsFromResolvedFile",
        )


def _counted(things: tuple[object, ...], word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


@check("AUTO031", "all Package.resolved of a project pin the same versions")
def package_pins_agree(packages: PackagePins) -> Iterator[Finding]:
    for project in packages.projects:
        first = {pin.identity: pin for file in project.files[:1] for pin in file.pins}
        for file in project.files[1:]:
            other = [(first[pin.identity], pin) for pin in file.pins if pin.identity in first]
            differing = [(one, pin) for one, pin in other if one.text != pin.text]
            if differing:
                one, pin = differing[0]
                more = f", and {len(differing) - 1} more differ" if len(differing) > 1 else ""
                yield warning(
                    f"{pin.identity} is {pin.text} here and {one.text} in {one.location}{more}: which is built "
                    "depends on whether the workspace or the project is opened",
                    subject=pin.identity,
                    at=pin.location,
                    remedy="resolve the packages anew in both, or keep one of the files",
                )


@check("AUTO032", "package products come from packages that are there")
def package_references_are_there(packages: PackagePins) -> Iterator[Finding]:
    for project in packages.projects:
        for stray in project.strays:
            say = error if project.released else warning
            yield say(
                f"the product {stray.identity} names the package reference {stray.text}, which the project does "
                "not have: Xcode reports a missing package product",
                subject=stray.identity,
                at=stray.location,
                remedy="remove the product and add it again from its package",
            )


@check("AUTO033", "releases are built from tagged packages")
def packages_are_pinned_to_versions(packages: PackagePins) -> Iterator[Finding]:
    for project in packages.projects:
        loose = [pin for file in project.files[:1] for pin in file.pins if pin.kind == "branch"]
        if project.released and loose:
            names = ", ".join(pin.identity for pin in loose[:6]) + (" and others" if len(loose) > 6 else "")
            yield note(
                f"{names} {'follows' if len(loose) == 1 else 'follow'} a branch instead of a version",
                subject=project.project,
                at=loose[0].location,
                remedy="ask for a version, or for the revision that was tested",
            )


@check("AUTO034", "Package.resolved can be read")
def package_pins_can_be_read(packages: PackagePins) -> Iterator[Finding]:
    told: set[str] = set()
    for project in packages.projects:
        for file in project.files:
            if file.flaw and file.path not in told:
                told.add(file.path)
                say = error if project.released else warning
                yield say(
                    f"Package.resolved cannot be read: {file.flaw}",
                    subject=file.path,
                    at=Location(file.path, file.line),
                    remedy="delete it, let Xcode resolve the packages, and commit the result",
                )


@check("AUTO035", "Package.resolved pins all packages that are asked for")
def every_package_is_pinned(packages: PackagePins) -> Iterator[Finding]:
    for project in packages.projects:
        if not project.files or project.files[0].flaw or not project.files[0].version:
            continue
        pinned = {pin.identity for pin in project.files[0].pins}
        lacking = [each for each in project.wants if each.identity and each.identity not in pinned]
        if lacking:
            yield warning(
                f"{project.files[0].path} pins no {', '.join(_names(lacking))}, which {project.project} asks for: "
                "Xcode resolves anew, and a build with -onlyUsePackageVersionsFromResolvedFile stops",
                subject=lacking[0].identity,
                at=lacking[0].location,
                remedy="resolve the packages in Xcode and commit Package.resolved",
            )


def _names(wants: list[Requirement]) -> list[str]:
    return [each.identity for each in wants[:6]] + (["and others"] if len(wants) > 6 else [])


@check("AUTO040", "no build product lies in the repository")
def no_product_is_committed(committed: CommittedProducts) -> Iterator[Finding]:
    if not committed.products:
        return
    first = committed.products[0]
    others = len(committed.products) - 1
    differs = "".join(f"; {one}" for product in committed.products for one in product.differs[:3])
    yield warning(
        f"{first.path}{f' and {others} more' if others else ''} was built and then committed: it tells nothing of what "
        f"these sources make{differs}",
        subject=first.path,
        at=Location(f"{first.path}/Info.plist" if first.path.endswith(".xcarchive") else first.path),
        remedy="delete it and add *.xcarchive and *.ipa to .gitignore",
    )
