"""Are the kinds of document that the app opens told completely?"""

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.apple.bundle.facts import ExportedApp
from pipeline.model import Finding, check, warning

_OF_THE_SYSTEM = "com.apple."


@check("BUND077", "document types of the product have a rank")
def document_types_have_a_rank(app: ExportedApp) -> Iterator[Finding]:
    """LSHandlerRank, in each of them."""
    for number, kind in enumerate(_dictionaries(app.info.get("CFBundleDocumentTypes"))):
        if app.platform in ("IOS", "MAC_OS") and not kind.get("LSHandlerRank"):
            yield warning(
                f"the document type {kind.get('CFBundleTypeName', f'number {number + 1}')} has no LSHandlerRank",
                subject=app.place,
                remedy="set LSHandlerRank to Owner, Default, Alternate or None",
                apple="ITMS-90788",
            )


@check("BUND078", "the product declares the document types of its own")
def own_document_types_are_declared(app: ExportedApp) -> Iterator[Finding]:
    """A type in the app's own name is declared by the app or by what is inside it; types of others are theirs."""
    if any(".appex/" in problem for problem in app.problems):
        return  # An extension that cannot be read may declare what the app opens.
    maker = f"{'.'.join(app.bundle_id.split('.')[:2])}.".lower() if app.bundle_id.count(".") > 1 else ""
    if not maker or maker == _OF_THE_SYSTEM:
        return
    declared = {
        str(each.get("UTTypeIdentifier", "")).lower()
        for bundle in app.bundles
        for key in ("UTExportedTypeDeclarations", "UTImportedTypeDeclarations")
        for each in _dictionaries(bundle.info.get(key))
    }
    opened = [
        name
        for kind in _dictionaries(app.info.get("CFBundleDocumentTypes"))
        for name in _texts(kind.get("LSItemContentTypes"))
    ]
    for name in dict.fromkeys(opened):
        if name.lower().startswith(maker) and name.lower() not in declared:
            yield warning(
                f"documents of the type {name} are opened, and the app neither exports nor imports that type",
                subject=app.place,
                remedy=f"declare {name} in UTExportedTypeDeclarations, with the ending of its files",
            )


def _texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, (list, tuple)) else []


def _dictionaries(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, (list, tuple)) else []
