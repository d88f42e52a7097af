"""`security` of the simulated Mac, in Apple's words: keychains, the search list, import, and what they hold.

Source: Security, SecurityTool/macOS (61901.0.87.0.1); the texts of errors are SecBase.h's. An OSStatus becomes an exit
status by its lowest eight bits.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.simulator.machine.keychains import (
    SYSTEM,
    DuplicateKeychain,
    Item,
    Keychains,
    NoSuchKeychain,
    WrongPassphrase,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cryptography.x509 import Certificate

    from pipeline.simulator.machine.mac import Machine
    from pipeline.simulator.machine.xcodebuild import Answer

MOST_IN_LINE = 4096
"""MAX_LINE_LEN (security.c:79): what is longer becomes another line."""
MOST_WORDS = 32
"""MAX_ARGS (security.c:81): what comes after is left out."""

NO_SUCH = "The specified keychain could not be found."
DUPLICATE = "A keychain with the same name already exists."
WRONG = "The user name or passphrase you entered is not correct."
INVALID = "The specified keychain is not a valid keychain file."
NOT_FOUND = "The specified item could not be found in the keychain."
ALREADY = "The specified item already exists in the keychain."
MAC_FAILED = "MAC verification failed during PKCS12 import (wrong password?)"
UNKNOWN_FORMAT = "Unknown format in import."
NO_WRITE = "Write permissions error."

_STATUS = {NO_SUCH: -25294, DUPLICATE: -25296, WRONG: -25293, INVALID: -25295}
_FORMATS = ("openssl", "bsafe", "raw", "pkcs7", "pkcs8", "pkcs12", "netscape", "x509", "pemseq")
_CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
_APPLE_INTERMEDIATES = frozenset(
    {
        "dcf21878c77f4198e4b4614f03d696d89c66c66008d4244e1b99161aac91601f",
        "ea4757885538dd8cb59ff4556f676087d83c85e70902c122e42c0808b5bce14c",
        "53fd008278e5a595fe1e908ae9c5e5675f26243264a5a6438c023e3ce2870760",
        "bdd4ed6e74691f0c2bfd01be0296197af1379e0418e2d300efa9c3bef642ca30",
        "7afc9d01a62f03a2de9637936d4afe68090d2de18d03f29c88cfb0b1ba63587f",
        "f16cd3c54c7f83cea4bf1a3e6a0819c8aaa8e4a1528fd144715f350643d2df3a",
    }
)
"""SHA-256 of Worldwide Developer Relations G3 to G6 and Developer ID G1 and G2: their roots every Mac trusts."""

_USAGES = {
    "create-keychain": (
        (
            "[-hP] [-p password] [keychain...]\n"
            '    -p  Use "password" as the password for the keychains being created\n'
            "    -P  Prompt the user for a password using the SecurityAgent\nUse of the -p option is insecure"
        ),
        "Create keychains and add them to the search list.",
    ),
    "delete-keychain": ("[-h] [keychain...]", "Delete keychains and remove them from the search list."),
    "lock-keychain": ("[-h] [-a|keychain]\n    -a  Lock all keychains", "Lock the specified keychain."),
    "unlock-keychain": (
        (
            '[-hu] [-p password] [keychain]\n    -p  Use "password" as the password to unlock the keychain\n'
            "    -u  Do not use the password\nUse of the -p option is insecure"
        ),
        "Unlock the specified keychain.",
    ),
    "set-keychain-settings": (
        (
            "[-hlu] [-t timeout] [keychain]\n    -l  Lock keychain when the system sleeps\n"
            "    -u  Lock keychain after timeout interval\n"
            '    -t  Timeout in seconds (omitting this option specifies "no timeout")\n'
        ),
        "Set settings for a keychain.",
    ),
    "show-keychain-info": ("[keychain]", "Show the settings for keychain."),
    "list-keychains": (
        (
            "[-h] [-d user|system|common|dynamic] [-s [keychain...]]\n    -d  Use the specified preference domain\n"
            "    -s  Set the search list to the specified keychains\nWith no parameters, display the search list."
        ),
        "Display or manipulate the keychain search list.",
    ),
    "default-keychain": (
        (
            "[-h] [-d user|system|common|dynamic] [-s [keychain]]\n    -d  Use the specified preference domain\n"
            "    -s  Set the default keychain to the specified keychain\n"
            "With no parameters, display the default keychain."
        ),
        "Display or set the default keychain.",
    ),
    "import": (
        "inputfile [-k keychain] [-t type] [-f format] [-w] [-P passphrase] [options...]",
        "Import items into a keychain.",
    ),
    "set-key-partition-list": (
        "[-S partition-list] [-k password] [options...] [keychain]",
        "Set the partition list of a key.",
    ),
    "find-identity": (
        (
            "[-p policy] [-s string] [-v] [keychain...]\n"
            "    -p  Specify policy to evaluate (multiple -p options are allowed)\n"
            "    -s  Specify optional policy-specific string (e.g. a DNS hostname for SSL,\n"
            "        or RFC822 email address for S/MIME)\n"
            "    -v  Show valid identities only (default is to show all identities)\n"
            "If no keychains are specified to search, the default search list is used."
        ),
        "Find an identity (certificate + private key)",
    ),
    "find-certificate": (
        "[-a] [-c name] [-e emailAddress] [-m] [-p] [-Z] [keychain...]",
        "Find a certificate item.",
    ),
    "cms": ("[-D] [-i infile]", "Encode or decode CMS messages."),
}


class _Misused(Exception):
    """SHOW_USAGE_MESSAGE: the words are not those of the command."""


def run(machine: Machine, arguments: Sequence[str], cwd: Path, stdin: str) -> Answer:
    """One command line of `security`, or with `-i` the commands on its standard input."""
    tool = _Security(machine, cwd)
    words = list(arguments)
    status, out, err = tool.interactive(stdin) if words == ["-i"] else tool.command(words)
    return status & 0xFF, out, err


class _Security:
    def __init__(self, machine: Machine, cwd: Path) -> None:
        self.machine = machine
        self.cwd = cwd
        self.keychains = Keychains(machine.home)
        self.verbs: Mapping[str, Callable[[list[str]], Answer]] = {
            "create-keychain": self._create,
            "delete-keychain": self._delete,
            "lock-keychain": self._lock,
            "unlock-keychain": self._unlock,
            "set-keychain-settings": self._settings,
            "show-keychain-info": self._info,
            "list-keychains": self._list,
            "default-keychain": self._default,
            "import": self._import,
            "set-key-partition-list": self._partition,
            "find-identity": self._find_identity,
            "find-certificate": self._find_certificate,
            "cms": self._cms,
        }

    def interactive(self, text: str) -> Answer:
        """Commands by line. The status is that of the last one; what fails before it is only told (security.c:1175)."""
        status, out, err = 0, "", ""
        for line in lines_of(text):
            words = words_of(line)
            if not words:
                status = 0
                continue
            status, said, complained = self.command(words)
            out, err = out + said, err + complained
            if status == -1:  # the loop ends, and well
                return 0, out, err
            if status:
                err += f"{words[0]}: returned {status}\n"
        return status, out, err

    def command(self, words: list[str]) -> Answer:
        verb = words[0] if words else ""
        if verb not in self.verbs:
            return 1, "", f'security: unknown command "{verb}"\n'
        if told := self._struck(words):
            return told
        try:
            return self.verbs[verb](words[1:])
        except _Misused:
            usage, help_text = _USAGES[verb]
            return 2, "", f"Usage: {verb} {usage}\n        {help_text}\n"

    def _struck(self, words: list[str]) -> Answer | None:
        """What the scenario spoils: a verb, or "list-keychains -s" for setting the search list."""
        spoilt = self.machine.scenario.security_fails
        setting = words[0] == "list-keychains" and "-s" in words
        if setting and "list-keychains -s" in spoilt:
            return 1, "", f"security: SecKeychainSetDomainSearchList user: {NO_WRITE}\n"
        if words[0] not in spoilt:
            return None
        calls = {"import": "SecKeychainItemImport", "set-key-partition-list": "SecItemCopyMatching"}
        return 1, "", f"security: {calls.get(words[0], words[0])}: {NO_WRITE}\n"

    # Keychains -----------------------------------------------------------------------------------------------------

    def _create(self, arguments: list[str]) -> Answer:
        options, names = _options(arguments, "hp:P")
        if "-p" not in options or not names:
            return -1, "", "keychain to create: " if not names else "password for new keychain: "
        for name in names:
            try:
                self.keychains.create(name, options["-p"])
            except DuplicateKeychain:
                return _failed(f"SecKeychainCreate {name}", DUPLICATE)
        return 0, "", ""

    def _delete(self, arguments: list[str]) -> Answer:
        _, names = _options(arguments, "h")
        if not names:
            return _failed("SecKeychainDelete", INVALID)
        for name in names:
            try:
                self.keychains.delete(self.keychains.path(name))
            except NoSuchKeychain:
                return _failed("SecKeychainDelete", NO_SUCH)
        return 0, "", ""

    def _lock(self, arguments: list[str]) -> Answer:
        options, names = _options(arguments, "ah")
        every = "-a" in options
        if len(names) != (0 if every else 1):
            raise _Misused
        listed = [path for path in self.keychains.searched() if path.is_file()]
        for path in listed if every else [self.keychains.path(names[0])]:
            try:
                self.keychains.write(path, replace(self.keychains.read(path), locked=True))
            except NoSuchKeychain:
                return _failed(f"SecKeychainLock {names[0]}", NO_SUCH)
        return 0, "", ""

    def _unlock(self, arguments: list[str]) -> Answer:
        options, names = _options(arguments, "hp:u")
        if len(names) != 1:
            raise _Misused
        if "-p" not in options:
            return -1, "", f"password to unlock {names[0]}: "
        try:
            self.keychains.unlock(self.keychains.path(names[0]), options["-p"])
        except NoSuchKeychain:
            return _failed(f"SecKeychainUnlock {names[0]}", NO_SUCH)
        except WrongPassphrase:
            return _failed(f"SecKeychainUnlock {names[0]}", WRONG)
        return 0, "", ""

    def _settings(self, arguments: list[str]) -> Answer:
        options, names = _options(arguments, "hlt:u")
        if len(names) != 1:
            raise _Misused
        path = self.keychains.path(names[0])
        try:
            content = self.keychains.read(path)
        except NoSuchKeychain:
            return _failed(f"SecKeychainSetSettings {names[0]}", NO_SUCH)
        digits = options.get("-t", "")
        timeout = (int(digits) if digits.isdigit() else 0) if "-t" in options else None
        self.keychains.write(path, replace(content, timeout=timeout, lock_on_sleep="-l" in options))
        return 0, "", ""

    def _info(self, arguments: list[str]) -> Answer:
        _, names = _options(arguments, "h")
        if len(names) != 1:
            raise _Misused
        try:
            content = self.keychains.read(self.keychains.path(names[0]))
        except NoSuchKeychain:
            return _failed(f"SecKeychainCopySettings {names[0]}", NO_SUCH)
        sleep = " lock-on-sleep" if content.lock_on_sleep else ""
        after = " no-timeout" if content.timeout is None else f" timeout={content.timeout}s"
        return 0, "", f'Keychain "{names[0]}"{sleep}{after}\n'

    def _list(self, arguments: list[str]) -> Answer:
        options, names = _options(arguments, "d:hs")
        domain = _domain(options.get("-d", "user"))
        if domain is None:
            return self._bad_domain("list-keychains", options["-d"])
        if "-s" in options:
            if domain != "user":
                return 1, "", f"security: SecKeychainSetDomainSearchList {domain}: {NO_WRITE}\n"
            if "search list is lost" not in self.machine.scenario.security_fails:
                self.keychains.search([self.keychains.path(name) for name in names])
            return 0, "", ""
        if names:
            raise _Misused
        users = self.keychains.searched() if domain == "user" else []
        shown = [*users, *([SYSTEM] if "-d" not in options or domain in ("system", "common") else [])]
        return 0, "".join(f'    "{path}"\n' for path in shown), ""

    def _default(self, arguments: list[str]) -> Answer:
        options, names = _options(arguments, "d:hs")
        if _domain(options.get("-d", "user")) is None:
            return self._bad_domain("default-keychain", options["-d"])
        if "-s" in options and len(names) == 1:
            self.keychains.default = self.keychains.path(names[0])
            return 0, "", ""
        if names or "-s" in options:
            raise _Misused
        default = self.keychains.default
        if default is None:
            call = "SecKeychainCopyDomainDefault user" if "-d" in options else "SecKeychainCopyDefault"
            return 1, "", f"security: {call}: A default keychain could not be found.\n"
        return 0, f'    "{default}"\n', ""

    def _bad_domain(self, verb: str, name: str) -> Answer:
        usage, help_text = _USAGES[verb]
        return 2, "", f"security: Invalid domain: {name}\nUsage: {verb} {usage}\n        {help_text}\n"

    # Import --------------------------------------------------------------------------------------------------------

    def _import(self, arguments: list[str]) -> Answer:
        if not arguments or (len(arguments) == 1 and arguments[0].startswith("-")):
            raise _Misused
        name = arguments[0]
        apps = tuple(value for option, value in _pairs(arguments[1:], "k:t:f:P:wxa:hAT:") if option == "-T" and value)
        options, _ = _options(arguments[1:], "k:t:f:P:wxa:hAT:")
        if options.get("-f", "x509") not in _FORMATS:
            raise _Misused
        path = self.keychains.path(options["-k"]) if "-k" in options else self.keychains.default
        if path is None:
            return 1, "", ""
        try:
            data = (self.cwd / name).read_bytes()
        except OSError as fault:
            return 1, "", f"security: Error reading infile {name}: {fault.strerror}\n"
        return self._imported(path, data, options, apps)

    def _imported(self, path: Path, data: bytes, options: Mapping[str, str], apps: tuple[str, ...]) -> Answer:
        from pipeline.simulator.machine import pkcs12

        call = "SecKeychainItemImport"
        try:
            content = self.keychains.read(path)
        except NoSuchKeychain:
            return _failed(call, NO_SUCH, 1)
        try:
            if options.get("-f") == "pkcs12":
                bag = pkcs12.read(data, _ascii(options.get("-P")))
            else:
                bag = pkcs12.Bag(certificates=_certificates_in(data))
        except pkcs12.WrongPassword:
            return _failed(call, MAC_FAILED, 1)
        except ValueError:
            return _failed(call, UNKNOWN_FORMAT, 1)
        fresh = [Item(each, keyed=True, apps=apps) for each in bag.identities]
        fresh += [Item(each) for each in bag.certificates]
        if any(item.sha1 in {held.sha1 for held in content.items} for item in fresh):
            return _failed(call, ALREADY, 1)
        self.keychains.write(path, replace(content, items=(*content.items, *fresh)))
        said = ""
        for count, one, many in (
            (len(bag.identities), "identity", "identities"),
            (len(bag.certificates), "certificate", "certificates"),
        ):
            said += f"{count} {one if count == 1 else many} imported.\n" if count else ""
        return 0, said, ""

    def _partition(self, arguments: list[str]) -> Answer:
        options, names = _options(arguments, "a:c:dD:ej:k:l:rsS:t:uvw")
        if len(names) > 1 or "-S" not in options:
            raise _Misused
        if "-k" not in options or not names:
            return -1, "", "password to unlock default: "
        path = self.keychains.path(names[0])
        try:
            content = self.keychains.unlock(path, options["-k"])
        except NoSuchKeychain:
            return _failed("SecKeychainUnlock", NO_SUCH, 1)
        except WrongPassphrase:
            return _failed("SecKeychainUnlock", WRONG, 1)
        if not any(item.keyed for item in content.items):
            return _failed("SecItemCopyMatching", NOT_FOUND, 1)
        partitions = tuple(options["-S"].split(","))
        items = tuple(replace(i, partitions=partitions) if i.keyed else i for i in content.items)
        self.keychains.write(path, replace(content, items=items))
        told = f'keychain: "{path}"\nversion: 512\nclass: 0x00000010 \nattributes:\n'
        return 0, told * sum(item.keyed for item in items), ""

    # What is in them -----------------------------------------------------------------------------------------------

    def _held(self, names: Sequence[str]) -> Iterator[tuple[Path, Item]]:
        """The items of the named keychains, else of the search list; a keychain that is not there holds nothing."""
        login = self.machine.keychain
        for path in [self.keychains.path(name) for name in names] or self.keychains.searched():
            if path == self.keychains.login:
                owned = [identity.certificate for identity in login.identities]
                yield from ((path, Item(each, keyed=each in owned)) for each in login.certificates)
                continue
            try:
                held = self.keychains.read(path).items
            except NoSuchKeychain:
                continue
            yield from ((path, item) for item in held)

    def _find_identity(self, arguments: list[str]) -> Answer:
        options, names = _options(arguments, "hp:s:v")
        policy = options.get("-p", "basic")
        if "-h" in options or policy not in ("basic", "codesigning"):
            raise _Misused
        # Trust is evaluated with what the search list holds, whichever keychains were asked for (identity_find.m:251).
        intermediates = [item.certificate for _, item in self._held(()) if not item.keyed]
        identities = [item for _, item in self._held(names) if item.keyed]
        listed = [(i, _name(i), self.complaint(i, intermediates)) for i in identities if policy == "basic" or _signs(i)]
        told = [f'{item.sha1} "{name}"{f" ({code})" if code else ""}' for item, name, code in listed]
        # A revoked identity is listed, and counted, as valid: only the code in brackets tells.
        valid = [t for t, (_, _, code) in zip(told, listed, strict=True) if code in ("", "CSSMERR_TP_CERT_REVOKED")]
        counted = f"{_numbered(valid)}     {len(valid)} valid identities found\n"
        if "-v" in options:
            return 0, counted, ""
        title = "Code Signing" if policy == "codesigning" else "X.509 Basic"
        head = f"\nPolicy: {title}\n  Matching identities\n{_numbered(told)}     {len(told)} identities found\n\n"
        return 0, f"{head}  Valid identities only\n{counted}", ""

    def complaint(self, item: Item, intermediates: Sequence[bytes]) -> str:
        """The code behind an identity that is not trusted: the date, revocation, or a chain that does not hold."""
        for identity in self.machine.keychain.identities:
            if identity.sha1 == item.sha1:
                return self.machine.keychain.complaint(identity)
        certificate = _read(item.certificate)
        now = self.machine.now()
        if now < certificate.not_valid_before_utc:
            return "CSSMERR_TP_CERT_NOT_VALID_YET"
        if now > certificate.not_valid_after_utc:
            return "CSSMERR_TP_CERT_EXPIRED"
        root = _read(self.machine.authority.root)
        for der in intermediates:
            above = _read(der)
            apples = hashlib.sha256(der).hexdigest() in _APPLE_INTERMEDIATES
            if _issued(certificate, above) and (apples or _issued(above, root)):
                return ""
        return "CSSMERR_TP_NOT_TRUSTED"

    def _find_certificate(self, arguments: list[str]) -> Answer:
        options, names = _options(arguments, "hac:e:mpZ")
        wanted = options.get("-c", "").lower()
        found = [(path, item) for path, item in self._held(names) if wanted in _name(item).lower()]
        if not found and "-a" not in options:
            return 44, "", f"security: SecKeychainSearchCopyNext: {NOT_FOUND}\n"
        out = ""
        for path, item in found if "-a" in options else found[:1]:
            if "-Z" in options:
                out += f"SHA-256 hash: {hashlib.sha256(item.certificate).hexdigest().upper()}\n"
                out += f"SHA-1 hash: {item.sha1}\n"
            if "-p" in options:
                text = base64.b64encode(item.certificate).decode()
                body = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
                out += f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
            else:
                out += f'keychain: "{path}"\nversion: 512\nclass: 0x80001000 \n'
                out += f'attributes:\n    "labl"<blob>="{_name(item)}"\n'
        return 0, out, ""

    def _cms(self, arguments: list[str]) -> Answer:
        if len(arguments) != 3 or arguments[:2] != ["-D", "-i"]:
            raise _Misused
        try:
            data = (self.cwd / arguments[2]).read_bytes()
        except OSError:
            return 1, "", f'security: failed to open input file "{arguments[2]}"\n'
        from asn1crypto import cms

        try:
            content = cms.ContentInfo.load(data)["content"]["encap_content_info"]["content"].native
            return 0, content.decode(), ""
        except Exception:  # noqa: BLE001  # asn1crypto raises unrelated kinds on damaged input
            return 1, "", "security: problem decoding\n"


def lines_of(text: str) -> Iterator[str]:
    """As readline() cuts its input (readline.c:41-82): a last line without its end is dropped, a long one is cut."""
    data = text.encode("utf-8", "surrogateescape")
    at = 0
    while at < len(data):
        room = data[at : at + MOST_IN_LINE - 1]
        end = room.find(b"\n")
        if end < 0 and len(room) < MOST_IN_LINE - 1:
            return
        line = room if end < 0 else room[:end]
        yield line.partition(b"\0")[0].decode("utf-8", "surrogateescape")
        at += len(line) + (end >= 0)


def words_of(line: str) -> list[str]:
    """As split_line() does (security.c:907-1002): quotes only at the start of a word, backslashes anywhere."""
    words: list[str] = []
    state, quote, word = "skip", "", ""
    for sign in line:
        if state == "skip":
            if sign in " \t\n\v\f\r":
                continue
            word, quote = "", sign if sign in "\"'" else ""
            state = "quoted" if quote else "plain"
            if quote:
                continue
        if state.endswith("escaped"):
            word, state = word + sign, state.removesuffix(" escaped")
        elif sign == "\\":
            state += " escaped"
        elif sign == quote if quote else sign in " \t\n\v\f\r":
            words.append(word)
            state = "skip"
            if len(words) >= MOST_WORDS:
                break
        else:
            word += sign
    return [*words, word] if state != "skip" else words


def _pairs(arguments: Sequence[str], known: str) -> list[tuple[str, str]]:
    import getopt

    try:
        return getopt.getopt(list(arguments), known)[0]
    except getopt.GetoptError as fault:
        raise _Misused from fault


def _options(arguments: Sequence[str], known: str) -> tuple[dict[str, str], list[str]]:
    import getopt

    try:
        pairs, rest = getopt.getopt(list(arguments), known)
    except getopt.GetoptError as fault:
        raise _Misused from fault
    return dict(pairs), rest


def _failed(call: str, text: str, status: int = 0) -> Answer:
    return status or _STATUS[text], "", f"security: {call}: {text}\n"


def _domain(name: str) -> str | None:
    return next((each for each in ("user", "system", "common", "dynamic") if each.startswith(name)), None)


def _ascii(passphrase: str | None) -> str:
    """A passphrase that is not ASCII is none (keychain_import.c:85), and then somebody is asked, who is not there."""
    from pipeline.simulator.machine import pkcs12

    if passphrase is None or not passphrase.isascii():
        raise pkcs12.WrongPassword
    return passphrase


def _certificates_in(data: bytes) -> tuple[bytes, ...]:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    if data.lstrip().startswith(b"-----BEGIN"):
        found = x509.load_pem_x509_certificates(data)
        return tuple(each.public_bytes(Encoding.DER) for each in found)
    return (x509.load_der_x509_certificate(data).public_bytes(Encoding.DER),)


def _read(der: bytes) -> Certificate:
    from cryptography import x509

    return x509.load_der_x509_certificate(der)


def _name(item: Item) -> str:
    from cryptography.x509.oid import NameOID

    subject = _read(item.certificate).subject
    return "".join(str(name.value) for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def _signs(item: Item) -> bool:
    """Whether its extended key usage allows code signing."""
    from cryptography import x509

    try:
        usage = _read(item.certificate).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return any(each.dotted_string == _CODE_SIGNING for each in usage)


def _issued(below: Certificate, above: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        below.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _numbered(told: Iterable[str]) -> str:
    return "".join(f"{number:3d}) {line}\n" for number, line in enumerate(told, 1))
