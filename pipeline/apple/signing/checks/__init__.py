"""Whether this machine can sign the lane for the App Store: identities first, then profiles."""

from pipeline.apple.signing.checks.identities import (
    app_store_identity_is_installed,
    identity_chain_ends_at_apple,
    identity_is_in_date,
    identity_is_of_the_team,
    identity_is_trusted_by_the_keychain,
    identity_kind_suits_the_app_store,
    identity_lasts,
    identity_name_is_unambiguous,
    installer_certificate_is_installed,
)
from pipeline.apple.signing.checks.profiles import (
    app_store_profile_is_installed,
    profile_grants_the_entitlements,
    profile_is_in_date,
    profile_is_sealed_by_apple,
    profile_names_the_identity,
)

__all__ = [
    "app_store_identity_is_installed",
    "app_store_profile_is_installed",
    "identity_chain_ends_at_apple",
    "identity_is_in_date",
    "identity_is_of_the_team",
    "identity_is_trusted_by_the_keychain",
    "identity_kind_suits_the_app_store",
    "identity_lasts",
    "identity_name_is_unambiguous",
    "installer_certificate_is_installed",
    "profile_grants_the_entitlements",
    "profile_is_in_date",
    "profile_is_sealed_by_apple",
    "profile_names_the_identity",
]
