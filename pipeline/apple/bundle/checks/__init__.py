"""What an exported product must pass before it is uploaded; `archive` judges archives, for a stage of its own."""

from pipeline.apple.bundle.checks.claims import (
    cloudkit_environment_is_production,
    containers_are_the_declared_ones,
    debugging_is_not_allowed,
    profile_grants_entitlements,
    programs_are_sandboxed,
    push_environment_is_production,
)
from pipeline.apple.bundle.checks.code import background_modes_are_known, code_is_for_the_lanes_platform
from pipeline.apple.bundle.checks.identity import (
    bundle_identifier_is_the_projects,
    product_holds_one_app,
    version_and_build_are_the_projects,
)
from pipeline.apple.bundle.checks.signing import (
    app_store_profile_is_embedded,
    code_is_signed_for_submission,
    nothing_changed_after_signing,
    package_is_signed_for_submission,
    signer_is_vouched_for,
    signing_certificate_is_in_profile,
)

__all__ = [
    "app_store_profile_is_embedded",
    "background_modes_are_known",
    "bundle_identifier_is_the_projects",
    "cloudkit_environment_is_production",
    "code_is_for_the_lanes_platform",
    "code_is_signed_for_submission",
    "containers_are_the_declared_ones",
    "debugging_is_not_allowed",
    "nothing_changed_after_signing",
    "package_is_signed_for_submission",
    "product_holds_one_app",
    "profile_grants_entitlements",
    "programs_are_sandboxed",
    "push_environment_is_production",
    "signer_is_vouched_for",
    "signing_certificate_is_in_profile",
    "version_and_build_are_the_projects",
]
