"""`xcodebuild -exportArchive`: signs an archive's app for the App Store and packs it as .ipa or .pkg."""

from __future__ import annotations

import io
import plistlib
import zipfile
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from pipeline.simulator.machine import bundle, codesign, signing, xar
from pipeline.simulator.machine.bundle import App
from pipeline.simulator.machine.project import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from pipeline.simulator.authority import Identity
    from pipeline.simulator.machine.keychain import Keychain
    from pipeline.simulator.machine.signing import Signing

STORE = ("app-store-connect", "app-store")
METHODS = (
    "app-store-connect",
    "release-testing",
    "enterprise",
    "debugging",
    "developer-id",
    "mac-application",
    "validation",
    "package",
)
_OLD_METHODS = ("app-store", "ad-hoc", "development")
_BUNDLE_MODE, _FILE_MODE, _FOLDER_MODE = 0o100755, 0o100644, 0o040755


def exported(
    archive: Path, options: Mapping[str, Any], keychain: Keychain, moment: datetime
) -> tuple[str, dict[str, bytes]]:
    """The app's name, and every file of the export folder by name.

    Raises:
        BuildError: with what xcodebuild prints after "error: exportArchive ".
    """
    about = plistlib.loads((archive / "Info.plist").read_bytes())
    method = str(options.get("method", ""))
    properties = about.get("ApplicationProperties")
    possible = METHODS if properties else ()
    if not properties or method not in (*possible, *_OLD_METHODS):
        raise BuildError(
            f'exportOptionsPlist error for key "method" expected one {{{", ".join(possible)}}} but found {method}', 70
        )
    if method not in STORE:
        raise BuildError(f'this machine is simulated and does not export with method "{method}"', 70)
    if options.get("destination", "export") != "export":
        raise BuildError("this machine is simulated and does not upload from xcodebuild", 70)
    app = bundle.read(archive / "Products" / str(properties["ApplicationPath"]))
    asked = codesign.entitlements_of(app.files[app.executable])
    icloud = any(key.startswith("com.apple.developer.icloud-") for key in asked)
    chosen = signing.for_export(keychain, app.sdk, app.identifier, app.name, options, icloud=icloud)
    resigned, granted = bundle.signed(app, chosen, asked, moment)
    name = str(app.info.get("CFBundleName") or app.name.removesuffix(".app"))
    if app.deep:
        product, data = f"{name}.pkg", _package(resigned, _installer(keychain, options), moment)
    else:
        product, data = f"{name}.ipa", _ipa(resigned, moment)
    effective = {
        "destination": "export",
        "method": method,
        "signingStyle": "automatic",
        "stripSwiftSymbols": True,
        "teamID": keychain.team_id,
        "uploadSymbols": True,
        **options,
    }
    return name, {
        product: data,
        "DistributionSummary.plist": plistlib.dumps({product: [_summary(resigned, chosen, granted, keychain)]}),
        "ExportOptions.plist": plistlib.dumps(effective),
        "Packaging.log": b"",
    }


def _installer(keychain: Keychain, options: Mapping[str, Any]) -> Identity:
    selector = str(options.get("installerSigningCertificate") or "3rd Party Mac Developer Installer")
    identity = signing.identity_for(keychain, selector, str(options.get("teamID") or keychain.team_id))
    if identity is None:
        raise BuildError('No signing certificate "Mac Installer Distribution" found', 70)
    return identity


def _summary(app: App, chosen: Signing, granted: Mapping[str, Any], keychain: Keychain) -> dict[str, Any]:
    ends = chosen.profile.values["ExpirationDate"]
    return {
        "architectures": app.architectures,
        "buildNumber": str(app.info.get("CFBundleVersion", "")),
        "certificate": {
            "SHA1": chosen.identity.sha1,
            "dateExpires": f"{chosen.identity.ends:%m/%d/%y}",
            "type": "Apple Distribution",
        },
        "embeddedBinaries": [],
        "entitlements": dict(granted),
        "name": app.name,
        "profile": {
            "UUID": chosen.profile.uuid,
            "dateExpires": f"{ends:%m/%d/%y}",
            "name": chosen.profile.name,
        },
        "symbols": False,
        "team": {"id": keychain.team_id, "name": keychain.organization},
        "versionNumber": str(app.info.get("CFBundleShortVersionString", "")),
    }


def _ipa(app: App, moment: datetime) -> bytes:
    stamp = (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    executable = f"{app.name}/{app.executable}"
    files = app.laid_out()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in xar.with_folders([f"Payload/{path}" for path in files]):
            data = files.get(path.removeprefix("Payload/"))
            entry = zipfile.ZipInfo(path if data is not None else f"{path}/", stamp)
            entry.create_system = 3
            if data is None:
                entry.external_attr = _FOLDER_MODE << 16 | 0x10
            else:
                entry.external_attr = (_BUNDLE_MODE if path.endswith(executable) else _FILE_MODE) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data or b"")
    return target.getvalue()


def _package(app: App, installer: Identity, moment: datetime) -> bytes:
    files = app.laid_out()
    executable = f"{app.name}/Contents/{app.executable}"
    entries: dict[str, tuple[int, bytes]] = {".": (_FOLDER_MODE, b"")}
    for path in xar.with_folders(list(files)):
        mode = _FOLDER_MODE if path not in files else _BUNDLE_MODE if path == executable else _FILE_MODE
        entries[f"./{path}"] = (mode, files.get(path, b""))
    size = sum(map(len, files.values())) // 1024 + 1
    version = str(app.info.get("CFBundleShortVersionString", ""))
    component = f"{app.identifier}.pkg"
    info = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<pkg-info overwrite-permissions="true" relocatable="false" identifier={quoteattr(app.identifier)}'
        f' postinstall-action="none" version={quoteattr(version)} format-version="2"'
        ' generator-version="InstallCmds-860 (25C56)" install-location="/Applications" auth="root">\n'
        f'    <payload numberOfFiles="{len(entries)}" installKBytes="{size}"/>\n'
        f"    <bundle path={quoteattr('./' + app.name)} id={quoteattr(app.identifier)}"
        f" CFBundleShortVersionString={quoteattr(version)}"
        f" CFBundleVersion={quoteattr(str(app.info.get('CFBundleVersion', '')))}/>\n"
        f"    <bundle-version><bundle id={quoteattr(app.identifier)}/></bundle-version>\n"
        "</pkg-info>\n"
    )
    minimum = str(app.info.get("LSMinimumSystemVersion", ""))
    distribution = (
        '<?xml version="1.0" encoding="utf-8"?>\n<installer-gui-script minSpecVersion="2">\n'
        f"    <pkg-ref id={quoteattr(app.identifier)}/>\n"
        '    <options customize="never" require-scripts="false" hostArchitectures='
        f'"{",".join(sorted(app.architectures))}"/>\n'
        f"    <volume-check><allowed-os-versions><os-version min={quoteattr(minimum)}/></allowed-os-versions>"
        "</volume-check>\n"
        f"    <product id={quoteattr(app.identifier)} version={quoteattr(version)}/>\n"
        '    <choices-outline><line choice="default"/></choices-outline>\n'
        f'    <choice id="default" visible="false"><pkg-ref id={quoteattr(app.identifier)}/></choice>\n'
        f'    <pkg-ref id={quoteattr(app.identifier)} version={quoteattr(version)} onConclusion="none"'
        f' installKBytes="{size}">#{component}</pkg-ref>\n'
        "</installer-gui-script>\n"
    )
    parts = {
        "Distribution": distribution.encode(),
        f"{component}/PackageInfo": info.encode(),
        f"{component}/Payload": xar.payload(entries, moment),
    }
    return xar.archive(parts, installer, moment)
