"""Is every piece of code, and every file, where Apple wants it, and built as Apple wants it?"""

from collections.abc import Iterator

from pipeline.apple.bundle.checks.wording import named, said
from pipeline.apple.bundle.facts import Executable, ExportedApp
from pipeline.apple.bundle.interfaces import WEB_VIEW
from pipeline.apple.bundle.requirements import QUARANTINE_SINCE, is_older, severity_since
from pipeline.model import Finding, check, error

_PAGE = 0x4000
_SWIFT_INSIDE_SINCE = "12.2"
_WIDGETS = "com.apple.widgetkit-extension"
_ENTRY = "__swift5_entry"
_ENTRY_SINCE = "16.0"
_PHONE_STORE = ("iOS", "tvOS", "visionOS")


@check("BUND055", "Mac bundles hold nothing beside what is sealed")
def mac_bundles_are_in_order(app: ExportedApp) -> Iterator[Finding]:
    """Beside Contents is nothing; what is beside a framework's Versions is a link into the current one."""
    for place, stray in app.crowded:
        if place.endswith(".framework"):
            words = f"{stray} lies beside the framework's versions, where nothing but links into the current one may be"
            remedy = "copy frameworks with their links (ditto, cp -R), and put nothing into their top folder"
        else:
            words = f"{stray} lies beside Contents, where no signature vouches for it"
            remedy = "move it below Contents (Contents/Resources, or Contents/MacOS for programs), and sign again"
        yield error(words, subject=place, remedy=remedy, apple="ITMS-90238")


@check("BUND056", "everybody may read the installed files")
def installed_files_are_readable(app: ExportedApp) -> Iterator[Finding]:
    """As the package's payload says."""
    if app.private:
        yield error(
            f"only root could read {named(app.private)}",
            subject=app.private[0],
            remedy="give read access (chmod -R a+r), then sign and package again",
            apple="ITMS-90255",
        )


@check("BUND057", "nothing is quarantined")
def nothing_is_quarantined(app: ExportedApp) -> Iterator[Finding]:
    """The attribute of downloaded files travels in AppleDouble files."""
    if app.quarantined:
        yield said(severity_since(QUARANTINE_SINCE, app.at))(
            f"com.apple.quarantine is attached to what {named(app.quarantined)} stands for",
            subject=app.quarantined[0],
            remedy="remove it (xattr -dr com.apple.quarantine) before signing and packaging",
            apple="ITMS-91109",
        )


@check("BUND058", "all code is 64-bit")
def code_is_64_bit(app: ExportedApp) -> Iterator[Finding]:
    """iOS, tvOS, visionOS: each piece of code has an arm64 slice."""
    lacking = [
        each.path
        for each in _mobile(app)
        if each.slices and not any(part.architecture.startswith("arm64") for part in each.slices)
    ]
    if lacking:
        yield error(
            f"{named(lacking)} has no arm64 code",
            subject=lacking[0],
            remedy="build for arm64 (ARCHS = $(ARCHS_STANDARD)), and take 64-bit frameworks",
            apple="ITMS-90086",
        )


@check("BUND059", "the store can encrypt the code")
def code_can_be_encrypted(app: ExportedApp) -> Iterator[Finding]:
    """Programs need LC_ENCRYPTION_INFO_64, and none may be encrypted already."""
    programs = {bundle.place for bundle in app.bundles if bundle.is_app}
    for executable in _mobile(app):
        for part in executable.slices:
            if part.encryption:
                words = f"the {part.architecture} code is encrypted already"
            elif part.encryption is None and executable.bundle in programs and part.platform == "iOS":
                words = f"the {part.architecture} code has no LC_ENCRYPTION_INFO"
            else:
                continue
            yield error(
                words,
                subject=executable.path,
                remedy="link with Apple's linker, and export from an archive instead of from an app of the store",
                apple="ITMS-90125",
            )
            break


_BITCODE = "__LLVM"


@check("BUND060", "segments are aligned")
def segments_are_aligned(app: ExportedApp) -> Iterator[Finding]:
    """arm64 devices map code in pages of 16 KiB. A slice that holds bitcode may be laid out
    otherwise, and BUND064 tells of it.
    """
    for executable in _mobile(app):
        wrong = [
            segment.name
            for part in executable.slices
            if part.architecture in ("arm64", "arm64e") and part.platform in _PHONE_STORE
            if all(segment.name != _BITCODE for segment in part.segments)
            for segment in part.segments
            if segment.size and segment.offset % _PAGE
        ]
        if wrong:
            yield error(
                f"segments do not begin at a multiple of 16 KiB: {named(dict.fromkeys(wrong))}",
                subject=executable.path,
                remedy="link again with Apple's linker (-segalign 0x4000)",
                apple="ITMS-90209",
            )


@check("BUND061", "no code stands on its own")
def code_belongs_to_bundles(app: ExportedApp) -> Iterator[Finding]:
    """iOS, tvOS, visionOS: each piece of code is the program of a bundle; Swift's own libraries are Apple's."""
    if not app.on_mobile or not app.info:
        return  # Without its Info.plist nothing tells which code is the app's program; BUND001 says that it is missing.
    loose = [each.path for each in _mobile(app) if not each.bundle and not _of_swift(each.path)]
    loose += app.libraries
    if loose:
        yield error(
            f"code that is no bundle's program is not permitted: {named(loose)}",
            subject=loose[0],
            remedy="embed libraries as frameworks; leave .a, .o and tools out of Copy Bundle Resources",
            apple="ITMS-90171",
        )


@check("BUND062", "extensions and frameworks hold no frameworks")
def frameworks_are_the_apps(app: ExportedApp) -> Iterator[Finding]:
    """iOS, tvOS, visionOS: the app's Frameworks folder serves all."""
    for folder in app.misplaced if app.on_mobile else ():
        holds = any(bundle.place.startswith(f"{folder}/") for bundle in app.nested)
        yield error(
            f"{folder.rpartition('/')[0]} has a folder Frameworks{' with a framework in it' if holds else ''}",
            subject=folder,
            remedy="embed frameworks in the app alone, and set ALWAYS_EMBED_SWIFT_STANDARD_LIBRARIES = NO elsewhere",
            apple="ITMS-90205" if holds else "ITMS-90206",
        )


@check("BUND063", "nothing uses UIWebView")
def nothing_uses_the_old_web_view(app: ExportedApp) -> Iterator[Finding]:
    """Frameworks count too."""
    users = [each.path for each in _mobile(app) if any(WEB_VIEW in part.imports for part in each.slices)]
    if users:
        yield error(
            f"{named(users)} refers to UIWebView",
            subject=users[0],
            remedy="use WKWebView, and take a version of the framework that does",
            apple="ITMS-90809",
        )


@check("BUND064", "no code holds bitcode")
def no_code_holds_bitcode(app: ExportedApp) -> Iterator[Finding]:
    """Since Xcode 14 nothing does, but frameworks that were built before."""
    found = [
        each.path
        for each in (app.executables if app.on_mobile else ())
        if any(segment.name == _BITCODE for part in each.slices for segment in part.segments)
    ]
    if found:
        yield error(
            f"{named(found)} contains bitcode",
            subject=found[0],
            remedy="take a newer framework, or remove it: xcrun bitcode_strip -r FILE -o FILE, before signing",
            apple="ITMS-90482",
        )


@check("BUND065", "Swift's libraries come with SwiftSupport")
def swift_support_is_there(app: ExportedApp) -> Iterator[Finding]:
    """Only where the app brings them, for systems that have none."""
    if app.kind != "ipa" or app.swift_support or not is_older(app.text("MinimumOSVersion"), _SWIFT_INSIDE_SINCE):
        return
    if any(_of_swift(each.path) and "/Watch/" not in each.path for each in app.executables):
        yield error(
            "the app brings Swift's libraries, and there is no folder SwiftSupport beside Payload",
            subject=app.path,
            remedy="export with Xcode instead of packing Payload by hand",
            apple="ITMS-90426",
        )


@check("BUND082", "Swift's libraries beside the app are Apple's, and those in it")
def swift_support_is_the_apps(app: ExportedApp) -> Iterator[Finding]:
    """By signature, and by UUID where both have code for one architecture."""
    remedy = "export with Xcode instead of packing Payload by hand: it takes the libraries from Xcode"
    if strange := [each.path for each in app.swift_libraries if not each.by_apple]:
        yield error(f"{named(strange)} is not signed by Apple", subject=strange[0], remedy=remedy, apple="ITMS-90433")
    beside = {
        ("/watchos/" in each.path, each.path.rpartition("/")[2], architecture): uuid
        for each in app.swift_libraries
        for architecture, uuid in each.uuids
    }
    other = []
    for executable in app.executables if beside else ():
        name = executable.path.rpartition("/")[2]
        for part in executable.slices if _of_swift(executable.path) else ():
            uuid = beside.get(("/Watch/" in executable.path, name, part.architecture), part.uuid)
            if uuid != part.uuid:
                other.append(executable.path)
    if other:
        yield error(
            f"{named(dict.fromkeys(other))} is another library than that of this name in SwiftSupport",
            subject=other[0],
            remedy=remedy,
            apple="ITMS-90428",
        )


@check("BUND066", "widgets begin as Swift programs")
def widgets_have_a_swift_entry(app: ExportedApp) -> Iterator[Finding]:
    """WidgetKit extensions alone: whether Apple asks it of other kinds is not known."""
    kinds = {bundle.place: bundle.info.get("NSExtension") for bundle in app.nested}
    for executable in app.executables:
        kind = kinds.get(executable.bundle)
        if not isinstance(kind, dict) or kind.get("NSExtensionPointIdentifier") != _WIDGETS:
            continue
        modern = [part for part in executable.slices if part.segments and not is_older(part.sdk or "0", _ENTRY_SINCE)]
        if modern and not any(part.has_section(_ENTRY) for part in modern):
            yield error(
                f"the widget has no section {_ENTRY}",
                subject=executable.path,
                remedy="mark the widget bundle with @main, and link the extension with Xcode's own settings",
                apple="ITMS-90896",
            )


@check("BUND068", "the watch app belongs to this app")
def watch_app_names_its_companion(app: ExportedApp) -> Iterator[Finding]:
    """By WKCompanionAppBundleIdentifier, and by the beginning of its own identifier."""
    for bundle in app.nested:
        named_app = bundle.text("WKCompanionAppBundleIdentifier")
        if not bundle.is_watch or not bundle.place.endswith(".app") or not named_app or not app.bundle_id:
            continue
        if named_app != app.bundle_id:
            words = f"WKCompanionAppBundleIdentifier is {named_app}, the app is {app.bundle_id}"
        elif not bundle.bundle_id.startswith(f"{app.bundle_id}."):
            words = f"its identifier {bundle.bundle_id} does not begin with the app's, {app.bundle_id}"
        else:
            continue
        yield error(
            words,
            subject=bundle.place,
            remedy="give the watch app the iOS app's identifier with a suffix, and name the iOS app as companion",
        )


def _mobile(app: ExportedApp) -> Iterator[Executable]:
    """Code for iOS, tvOS and visionOS; a watch app inside has rules of its own."""
    if app.on_mobile:
        yield from (each for each in app.executables if "/Watch/" not in each.path and not each.is_stub)


def _of_swift(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    return folder.endswith("/Frameworks") and name.startswith("libswift") and name.endswith(".dylib")
