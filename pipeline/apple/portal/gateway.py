"""The developer portal and the vault's keys, observed and acted upon."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pipeline.apple.connect.client import Connect, ConnectFault
from pipeline.apple.connect.documents import resource
from pipeline.apple.connect.freshness import once_known
from pipeline.apple.portal import records
from pipeline.apple.portal.actions import (
    CreateCertificate,
    CreateProfile,
    DeleteProfile,
    DropOutlived,
    KeepCertificate,
    KeepProfile,
    MakeKey,
    RevokeCertificate,
)
from pipeline.apple.portal.checks import PORTAL, ROLES
from pipeline.apple.portal.facts import (
    ACTIVE,
    AppLanes,
    PortalBundleIds,
    PortalCertificate,
    PortalCertificates,
    PortalKey,
    PortalMaterial,
    PortalProfile,
    PortalProfiles,
    Refusal,
    SigningAccount,
    StoreNeeds,
    VaultKeys,
    lasts,
)
from pipeline.apple.portal.keeping import (
    ASKED,
    entry_told,
    identity_files,
    keys_of,
    pending_file,
    pending_path,
    profile_file,
    published,
)
from pipeline.apple.portal.kinds import TYPES, name_of
from pipeline.apple.signing.facts import SigningPolicy
from pipeline.apple.signing.gateway import signing_need
from pipeline.apple.signing.keys import new_key, public_key_sha256, request_for
from pipeline.apple.signing.profiles import Seal, read_profile
from pipeline.apple.signing.trust import Anchors
from pipeline.apple.xcode.companions import companions
from pipeline.apple.xcode.discovery import WORKSPACES
from pipeline.apple.xcode.observation import (
    UNREADABLE,
    Sight,
    problems,
    target_entitlements,
    target_info,
    target_settings,
)
from pipeline.model import AppleFailure, Declaration, Reading, UsageFault, performer, probe
from pipeline.ports.clock import Clock
from pipeline.ports.files import Files
from pipeline.ports.http import Http
from pipeline.ports.secrets import Secrets
from pipeline.ports.tenure import Tenure
from pipeline.ports.vault import A_CLONE, Vault, VaultChange, VaultState

T = TypeVar("T")

NOT_FOUND, CONFLICT = 404, 409
WAITS = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between two looks for what Apple was asked to make and may not show at once."""


@probe(lasting=True, scope="APP")
def store_needs(files: Files, lanes: AppLanes, declared: Declaration) -> Reading[StoreNeeds] | StoreNeeds:
    """What all lanes ask of signing, as their projects say; what `config/` declares stands in where they are silent."""
    needs = []
    for lane, own in lanes.items:
        try:
            sight = Sight(WORKSPACES.of(files), lane, own.team_id or declared.team_id)
            about = target_settings(sight), target_entitlements(sight), companions(sight)
            info, unread = Reading.of(target_info(sight)), Reading.of(problems(sight))
            needs.append(signing_need(*about, own, lane, info=info, problems=unread))
        except UNREADABLE as fault:
            return Reading.unknown(StoreNeeds, f"the project of lane {lane.name} cannot be read: {fault}")
    return StoreNeeds(tuple(needs))


@probe(lasting=True, scope="APP")
def portal_key(secrets: Secrets) -> PortalKey:
    """Whether the key has no issuer. Without a key nothing can be said of it: what asks Apple will."""
    return PortalKey(bool(secrets.get("ASC_KEY_ID")) and not secrets.get("ASC_ISSUER_ID"))


@probe(scope="APP")
def portal_certificates(http: Http, clock: Clock, _keys: Reading[VaultKeys]) -> PortalCertificates:
    """All certificates of the team.

    The vault is looked at before: a key that somebody else puts there meanwhile must not seem to have no certificate.
    """
    return records.certificates(Connect(http), clock.now())


@probe(scope="APP")
def portal_profiles(http: Http, clock: Clock, anchors: Anchors) -> PortalProfiles:
    """All profiles of the team, their signatures checked."""
    return records.profiles(Connect(http), clock.now(), anchors)


@probe(scope="APP")
def portal_material(
    certificates: PortalCertificates, profiles: PortalProfiles
) -> PortalMaterial | Reading[PortalMaterial]:
    """Certificates and profiles as material; their private keys are never at Apple. What cannot be read is a fault."""
    if refused := certificates.refused or profiles.refused:
        return Reading.unknown(PortalMaterial, f"Apple forbids it: {refused.why}", remedy=refused.remedy or ROLES)
    return records.material(certificates, profiles)


@probe(scope="APP")
def portal_bundle_ids(http: Http, needs: StoreNeeds) -> PortalBundleIds:
    """The app's bundle identifiers, as far as they are registered."""
    return records.bundle_ids(Connect(http), (app.bundle_id for app in needs.apps))


@probe(scope="APP")
def vault_keys(vault: Vault) -> VaultKeys | Reading[VaultKeys]:
    """What the vault's list of files tells; nothing is opened."""
    state = vault.look()
    if not state.looked:
        return Reading.unknown(VaultKeys, state.why, remedy=A_CLONE)
    return keys_of(state)


@probe(scope="APP")
def signing_account(  # noqa: PLR0917  # the engine passes them by name
    needs: StoreNeeds,
    certificates: PortalCertificates,
    profiles: PortalProfiles,
    bundle_ids: PortalBundleIds,
    keys: VaultKeys,
    policy: SigningPolicy,
) -> SigningAccount:
    """What is needed, what Apple has, and what the vault has."""
    return SigningAccount(needs, certificates, profiles, bundle_ids, keys, policy)


# Keys and certificates ----------------------------------------------------------------------------------------------


@performer
def make_key(action: MakeKey, vault: Vault, policy: SigningPolicy) -> Mapping[str, Any]:
    """Make a key and put it into the vault, unless somebody did meanwhile; then read it back: it is the only copy."""
    made: list[tuple[str, bytes]] = []

    def wanted(state: VaultState) -> VaultChange | None:
        there = keys_of(state).made_for(action.kind, action.team_id)
        if any(key.path not in action.seen for key in there):
            return None
        if not made:
            key = new_key()
            made.append((public_key_sha256(key), key))
        digest, key = made[0]
        put = {pending_path(digest): pending_file(key, action.kind, action.team_id)}
        return VaultChange(what=f"a key for a certificate “{name_of(action.kind)}”", put=put)

    if not published(vault, policy, wanted):
        return {"already": True}
    digest, key = made[0]
    if vault.read(pending_path(digest)) != key:
        raise UsageFault(
            "the vault does not give back the key that was put into it",
            why="what was read differs from what was written",
            remedy="check the vault with `invoke certs.table`; no certificate was asked for",
        )
    return {"public_key_sha256": digest}


@performer
def create_certificate(  # noqa: PLR0917  # the engine passes them by name
    action: CreateCertificate, http: Http, vault: Vault, clock: Clock, policy: SigningPolicy, tenure: Tenure
) -> Mapping[str, Any]:
    """Ask Apple for the certificate, once: what is there for this very key is found, whoever asked for it.

    That it is asked for is written into the vault before, so that another runner, or a resume after a crash, looks for
    a while before it asks too. The key is read from the vault and goes nowhere.

    Raises:
        AppleFailure: Apple refused, or it is not known whether it did.
    """
    api, digest = Connect(http), action.public_key_sha256

    def look() -> PortalCertificate | None:
        listed = _granted(records.certificates(api, clock.now(), TYPES[action.kind]))
        return next((each for each in listed.items if each.certificate.public_key_sha256 == digest), None)

    if found := look():
        return {"already": True, **_shown(found)}
    asked = entry_told(vault.look(), action.path).get(ASKED, "")
    if asked and (found := _patiently(look, clock, WAITS)):
        return {"already": True, **_shown(found)}
    key = vault.read(action.path)

    def marked(state: VaultState) -> VaultChange | None:
        if entry_told(state, action.path).get(ASKED, "") != asked:
            return None
        put = {action.path: pending_file(key, action.kind, action.team_id, clock.now())}
        return VaultChange(what=f"Apple is asked for a certificate “{name_of(action.kind)}”", put=put)

    if not published(vault, policy, marked):
        return _of_another(_patiently(look, clock, WAITS), action)
    attributes = {"csrContent": request_for(key, _common_name(action.team_id)), "certificateType": TYPES[action.kind]}
    tenure.confirm()
    try:
        answer = api.post("/v1/certificates", {"data": {"type": "certificates", "attributes": attributes}})
    except AppleFailure as fault:
        if fault.ambiguous and (found := _patiently(look, clock, WAITS)):
            return _shown(found)
        raise _explained(fault, _full(api, action, clock)) from fault
    made = records.certificate(resource(answer))
    if made.certificate.public_key_sha256 != digest:
        raise AppleFailure(
            f"Apple's new certificate {made.id} is not for the key that it was asked for",
            why=made.problem or "its public key is another",
            remedy=f"revoke it at {PORTAL}/certificates, check for a proxy that answers in Apple's place, run again",
            code="FOREIGN_KEY",
        )
    return _shown(made)


def _of_another(found: PortalCertificate | None, action: CreateCertificate) -> dict[str, Any]:
    """What another runner has asked for a moment before."""
    if found is None:
        raise AppleFailure(
            f"somebody else asks Apple for the certificate “{name_of(action.kind)}” at this moment",
            why="the vault says so, and Apple does not show it yet",
            remedy="run again in a minute: what is there already is found, and not made twice",
        )
    return {"already": True, **_shown(found)}


def _common_name(team_id: str) -> str:
    """Apple writes its own name into the certificate and passes this one over."""
    return f"Team {team_id}" if team_id else "Signing"


def _shown(found: PortalCertificate) -> dict[str, Any]:
    return {"certificate": found.id, "serial": found.serial, "expires": found.expires.isoformat()}


def _full(api: Connect, action: CreateCertificate, clock: Clock) -> Callable[[ConnectFault], AppleFailure | None]:
    """The fault of a drawer that is full, with what lies in it."""

    def told(fault: ConnectFault) -> AppleFailure | None:
        if fault.status != CONFLICT or "already have a current" not in fault.why:
            return None
        held = _granted(records.certificates(api, clock.now(), TYPES[action.kind])).items
        rows = "; ".join(f"{each.id}, serial {each.serial}, ends {each.expires:%Y-%m-%d}" for each in held)
        return AppleFailure(
            f"Apple has no room for another certificate “{name_of(action.kind)}”",
            why=f"{fault.why}. There are {rows}" if rows else fault.why,
            remedy=f"revoke the one that nobody signs with any more at {PORTAL}/certificates, then run again",
            code=fault.code,
        )

    return told


@performer
def keep_certificate(
    action: KeepCertificate, http: Http, vault: Vault, clock: Clock, policy: SigningPolicy
) -> Mapping[str, Any]:
    """Put the certificate beside its key, in one change; nothing is left that waits.

    Raises:
        AppleFailure: the certificate is not for the key.
    """
    api = Connect(http)
    item = once_known(lambda: resource(api.get(f"/v1/certificates/{action.id}")), clock, WAITS)
    certificate = records.certificate(item).certificate

    def wanted(state: VaultState) -> VaultChange | None:
        held = keys_of(state)
        if held.keeps(certificate) and action.path not in {key.path for key in held.pending}:
            return None
        entry_told(state, action.path)
        key = vault.read(action.path)
        if public_key_sha256(key) != certificate.public_key_sha256:
            raise AppleFailure(
                f"the certificate {action.id} is not for the key {action.path}",
                remedy="run again: what belongs together is found anew",
                code="FOREIGN_KEY",
            )
        what = f"the certificate “{name_of(certificate.kind)}” {certificate.serial:X} with its key"
        return VaultChange(what=what, put=identity_files(certificate, key), drop=(action.path,))

    done = published(vault, policy, wanted)
    return {"sha1": certificate.sha1, **({} if done else {"already": True})}


@performer
def revoke_certificate(action: RevokeCertificate, http: Http, tenure: Tenure) -> Mapping[str, Any]:
    """Revoke it, unless it is gone already.

    Raises:
        AppleFailure: there is another certificate by that id, or Apple refuses.
    """
    api, path = Connect(http), f"/v1/certificates/{action.id}"
    try:
        found = records.certificate(resource(api.get(path)))
        if found.serial != action.serial:
            raise AppleFailure(
                f"the certificate {action.id} is not the one that was to be revoked",
                why=f"its serial number is {found.serial}, not {action.serial}",
                remedy="run again, to plan from what is there now",
            )
        tenure.confirm()
        api.delete(path, repeatable=True)
    except ConnectFault as fault:
        if fault.status == NOT_FOUND:
            return {"already": True, "certificate": action.id}
        raise _explained(fault) from fault
    return {"certificate": action.id, "serial": action.serial}


# Profiles -----------------------------------------------------------------------------------------------------------


@performer
def create_profile(
    action: CreateProfile, http: Http, clock: Clock, anchors: Anchors, policy: SigningPolicy
) -> Mapping[str, Any]:
    """Make the profile, once: one that serves is found, whoever made it; and Apple takes a name only once.

    Raises:
        AppleFailure: Apple refused, or it is not known whether it did.
    """
    api, signers = Connect(http), {*action.signers, action.certificate}

    def look() -> PortalProfile | None:
        listed = _granted(records.profiles(api, clock.now(), anchors, action.profile_type))
        for each in listed.items:
            serves = each.state == ACTIVE and lasts(each.created, each.expires, policy, listed.at)
            named = each.bundle == action.bundle and action.wanted_name in ("", each.name)
            if serves and named and signers.intersection(each.certificates):
                return each
        return None

    if found := look():
        return {"already": True, "profile": found.id, "uuid": found.uuid}
    body = {
        "data": {
            "type": "profiles",
            "attributes": {"name": action.name, "profileType": action.profile_type},
            "relationships": {
                "bundleId": {"data": {"type": "bundleIds", "id": action.bundle}},
                "certificates": {"data": [{"type": "certificates", "id": action.certificate}]},
            },
        }
    }
    try:
        answer = once_known(lambda: api.post("/v1/profiles", body), clock, WAITS)
    except AppleFailure as fault:
        taken = isinstance(fault, ConnectFault) and fault.status == CONFLICT and "name" in fault.why
        if (fault.ambiguous or taken) and (found := _patiently(look, clock, WAITS)):
            return {"profile": found.id, "uuid": found.uuid, **({"already": True} if taken else {})}
        raise _explained(fault) from fault
    made = resource(answer)
    return {"profile": made.id, "uuid": made.text("uuid"), "name": action.name}


@performer
def keep_profile(  # noqa: PLR0917  # the engine passes them by name
    action: KeepProfile, http: Http, vault: Vault, clock: Clock, policy: SigningPolicy, anchors: Anchors
) -> Mapping[str, Any]:
    """Put the profile's file into the vault.

    Raises:
        AppleFailure: Apple's answer holds no profile, one for something else, or one that Apple did not sign.
    """
    api = Connect(http)
    item = once_known(lambda: resource(api.get(f"/v1/profiles/{action.id}")), clock, WAITS)
    data = records.content(item)
    profile = read_profile(data, anchors, path=records.ORIGIN)
    if profile.uuid != action.uuid or not profile.covers(action.bundle_id):
        raise AppleFailure(
            f"Apple's file of the profile {action.id} is for something else",
            why=f"it is the profile {profile.uuid} for {profile.bundle_id}",
            remedy="check for a proxy that answers in Apple's place, then run again",
        )
    if profile.seal is not Seal.APPLE:
        raise AppleFailure(
            f"Apple's file of the profile {action.id} is not known to be Apple's, and is not kept",
            why=profile.seal_reason,
            remedy="check for a proxy that answers in Apple's place, then run again",
        )
    path, file = profile_file(profile, data)

    def wanted(state: VaultState) -> VaultChange | None:
        if any(uuid == action.uuid for uuid, _, _ in keys_of(state).profiles):
            return None
        return VaultChange(what=f"the profile “{profile.name}” for {profile.bundle_id}", put={path: file})

    done = published(vault, policy, wanted)
    return {"uuid": profile.uuid, **({} if done else {"already": True})}


@performer
def delete_profile(action: DeleteProfile, http: Http) -> Mapping[str, Any]:
    """Delete it, unless it is gone already. Raises AppleFailure when Apple refuses."""
    try:
        Connect(http).delete(f"/v1/profiles/{action.id}", repeatable=True)
    except ConnectFault as fault:
        if fault.status == NOT_FOUND:
            return {"already": True, "profile": action.id}
        raise _explained(fault) from fault
    return {"profile": action.id}


@performer
def drop_outlived(action: DropOutlived, vault: Vault, policy: SigningPolicy) -> Mapping[str, Any]:
    """Take the entries out of the vault; those that are gone already are passed over."""

    def wanted(state: VaultState) -> VaultChange | None:
        there = tuple(entry.path for entry in state.entries if entry.path in action.paths)
        return VaultChange(what="what Apple has no more", drop=there) if there else None

    return {} if published(vault, policy, wanted) else {"already": True}


# What they share ----------------------------------------------------------------------------------------------------


def _patiently(look: Callable[[], T | None], clock: Clock, waits: tuple[float, ...]) -> T | None:
    """What is found, looked for again after each of these seconds."""
    found = look()
    for seconds in waits:
        if found is not None:
            break
        clock.sleep(seconds)
        found = look()
    return found


def _granted(listed: T) -> T:
    refused = getattr(listed, "refused", None)
    if isinstance(refused, Refusal):
        raise AppleFailure(
            "Apple forbids the API key to look", why=refused.why, remedy=refused.remedy or ROLES, code=refused.code
        )
    return listed


def _explained(
    fault: AppleFailure, more: Callable[[ConnectFault], AppleFailure | None] = lambda _fault: None
) -> AppleFailure:
    """The fault, with what to do about a missing role."""
    if not isinstance(fault, ConnectFault):
        return fault
    if fault.status == records.FORBIDDEN and not fault.says("FORBIDDEN.REQUIRED_AGREEMENTS"):
        return AppleFailure(fault.what, why=fault.why, remedy=ROLES, code=fault.code)
    return more(fault) or fault
