"""What must hold of a vault before anybody signs with what it holds, or puts something into it."""

from collections.abc import Iterator

from pipeline.apple.signing.facts import EnvironmentMaterial, GivenMaterial, SigningPolicy
from pipeline.model import Finding, Reading, check, error, note, unseen, warning
from pipeline.vault.facts import (
    CERTIFICATE,
    IDENTITIES,
    KEY,
    PENDING,
    PROFILES,
    DoubtedIdentities,
    KeptFile,
    VaultContents,
)
from pipeline.vault.offers import NOT_APPLES, given, offered
from pipeline.vault.sealing import NAME, fault_of, plain_key

NAME_A_VAULT = "name a folder or a git repository with --vault, or as `signing: {vault: …}` in config/"
MAKE_A_KEY = (
    "make a key with `age-keygen`, and name its public key (age1…) in config/: `signing: {recipients: {NAME: age1…}}`"
)
SHOWN = 3


@check("VALT001", "a vault is configured")
def a_vault_is_configured(
    contents: VaultContents, files: Reading[GivenMaterial], environment: Reading[EnvironmentMaterial]
) -> Iterator[Finding]:
    if contents.place:
        return
    if contents.exists and not given(files, environment)[1]:
        yield warning("no vault is configured; what is put into one here goes with this run", remedy=NAME_A_VAULT)
    else:
        yield error("no vault is configured, so nothing is shared", remedy=NAME_A_VAULT)


@check("VALT002", "our key opens the vault")
def our_key_opens_the_vault(contents: VaultContents, policy: SigningPolicy) -> Iterator[Finding]:
    if not contents.place or contents.openable:
        return
    if not contents.exists:
        if not contents.own:
            why = f": {contents.why}" if contents.why else ""
            yield error(
                f"there is no key of ours to make the vault {contents.place} with{why}",
                remedy=f"set {NAME} to your private key (AGE-SECRET-KEY-1… as `age-keygen` writes it, or an SSH key)",
            )
        return
    if contents.own:
        someone = contents.recipients[0].name if contents.recipients else "a recipient"
        named = any(plain_key(key) in contents.own.split(", ") for _, key in policy.recipients)
        asked = "" if named else f"add {contents.own} to `signing: {{recipients: …}}` in config/, then "
        remedy = f"{asked}let {someone} or another recipient run `certs.sync`, which encrypts the vault for you too"
    else:
        remedy = f"set {NAME} to the private key of a recipient: {names_of(contents)}"
    yield error(f"the vault {contents.place} does not open: {contents.why or 'the reason is not known'}", remedy=remedy)


@check("VALT003", "it is decided who can open the vault")
def it_is_decided_who_can_open_the_vault(contents: VaultContents, policy: SigningPolicy) -> Iterator[Finding]:
    if contents.place and not contents.exists and not policy.recipients:
        own = f"; your public key is {contents.own}" if contents.own else ""
        yield error(
            f"the vault {contents.place} does not exist yet, and nobody is named who could open it",
            remedy=MAKE_A_KEY + own,
        )


@check("VALT004", "the named recipients can be encrypted for")
def named_recipients_can_be_encrypted_for(contents: VaultContents, policy: SigningPolicy) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name, key in policy.recipients if contents.place else ():
        if fault := fault_of(key):
            yield error(
                f"nothing can be encrypted for the recipient {name}",
                subject=name,
                remedy=f"correct the key under `signing: recipients:` in config/: {fault}",
            )
        elif other := seen.get(plain_key(key)):
            yield error(
                f"the recipients {other} and {name} have the same key",
                subject=name,
                remedy="name each key once: whoever leaves would stay as the other",
            )
        seen.setdefault(plain_key(key), name)


@check("VALT005", "we stay a recipient")
def we_stay_a_recipient(contents: VaultContents, policy: SigningPolicy) -> Iterator[Finding]:
    if not contents.place or not contents.own or not policy.recipients:
        return
    if contents.exists and not contents.openable:
        return
    named = {plain_key(key) for _, key in policy.recipients}
    if named.isdisjoint(contents.own.split(", ")):
        yield error(
            f"the key this runs with ({contents.own}) is none of the recipients in config/",
            remedy="add it under `signing: recipients:`, or let somebody who stays run this: it would shut itself out",
        )


@check("VALT006", "the vault is as its ledger says")
def vault_is_as_its_ledger_says(
    contents: VaultContents, files: Reading[GivenMaterial], environment: Reading[EnvironmentMaterial]
) -> Iterator[Finding]:
    mended = _mended(contents, files, environment)
    for problem in contents.problems:
        if problem.startswith(tuple(f"{path}." for path in mended)):
            continue
        yield error(
            f"the vault {contents.place}: {problem}",
            remedy="restore the vault from a copy or from the repository's history; docs/vault.md says how",
        )


@check("VALT007", "every change was made by somebody who could open the vault")
def every_change_was_made_by_a_recipient(contents: VaultContents) -> Iterator[Finding]:
    for line in contents.lines:
        if line.proved is False:
            yield error(
                f"line {line.number} of the ledger was written by somebody without a key: {line.what!r} by {line.by!r}",
                subject=f"line {line.number}",
                remedy="take it away, and everything after it; then find out who can write to the vault's place",
            )


@check("VALT008", "identities in the vault are complete")
def identities_in_the_vault_are_complete(
    contents: VaultContents, files: Reading[GivenMaterial], environment: Reading[EnvironmentMaterial]
) -> Iterator[Finding]:
    doubted = bool(contents.problems) or any(line.proved is False for line in contents.lines)
    if doubted and all(each.fault for each in contents.files):
        return  # The vault is refused as a whole: VALT006 and VALT007 say why.
    mended = _mended(contents, files, environment)
    for each in contents.files:
        if each.path.rpartition(".")[0] not in mended:
            yield from _complete(each, contents)


def _complete(each: KeptFile, contents: VaultContents) -> Iterator[Finding]:
    """What one file lacks to be of use. What the ledger tells of it too is told there."""
    if each.fault:
        if not any(problem.startswith(f"{each.path.rpartition('.')[0]}.") for problem in contents.problems):
            yield error(f"{each.path} in the vault is of no use: {each.fault}", subject=each.path, remedy=_BRING)
    elif not each.path.startswith(IDENTITIES):
        return
    elif each.path.endswith(KEY) and contents.file(f"{each.path.removesuffix(KEY)}{CERTIFICATE}") is None:
        yield error(
            f"the vault holds a private key of “{each.label}” without the certificate",
            subject=each.path,
            remedy=_BRING,
        )
    elif each.path.endswith(CERTIFICATE):
        key = contents.key_of(each.name)
        if key is None:
            yield error(
                f"the vault holds the certificate “{each.label}” without its private key",
                subject=each.path,
                remedy=_BRING,
            )
        elif each.certificate and key.public_key_sha256 not in ("", each.certificate.public_key_sha256):
            yield error(
                f"the private key beside the certificate “{each.label}” belongs to another",
                subject=key.path,
                remedy=_BRING,
            )


_BRING = "bring the .p12 that holds certificate and key with `certs.sync --file`, or make a new certificate"


def _mended(
    contents: VaultContents, files: Reading[GivenMaterial], environment: Reading[EnvironmentMaterial]
) -> frozenset[str]:
    """Paths, without their ending, of what is given again and will be put anew."""
    offers = offered(given(files, environment)[0], contents.at)
    identities = (f"{IDENTITIES}{each.sha1}" for each in offers.identities if not contents.holds_identity(each.sha1))
    profiles = (f"{PROFILES}{each.uuid}" for each in offers.profiles if not contents.holds_profile(each.uuid))
    return frozenset((*identities, *profiles))


@check("VALT009", "nobody who left knows a key that is in use")
def nobody_who_left_knows_a_key_in_use(contents: VaultContents) -> Iterator[Finding]:
    known: dict[str, list[str]] = {}
    for each in contents.files:
        if not each.path.endswith(KEY) or not each.path.startswith((IDENTITIES, PENDING)):
            continue
        beside = contents.file(f"{each.path.removesuffix(KEY)}{CERTIFICATE}")
        if beside is not None and beside.expires <= contents.at:
            continue
        for name in each.leavers:
            known.setdefault(name, []).append(each.label)
    for name, labels in known.items():
        yield warning(
            f"{name} is no recipient any more and could have kept the private keys of {listed(labels)}",
            subject=name,
            remedy="where that matters, renew these certificates and revoke the old ones: `certs.renew --revoke`",
        )


@check("VALT010", "what was given can be shared")
def what_was_given_can_be_shared(
    contents: VaultContents, files: Reading[GivenMaterial], environment: Reading[EnvironmentMaterial]
) -> Iterator[Finding]:
    offers = offered(given(files, environment)[0], contents.at)
    for origin, why in offers.strange:
        yield error(
            f"{origin} cannot be put into the vault: {why}",
            subject=origin,
            remedy="give the file that holds certificate and key, with its password in SIGNING_CERTIFICATES_PASSWORD",
        )
    for name in offers.keyless:
        yield warning(
            f"the certificate “{name}” was given without its private key and is not shared",
            subject=name,
            remedy="export it together with its private key from Keychain Access, as a .p12",
        )
    for name in offers.ended:
        yield note(f"{name} has expired and is not shared", subject=name)


@check("VALT011", "what was given is Apple's")
def what_was_given_is_apples(
    contents: VaultContents,
    doubted: DoubtedIdentities,
    files: Reading[GivenMaterial],
    environment: Reading[EnvironmentMaterial],
) -> Iterator[Finding]:
    for identity in doubted.items:
        if identity.alien:
            yield error(
                f"the identity “{identity.name}” in {identity.origin} is not put into the vault: its certificate is "
                f"not Apple's: {identity.alien}",
                subject=identity.sha1,
                remedy="take it away, and export the one that Apple made, with its key; find out who made this one",
            )
        else:
            yield unseen(
                f"the identity “{identity.name}” in {identity.origin} cannot be traced to an Apple root: "
                f"{identity.untraced}",
                subject=identity.sha1,
                remedy="put the certificate of its issuer beside it, from apple.com/certificateauthority",
            )
    for each in offered(given(files, environment)[0], contents.at).unsealed:
        if each.seal in NOT_APPLES:
            yield error(
                f"the profile “{each.name}” in {each.origin} is not put into the vault: {each.why}",
                subject=each.uuid,
                remedy="take it away, and give the file that was downloaded from developer.apple.com; find out who"
                " made this one",
                apple="ITMS-90165",
            )
        else:
            yield unseen(
                f"whether the profile “{each.name}” in {each.origin} is Apple's could not be checked: {each.why}",
                subject=each.uuid,
                remedy="download it again from developer.apple.com",
            )


def names_of(contents: VaultContents) -> str:
    """Who can open the vault, in words."""
    return ", ".join(each.name for each in contents.recipients)


def listed(names: list[str]) -> str:
    """Some names, and how many more."""
    names = list(dict.fromkeys(names))
    shown = ", ".join(f"“{name}”" for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
