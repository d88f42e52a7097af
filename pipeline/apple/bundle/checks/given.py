"""Do the signatures hold that were named with `--file`? For the table of everything that is held."""

from collections.abc import Iterator

from pipeline.apple.bundle.facts import GivenSignature, GivenSignatures
from pipeline.model import Finding, check, error, note, unseen, warning


@check("BUND020", "given code and packages are as they were signed")
def given_signatures_hold(given: GivenSignatures) -> Iterator[Finding]:
    """A broken signature is an error. Code that nobody signed is only noted: not everything has to be signed."""
    for item in given.items:
        if item.fault:
            broken = f"the signature of {_what(item)} is broken" if item.platform_words else "the file is not whole"
            yield error(
                f"{broken}: {item.fault}",
                subject=item.origin,
                remedy="get the file again from where it was made; if it is so there too, make and sign it anew",
            )
        elif item.unread:
            yield unseen(f"not verified: {item.unread}", subject=item.origin)
        elif item.unsigned:
            yield note(f"not signed: {_what(item)}", subject=item.origin)
        elif item.adhoc:
            yield note(f"signed ad hoc, so that nobody vouches for it: {_what(item)}", subject=item.origin)
        elif not item.trusted:
            yield warning(
                f"nobody that is trusted here vouches for the signer of {_what(item)}: {item.reason}",
                subject=item.origin,
                remedy="sign with a certificate that Apple issued, and let its intermediates go into the signature",
            )
        if item.timestamp_doubt:
            text = f"the timestamp of {_what(item)} was not believed: {item.timestamp_doubt}"
            yield note(text, subject=item.origin)


def _what(item: GivenSignature) -> str:
    """“the code (macOS, arm64)”, and how much more of the product it stands for."""
    what = "the package" if item.is_installer else "the code"
    if item.platform_words and not item.is_installer:
        what += f" ({item.platform_words})"
    return f"{what} and {item.others:,} more files" if item.others else what
