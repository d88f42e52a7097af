"""What a lane's sources are judged by."""

from pipeline.apple.sources.checks.capabilities import (
    app_groups_are_entitled,
    capabilities_are_entitled,
    keychain_groups_are_entitled,
    others_containers_are_left_alone,
    push_registration_is_entitled,
)
from pipeline.apple.sources.checks.cloud import (
    cloudkit_is_entitled,
    containers_are_entitled,
    record_types_are_in_the_schema,
    shares_are_taken,
    silent_pushes_wake_the_app,
)
from pipeline.apple.sources.checks.declarations import (
    background_tasks_are_permitted,
    compared_identifiers_are_the_apps,
    exported_types_are_declared,
)
from pipeline.apple.sources.checks.privacy import (
    group_defaults_have_their_reason,
    purpose_strings_are_there,
    purpose_strings_say_something,
    required_reasons_are_declared,
    web_views_are_modern,
)
from pipeline.apple.sources.checks.reach import merges_are_brought_to_their_end, sources_were_read

__all__ = [
    "app_groups_are_entitled",
    "background_tasks_are_permitted",
    "capabilities_are_entitled",
    "cloudkit_is_entitled",
    "compared_identifiers_are_the_apps",
    "containers_are_entitled",
    "exported_types_are_declared",
    "group_defaults_have_their_reason",
    "keychain_groups_are_entitled",
    "merges_are_brought_to_their_end",
    "others_containers_are_left_alone",
    "purpose_strings_are_there",
    "purpose_strings_say_something",
    "push_registration_is_entitled",
    "record_types_are_in_the_schema",
    "required_reasons_are_declared",
    "shares_are_taken",
    "silent_pushes_wake_the_app",
    "sources_were_read",
    "web_views_are_modern",
]
