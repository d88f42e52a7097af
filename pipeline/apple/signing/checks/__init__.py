"""Whether the lane can be signed for the App Store: what was given, then identities, then profiles."""

from pipeline.apple.signing.checks.identities import (
    app_store_identity_is_there,
    identity_authorities_last,
    identity_chain_ends_at_apple,
    identity_has_its_private_key,
    identity_is_in_date,
    identity_is_not_revoked,
    identity_is_of_the_team,
    identity_is_trusted_by_the_keychain,
    identity_kind_suits_the_app_store,
    identity_lasts,
    identity_name_is_unambiguous,
    installer_identity_is_there,
)
from pipeline.apple.signing.checks.material import (
    material_is_readable,
    material_opens_with_the_password,
    private_keys_have_certificates,
)
from pipeline.apple.signing.checks.profiles import (
    app_store_profile_is_there,
    extensions_have_profiles,
    named_profile_is_for_the_app_store,
    profile_grants_the_entitlements,
    profile_is_in_date,
    profile_is_of_the_team,
    profile_is_sealed_by_apple,
    profile_lasts,
    profile_names_the_identity,
)

__all__ = [
    "app_store_identity_is_there",
    "app_store_profile_is_there",
    "extensions_have_profiles",
    "identity_authorities_last",
    "identity_chain_ends_at_apple",
    "identity_has_its_private_key",
    "identity_is_in_date",
    "identity_is_not_revoked",
    "identity_is_of_the_team",
    "identity_is_trusted_by_the_keychain",
    "identity_kind_suits_the_app_store",
    "identity_lasts",
    "identity_name_is_unambiguous",
    "installer_identity_is_there",
    "material_is_readable",
    "material_opens_with_the_password",
    "named_profile_is_for_the_app_store",
    "private_keys_have_certificates",
    "profile_grants_the_entitlements",
    "profile_is_in_date",
    "profile_is_of_the_team",
    "profile_is_sealed_by_apple",
    "profile_lasts",
    "profile_names_the_identity",
]
