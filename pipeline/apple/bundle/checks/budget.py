"""Is the product within the lines that the team drew for itself in `config/`?"""

from collections.abc import Iterator

from pipeline.apple.bundle.checks.wording import named
from pipeline.apple.bundle.facts import ExportedApp
from pipeline.model import BuildPolicy, Finding, check, error

_MEGABYTE = 1_000_000
_OWN = ("@rpath/", "@executable_path/", "@loader_path/")
"""How a program names libraries that it brings along (dyld(1))."""


@check("PLCY002", "the product is no larger than config allows")
def product_is_small_enough(app: ExportedApp, policy: BuildPolicy) -> Iterator[Finding]:
    if app.kind in ("ipa", "pkg") and 0 < policy.largest_app * _MEGABYTE < app.size:
        yield error(
            f"the .{app.kind} has {app.size / _MEGABYTE:.1f} MB, and config allows {policy.largest_app}",
            subject=app.place,
            remedy="`build.diff OLD NEW` shows what grew; move it into on-demand resources, or raise largest_app",
        )


@check("PLCY003", "the app loads no more frameworks at launch than config allows")
def launch_loads_few_frameworks(app: ExportedApp, policy: BuildPolicy) -> Iterator[Finding]:
    """What the app's program names, and what that names in turn: all of it is loaded before main begins."""
    if not policy.most_frameworks:
        return
    loaded = sorted(_loaded(app))
    if len(loaded) > policy.most_frameworks:
        yield error(
            f"{len(loaded)} embedded libraries are loaded before the app begins, and config allows "
            f"{policy.most_frameworks}: {named(path.rpartition('/')[2] for path in loaded)}",
            subject=app.place,
            remedy="link libraries statically, merge them (MERGED_BINARY_TYPE), or raise most_frameworks",
        )


def _loaded(app: ExportedApp) -> set[str]:
    """Paths of the app's own libraries that its main program loads when it starts."""
    by_path = {executable.path: executable for executable in app.executables}
    begin = by_path.get(app.executable)
    found: set[str] = set()
    pending = [begin] if begin else []
    while pending:
        executable = pending.pop()
        for named_library in {name for part in executable.slices for name in part.libraries}:
            lead = next((lead for lead in _OWN if named_library.startswith(lead)), "")
            ending = named_library[len(lead) :].replace("../", "")
            path = next((each for each in by_path if lead and each.endswith(f"/{ending}")), "")
            if path and path not in found:
                found.add(path)
                pending.append(by_path[path])
    return found
