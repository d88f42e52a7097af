"""The one part of a multipart body that the schema routes look at, taken as leniently as the real service takes it."""

from __future__ import annotations

LARGEST = 4 * 1024 * 1024


class NoFile(ValueError):
    """The body holds no part named file."""


def file_part(content_type: str, body: bytes) -> bytes:
    """The bytes of the part `name="file"`.

    Lenient as Apple's own client needs it: a part's content type may be quoted or empty, and the end of the closing
    boundary's line may be missing.

    Raises:
        NoFile: with the reason, in words.

    """
    kind, _, parameters = content_type.partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise NoFile(f"content type {kind.strip()!r} is not multipart/form-data")
    boundary = ""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "boundary":
            boundary = value.strip().strip('"')
    if not 1 <= len(boundary) <= 200:
        raise NoFile("the content type names no boundary")
    if len(body) > LARGEST:
        raise NoFile(f"the body is larger than {LARGEST:,} bytes")
    mark = b"--" + boundary.encode("utf-8", "replace")
    for part in (b"\r\n" + body).split(b"\r\n" + mark)[1:]:
        if part.startswith(b"--"):
            break
        head, separator, content = part.partition(b"\r\n\r\n")
        if separator and _is_file(head):
            return content
    raise NoFile("no part is named 'file'")


def _is_file(head: bytes) -> bool:
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            words = [word.strip() for word in value.split(";")]
            return 'name="file"' in words or "name=file" in words
    return False
