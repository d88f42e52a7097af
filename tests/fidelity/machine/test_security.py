"""`security` of the simulated Mac against Apple's source (Security 61901.0.87.0.1) and messages seen in the field."""

from __future__ import annotations

import base64
import io
import plistlib
import stat
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization.pkcs12 import PBES, serialize_key_and_certificates
from cryptography.x509 import load_der_x509_certificate

from pipeline.apple.signing.trust import APPLE_INTERMEDIATES
from pipeline.simulator.authority import Kind
from pipeline.simulator.machine import security
from pipeline.simulator.machine.keychains import PREFERENCES, Keychains
from pipeline.simulator.machine.mac import Machine
from pipeline.simulator.machine.scenario import BARE, Scenario
from pipeline.simulator.machine.secrets import KINDS, signing_secrets
from tests.fidelity.machine.conftest import PROJECT


class Mac:
    """A bare Mac, its team's .p12 in a file, and a keychain with the password "pass word"."""

    def __init__(self, folder: Path, scenario: Scenario = BARE) -> None:
        self.machine = Machine(folder / "home", projects=[PROJECT], scenario=scenario)
        self.secrets = signing_secrets(self.machine)
        self.keychain = folder / "home/Library/Keychains/build.keychain-db"
        self.login = folder / "home/Library/Keychains/login.keychain-db"
        self.bag = folder / "bag.p12"
        self.bag.write_bytes(base64.b64decode(self.secrets["SIGNING_CERTIFICATES"]))
        self.password = self.secrets["SIGNING_CERTIFICATES_PASSWORD"]

    def run(self, *words: str, stdin: str = "") -> tuple[int, str, str]:
        return self.machine.run(["security", *words], stdin=stdin)

    def make(self) -> None:
        assert self.run("create-keychain", "-p", "pass word", str(self.keychain)) == (0, "", "")

    def fill(self) -> None:
        self.make()
        self.run("import", str(self.bag), "-k", str(self.keychain), "-f", "pkcs12", "-P", self.password)


@pytest.fixture
def mac(tmp_path: Path) -> Mac:
    return Mac(tmp_path)


def test_a_new_keychain_is_not_searched(mac: Mac) -> None:
    """StorageManager.cpp:119-135: only login and System keychains are added."""
    mac.make()
    assert stat.S_IMODE(mac.keychain.stat().st_mode) == 0o600
    assert b"pass word" not in mac.keychain.read_bytes()
    assert mac.run("list-keychains", "-d", "user") == (0, f'    "{mac.login}"\n', "")
    assert mac.run("list-keychains")[1] == f'    "{mac.login}"\n    "/Library/Keychains/System.keychain"\n'
    name = str(mac.keychain)
    assert mac.run("create-keychain", "-p", "x", name) == (
        48,
        "",
        f"security: SecKeychainCreate {name}: A keychain with the same name already exists.\n",
    )


def test_the_search_list_is_a_file_that_another_process_sees(mac: Mac) -> None:
    mac.make()
    assert mac.run("list-keychains", "-d", "user", "-s", str(mac.keychain), str(mac.login)) == (0, "", "")
    kept = plistlib.loads((mac.machine.home / PREFERENCES).read_bytes())["DLDBSearchList"]
    # DLDBListCFPref.cpp:755-823 and StorageManager.cpp:305-323: with ~, and without "-db".
    assert [each["DbName"] for each in kept] == [
        "~/Library/Keychains/build.keychain",
        "~/Library/Keychains/login.keychain",
    ]
    another = Machine(mac.machine.home, scenario=BARE)
    assert another.run(["security", "list-keychains", "-d", "user"])[1] == f'    "{mac.keychain}"\n    "{mac.login}"\n'
    assert mac.run("list-keychains", "-d", "user", "-s") == (0, "", "")
    assert mac.run("list-keychains", "-d", "user") == (0, "", "")
    assert mac.run("list-keychains", "-d", "nobody")[0] == 2


def test_deleting_takes_it_out_of_the_list_too(mac: Mac) -> None:
    mac.make()
    mac.run("list-keychains", "-s", str(mac.login), str(mac.keychain))
    assert mac.run("delete-keychain", str(mac.keychain)) == (0, "", "")
    assert (mac.keychain.exists(), Keychains(mac.machine.home).searched()) == (False, [mac.login])
    gone = mac.run("delete-keychain", str(mac.keychain))
    assert gone == (50, "", "security: SecKeychainDelete: The specified keychain could not be found.\n")


def test_passwords_are_checked(mac: Mac) -> None:
    mac.fill()
    name, wrong = str(mac.keychain), "The user name or passphrase you entered is not correct.\n"
    assert mac.run("unlock-keychain", "-p", "x", name) == (51, "", f"security: SecKeychainUnlock {name}: {wrong}")
    assert mac.run("unlock-keychain", "-p", "pass word", name) == (0, "", "")
    partition = ("set-key-partition-list", "-S", "apple:,codesign:", "-s", "-k")
    assert mac.run(*partition, "x", name) == (1, "", f"security: SecKeychainUnlock: {wrong}")
    assert mac.run(*partition, "pass word", name)[0] == 0
    imported = mac.run("import", str(mac.bag), "-k", name, "-f", "pkcs12", "-P", "x")
    text = "MAC verification failed during PKCS12 import (wrong password?)"
    assert imported == (1, "", f"security: SecKeychainItemImport: {text}\n")


def test_settings(mac: Mac) -> None:
    mac.make()
    assert mac.run("set-keychain-settings", "-lut", "21600", str(mac.keychain)) == (0, "", "")
    told = mac.run("show-keychain-info", str(mac.keychain))
    assert told == (0, "", f'Keychain "{mac.keychain}" lock-on-sleep timeout=21600s\n')
    mac.run("set-keychain-settings", str(mac.keychain))
    assert mac.run("show-keychain-info", str(mac.keychain))[2] == f'Keychain "{mac.keychain}" no-timeout\n'


def test_an_import_is_counted_and_not_repeated(mac: Mac) -> None:
    mac.make()
    words = ("import", str(mac.bag), "-k", str(mac.keychain), "-f", "pkcs12", "-P", mac.password)
    assert mac.run(*words) == (0, "2 identities imported.\n1 certificate imported.\n", "")
    assert mac.run(*words)[2] == (
        "security: SecKeychainItemImport: The specified item already exists in the keychain.\n"
    )
    mac.bag.write_bytes(b"no bag at all")
    assert mac.run(*words)[2] == "security: SecKeychainItemImport: Unknown format in import.\n"
    mac.bag.unlink()
    assert mac.run(*words)[2] == f"security: Error reading infile {mac.bag}: No such file or directory\n"


def test_newer_encryption_is_refused_as_a_wrong_password(mac: Mac) -> None:
    """What OpenSSL 3 writes by default: AES-256 and a SHA-256 MAC."""
    identity = mac.machine.provisioned.identities[0]
    encryption = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(1)
        .key_cert_algorithm(PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(b"x")
    )
    leaf = load_der_x509_certificate(identity.certificate)
    mac.bag.write_bytes(serialize_key_and_certificates(b"x", identity.key, leaf, None, encryption))
    mac.make()
    told = mac.run("import", str(mac.bag), "-k", str(mac.keychain), "-f", "pkcs12", "-P", "x")
    assert (told[0], "MAC verification failed" in told[2]) == (1, True)


def test_identities_of_one_keychain_and_of_the_search_list(mac: Mac) -> None:
    mac.fill()
    assert "     2 identities found\n" in mac.run("find-identity", str(mac.keychain))[1]
    assert "     0 identities found\n" in mac.run("find-identity")[1]
    # The chain is built from the search list, whichever keychain was asked for (identity_find.m:243-262).
    assert mac.run("find-identity", str(mac.keychain))[1].count("(CSSMERR_TP_NOT_TRUSTED)") == 2
    mac.run("list-keychains", "-d", "user", "-s", str(mac.login), str(mac.keychain))
    assert "     2 valid identities found\n" in mac.run("find-identity", "-v")[1]
    assert "     1 valid identities found\n" in mac.run("find-identity", "-v", "-p", "codesigning")[1]
    assert mac.run("find-certificate", "-a", "-p")[1].count("BEGIN CERTIFICATE") == 3


def test_keys_sign_only_when_apples_tools_may_use_them(mac: Mac) -> None:
    mac.fill()
    mac.run("list-keychains", "-d", "user", "-s", str(mac.keychain))
    assert not mac.machine.keychain.of_kind(*Kind)
    partition = ("set-key-partition-list", "-S", "apple-tool:,apple:,codesign:", "-s", "-k", "pass word")
    assert mac.run(*partition, str(mac.keychain))[0] == 0
    assert {each.kind for each in mac.machine.keychain.of_kind(*Kind)} == set(KINDS)
    mac.run("lock-keychain", str(mac.keychain))
    assert not mac.machine.keychain.of_kind(*Kind)


def test_lines_on_standard_input(mac: Mac) -> None:
    name = str(mac.keychain)
    text = f'create-keychain -p "pass word" {name}\n\nunlock-keychain -p x {name}\nlist-keychains -d user\n'
    status, out, err = mac.run("-i", stdin=text)
    # security.c:1193-1218: it goes on, tells the failure, and ends with the status of the last command.
    assert (status, out) == (0, f'    "{mac.login}"\n')
    assert err.endswith("unlock-keychain: returned -25293\n")
    assert mac.run("-i", stdin=f"unlock-keychain -p x {name}\n")[0] == 51
    assert mac.run("-i", stdin=f"delete-keychain {name}") == (0, "", "")
    assert mac.keychain.exists(), "a last line without its end is dropped (readline.c:66-72)"
    assert mac.run("-i", stdin=f"unlock-keychain {name}\n")[0] == 0, "-1 ends the loop, and with success"
    assert mac.run("-i", stdin="no-such-verb\n")[2] == (
        'security: unknown command "no-such-verb"\nno-such-verb: returned 1\n'
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('a "b c" \'d "e\'', ["a", "b c", 'd "e']),
        ('a\\ b "c\\"d"', ["a b", 'c"d']),
        ('a"b c"', ['a"b', 'c"']),
        ('""', [""]),
        (" ".join("w" * 40), ["w"] * 32),
        ("", []),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    """security.c:907-1002: a quote counts only at the start of a word, and at most 32 words are kept."""
    assert security.words_of(line) == words


def test_a_long_line_becomes_two() -> None:
    assert [len(line) for line in security.lines_of("x" * 5_000 + "\n")] == [4_095, 905]


def test_usage(mac: Mac) -> None:
    for words in (("import",), ("set-key-partition-list", str(mac.keychain)), ("lock-keychain",)):
        status, _, err = mac.run(*words)
        assert (status, err.startswith(f"Usage: {words[0]} ")) == (2, True)


@pytest.mark.parametrize("verb", ["import", "set-key-partition-list", "create-keychain", "delete-keychain"])
def test_a_spoilt_verb_changes_nothing(tmp_path: Path, verb: str) -> None:
    mac = Mac(tmp_path, Scenario(**{**BARE.__dict__, "security_fails": (verb,)}))
    assert mac.run(verb, str(mac.keychain))[0] == 1
    assert not mac.keychain.exists()


def test_a_search_list_that_is_lost(tmp_path: Path) -> None:
    """DLDBListCFPref.cpp:325-335: write errors are not reported."""
    mac = Mac(tmp_path, Scenario(**{**BARE.__dict__, "security_fails": ("search list is lost",)}))
    assert mac.run("list-keychains", "-s", str(mac.keychain)) == (0, "", "")
    assert mac.run("list-keychains", "-d", "user")[1] == f'    "{mac.login}"\n'


def test_secrets_of_a_team(tmp_path: Path) -> None:
    whole = Machine(tmp_path / "whole", projects=[PROJECT])
    told = signing_secrets(whole)
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(told["SIGNING_PROFILES"]))) as archive:
        packed = {name: archive.extractfile(name) for name in archive.getnames()}
        data = {file.read() for file in packed.values() if file}
    assert data == {each.data for each in whole.keychain.store_profiles}, "those that are installed, byte for byte"
    bare = Machine(tmp_path / "bare", projects=[PROJECT], scenario=BARE)
    assert signing_secrets(bare).keys() == told.keys()
    folder = tmp_path / "bare/Library/Developer"
    assert not folder.exists(), "nothing is installed by making secrets"


def test_apples_intermediates_are_those_that_apple_publishes() -> None:
    import hashlib

    assert {hashlib.sha256(der).hexdigest() for der in APPLE_INTERMEDIATES} >= security._APPLE_INTERMEDIATES
