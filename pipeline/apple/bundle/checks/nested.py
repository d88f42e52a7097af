"""Do the bundles inside the product have the identity that Apple asks of them?"""

import re
from collections.abc import Iterator

from pipeline.apple.bundle.checks.wording import kind_of, named
from pipeline.apple.bundle.facts import Bundle, ExportedApp
from pipeline.model import Finding, check, error, warning

_VERSION = re.compile(r"\d{1,18}(\.\d{1,18}){0,2}")
_KINDS = {".app": ("APPL",), ".appex": ("XPC!",), ".framework": ("FMWK",)}
_MAY_LACK_IT = (".framework", ".appex")
"""Apps are in the store whose extensions do without."""


@check("BUND029", "nested bundles have a version and a build")
def nested_versions_are_sound(app: ExportedApp) -> Iterator[Finding]:
    """Up to three numbers. The app itself may not lack them either, which BUND003 tells."""
    for bundle in app.bundles:
        if not bundle.place.endswith((".app", ".appex", ".framework") if app.on_mobile else ".app"):
            continue
        for key, value, code in (
            ("CFBundleShortVersionString", bundle.version, "ITMS-90057"),
            ("CFBundleVersion", bundle.build, "ITMS-90056"),
        ):
            is_framework = bundle.place.endswith(".framework")
            if not value:
                if bundle is not app and (app.on_mobile or not is_framework):
                    given = bundle.info.get(key, "")
                    lacks = "is missing" if given == "" else f"is {kind_of(given)}, and has to be a text"
                    yield _unsound(bundle, f"{key} {lacks}", code if given == "" else "")
            elif not _VERSION.fullmatch(value) and not (is_framework and key == "CFBundleVersion"):
                yield _unsound(bundle, f"{key} is {value[:40]}, and not one to three numbers", "ITMS-90060")


def _unsound(bundle: Bundle, words: str, code: str) -> Finding:
    remedy = "set it in the Info.plist of the bundle; up to three numbers with points between them"
    return error(words, subject=bundle.place, remedy=remedy, apple=code)


@check("BUND030", "extensions have the app's version and build")
def extensions_are_in_step(app: ExportedApp) -> Iterator[Finding]:
    """App extensions, app clips and watch apps."""
    for bundle in app.nested:
        if not bundle.is_app or (app.on_mac and bundle.place.endswith(".app")):
            continue
        pairs = (
            ("CFBundleShortVersionString", bundle.version, app.version),
            ("CFBundleVersion", bundle.build, app.build),
        )
        apart = [(key, own, wanted) for key, own, wanted in pairs if own and wanted and own != wanted]
        if off := [f"{key} is {own}, the app's is {wanted}" for key, own, wanted in apart]:
            yield warning(
                "; ".join(off),
                subject=bundle.place,
                remedy="take MARKETING_VERSION and CURRENT_PROJECT_VERSION from one place for all targets",
                apple="ITMS-90473",
            )


@check("BUND031", "no two bundles of code share an identifier")
def identifiers_are_unique(app: ExportedApp) -> Iterator[Finding]:
    """The same framework in an app and in its app clip or watch app is no collision: each has its own."""
    programs: dict[str, list[str]] = {}
    frameworks: dict[str, dict[str, list[str]]] = {}
    for bundle in app.bundles:
        if not bundle.bundle_id or not bundle.executable:
            continue
        if bundle.is_app:
            programs.setdefault(bundle.bundle_id, []).append(bundle.place)
        elif bundle.place.endswith(".framework") and not (
            # BUND062 tells of frameworks inside extensions and frameworks.
            app.on_mac or ".appex/" in bundle.place or ".framework/" in bundle.place
        ):
            frameworks.setdefault(bundle.bundle_id, {}).setdefault(_app_around(bundle.place), []).append(bundle.place)
    for identifier in {**programs, **frameworks}:
        for found in _sharing(programs.get(identifier, []), frameworks.get(identifier, {})):
            yield error(
                f"{identifier} is the identifier of {len(found)} bundles: {named(found)}",
                subject=found[1],
                remedy="give each bundle an identifier of its own, or embed the framework once",
                apple="ITMS-90685",
            )


def _app_around(place: str) -> str:
    """The nearest app that holds a bundle; of an app itself."""
    return f"{place}/".rpartition(".app/")[0]


def _sharing(programs: list[str], frameworks: dict[str, list[str]]) -> Iterator[list[str]]:
    """Bundles with one identifier that meet: apps and extensions anywhere, frameworks in the app that holds them."""
    together = list(programs) if len(programs) > 1 else []
    for around, places in frameworks.items():
        beside = [place for place in programs if _app_around(place) == around]
        if together and beside:
            together += places
        elif len(beside) + len(places) > 1:
            yield [*beside, *places]
    if together:
        yield together


@check("BUND032", "package types fit the kinds of bundle")
def package_types_fit(app: ExportedApp) -> Iterator[Finding]:
    """APPL for apps, XPC! for app extensions, FMWK for frameworks."""
    for bundle in app.bundles:
        suffix = f".{bundle.place.rpartition('.')[2]}"
        wanted = _KINDS.get(suffix, ()) if suffix != ".framework" or app.on_mobile else ()
        if not (bundle.info or bundle.package_type):
            continue  # BUND001 tells of an Info.plist that is missing.
        if not wanted or bundle.package_type in wanted or (suffix in _MAY_LACK_IT and not bundle.package_type):
            continue
        yield error(
            f"CFBundlePackageType has to be {wanted[0]} and is {bundle.package_type or 'missing'}",
            subject=bundle.place,
            remedy=f"set CFBundlePackageType to {wanted[0]} ($(PRODUCT_BUNDLE_PACKAGE_TYPE))",
            apple="ITMS-90183",
        )


@check("BUND033", "resource bundles name no code that they do not have")
def resource_bundles_name_no_code(app: ExportedApp) -> Iterator[Finding]:
    """A .bundle without code needs no CFBundleExecutable; with the key Apple looks for the file."""
    code = {executable.path for executable in app.executables}
    for bundle in app.nested:
        if bundle.place.endswith(".bundle") and bundle.executable and bundle.executable not in code:
            yield error(
                f"CFBundleExecutable names {bundle.text('CFBundleExecutable')}, and there is no such code",
                subject=bundle.place,
                remedy="remove CFBundleExecutable from the Info.plist of the bundle",
                apple="ITMS-90535",
            )
