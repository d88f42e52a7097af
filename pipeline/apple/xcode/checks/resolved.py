"""What is told with a table of settings: references to settings that nothing defines."""

from collections.abc import Iterator

from pipeline.apple.xcode.resolved import ResolvedSettings
from pipeline.model import Finding, check, note


@check("PROJ099", "settings refer to nothing undefined")
def settings_refer_to_nothing_undefined(resolved: ResolvedSettings) -> Iterator[Finding]:
    for target in resolved.targets:
        for setting in target.settings:
            if setting.undefined:
                names = ", ".join(f"$({name})" for name in setting.undefined)
                yield note(
                    f"{setting.key} of {target.target} refers to {names}, which nothing here defines",
                    subject=setting.key,
                    at=setting.decided.location if setting.decided else None,
                    remedy="define it, or remove the reference: Xcode takes it for empty",
                )
