"""A schema as the service keeps it: read strictly from .ckdb text, written back in the service's order and layout."""

from __future__ import annotations

import re
from typing import NamedTuple

_TOKEN = re.compile(
    r'[ \t\r\n\f]+|(?://|--)[^\n]*|/\*.*?\*/|(?P<word>[A-Za-z][A-Za-z0-9_.]*)|"(?P<quoted>[^"\n]*)"|(?P<mark>[(),;<>])',
    re.DOTALL,
)
_PRIMITIVES = ("ASSET", "BYTES", "DOUBLE", "INT64", "LOCATION", "REFERENCE", "STRING", "TIMESTAMP")
_ENCRYPTABLE = ("BYTES", "DOUBLE", "INT64", "LOCATION", "STRING", "TIMESTAMP")
_OPTIONS = ("QUERYABLE", "SORTABLE", "SEARCHABLE")
_RIGHTS = ("READ", "CREATE", "WRITE")
_KEYWORDS = frozenset({*_PRIMITIVES, *_OPTIONS, *_RIGHTS, "DEFINE", "SCHEMA", "GRANT", "RECORD", "TYPE", "LIST"})
_RESERVED = frozenset({"grant", "preferred", "queryable", "sortable", "searchable"})
_SYSTEM = {
    "___createTime": "TIMESTAMP",
    "___createdBy": "REFERENCE",
    "___etag": "STRING",
    "___modTime": "TIMESTAMP",
    "___modifiedBy": "REFERENCE",
    "___recordID": "REFERENCE",
}
_WRITTEN = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")


class SchemaFault(ValueError):
    """The text is refused; the message has the shape of the service's JavaCC parser."""


class Field(NamedTuple):
    """`type` is written as in the text; `options` keep the service's order."""

    type: str
    options: tuple[str, ...]


class RecordType(NamedTuple):
    """Fields by name, and rights by role."""

    fields: dict[str, Field]
    grants: dict[str, tuple[str, ...]]


class Schema(NamedTuple):
    """Record types and roles of one environment."""

    types: dict[str, RecordType]
    roles: tuple[str, ...]


class _Token(NamedTuple):
    kind: str
    text: str
    line: int
    column: int


def read(text: str) -> Schema:
    """The schema in a text. The implicit fields are added where the text does not mention them.

    Apple, "Integrating a Text-Based Schema into Your Workflow". Raises SchemaFault for the first thing that is wrong.
    """
    reader = _Reader(_tokens(text))
    reader.words("DEFINE", "SCHEMA")
    types: dict[str, RecordType] = {}
    roles: list[str] = []
    while reader.now.kind != "end":
        if reader.now.text == "CREATE" and reader.now.kind == "word":
            reader.words("CREATE", "ROLE")
            roles.append(reader.name())
        else:
            reader.words("RECORD", "TYPE")
            name = reader.name()
            if name in types:
                raise SchemaFault(f"duplicate record type '{name}'")
            types[name] = reader.record_type(name)
        reader.mark(";")
    return Schema(types, tuple(roles))


def write(schema: Schema) -> str:
    """The text that an export gives: sorted, without comments, with every implicit field."""
    lines = ["DEFINE SCHEMA", ""]
    for role in sorted(schema.roles):
        lines += [f"    CREATE ROLE {_spelled(role)};", ""]
    for name in sorted(schema.types):
        kind = schema.types[name]
        width = max(len(_spelled(field)) for field in kind.fields)
        items = [
            " ".join((f"        {_spelled(name):<{width}}", field.type, *field.options))
            for name, field in sorted(kind.fields.items())
        ]
        items += [
            f"        GRANT {', '.join(rights)} TO {_spelled(role)}" for role, rights in sorted(kind.grants.items())
        ]
        lines += [f"    RECORD TYPE {_spelled(name)} (", ",\n".join(items), "    );", ""]
    return "\n".join(lines)


def deletions(new: Schema, live: Schema) -> list[str]:
    """Why production's schema forbids this new development schema; empty when nothing is taken away.

    The sentence for record types is the service's (quoted by several repositories); those for fields are ours, after
    Apple's rule that nothing that is live in production can be deleted or change its type.
    """
    found = []
    for name, kind in live.types.items():
        if name not in new.types:
            if name != "Users":
                found.append("invalid attempt to delete a record type which is active in a production container")
            continue
        for field, shape in kind.fields.items():
            other = new.types[name].fields.get(field)
            if other is None:
                found.append(
                    f"invalid attempt to delete field '{field}' of record type '{name}' which is active in a "
                    "production container"
                )
            elif other.type != shape.type:
                found.append(
                    f"invalid attempt to change the type of field '{field}' of record type '{name}' which is active "
                    "in a production container"
                )
    return found


def merged(development: Schema, production: Schema) -> Schema:
    """What a person's click on Deploy Schema Changes makes of production: additive, indexes and grants follow."""
    types = dict(production.types)
    for name, kind in development.types.items():
        held = types.get(name)
        fields = {**(held.fields if held else {}), **kind.fields}
        types[name] = RecordType(fields, kind.grants)
    return Schema(types, tuple(dict.fromkeys((*production.roles, *development.roles))))


def _spelled(name: str) -> str:
    plain = _WRITTEN.fullmatch(name) and name.lower() not in _RESERVED
    return name if plain else f'"{name}"'


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, line, start = 0, 1, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            column = at - start + 1
            raise SchemaFault(
                f'Lexical error at line {line}, column {column}.  Encountered: "{text[at]}" ({ord(text[at])})'
            )
        kind = match.lastgroup
        if kind is not None:
            found.append(_Token(kind, match.group(kind), line, at - start + 1))
        breaks = text.count("\n", at, match.end())
        if breaks:
            line += breaks
            start = text.rfind("\n", at, match.end()) + 1
        at = match.end()
    found.append(_Token("end", "", line, max(0, at - start)))
    return found


class _Reader:
    """Walks the tokens; every refusal is worded as JavaCC words it."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def now(self) -> _Token:
        return self._tokens[self._at]

    def next(self) -> _Token:
        token = self.now
        if token.kind != "end":
            self._at += 1
        return token

    def refuse(self, *expected: str) -> SchemaFault:
        token = self.now
        if token.kind == "end":
            met = '"<EOF>"'
        elif token.kind == "word" and token.text not in _KEYWORDS:
            met = f'" <IDENTIFIER> "{token.text} ""'
        elif token.kind == "quoted":
            met = f'" <QUOTED_IDENTIFIER> "\\"{token.text}\\" ""'
        else:
            met = f'" "{token.text}" "{token.text} ""'
        heading = "Was expecting:" if len(expected) == 1 else "Was expecting one of:"
        wanted = "".join(f'\n    "{word}" ...' for word in expected)
        return SchemaFault(f"Encountered {met} at line {token.line}, column {token.column}.\n{heading}{wanted}\n    ")

    def words(self, *expected: str) -> None:
        for word in expected:
            if self.now.kind != "word" or self.now.text != word:
                raise self.refuse(word)
            self.next()

    def mark(self, expected: str) -> None:
        if self.now.kind != "mark" or self.now.text != expected:
            raise self.refuse(expected)
        self.next()

    def name(self) -> str:
        token = self.now
        quoted = token.kind == "quoted" and token.text
        plain = token.kind == "word" and token.text.lower() not in _RESERVED
        if not (quoted or plain):
            raise self.refuse("<IDENTIFIER>", "<QUOTED_IDENTIFIER>")
        return self.next().text

    def record_type(self, name: str) -> RecordType:
        fields: dict[str, Field] = {}
        grants: dict[str, tuple[str, ...]] = {}
        self.mark("(")
        while True:
            if self.now.kind == "word" and self.now.text == "GRANT":
                self._grant(grants)
            else:
                field = self.name()
                if field in fields:
                    raise SchemaFault(f"duplicate field '{field}' in record type '{name}'")
                fields[field] = self._field()
                if _SYSTEM.get(field, fields[field].type) != fields[field].type:
                    raise SchemaFault(f"system field '{field}' of record type '{name}' must be {_SYSTEM[field]}")
            if self.now.kind == "mark" and self.now.text == ",":
                self.next()
                continue
            self.mark(")")
            break
        for field, kind in _SYSTEM.items():
            fields.setdefault(field, Field(kind, ()))
        return RecordType(fields, grants)

    def _grant(self, grants: dict[str, tuple[str, ...]]) -> None:
        self.words("GRANT")
        rights = [self._one_of(_RIGHTS)]
        while self.now.kind == "mark" and self.now.text == ",":
            self.next()
            rights.append(self._one_of(_RIGHTS))
        self.words("TO")
        role = self.name()
        held = {*grants.get(role, ()), *rights}
        grants[role] = tuple(right for right in _RIGHTS if right in held)

    def _field(self) -> Field:
        if self.now.kind == "word" and self.now.text == "LIST":
            self.next()
            self.mark("<")
            kind = f"LIST<{self._primitive()}>"
            self.mark(">")
        else:
            kind = self._primitive()
        options = set()
        while self.now.kind == "word" and self.now.text in _OPTIONS:
            options.add(self.next().text)
        return Field(kind, tuple(option for option in _OPTIONS if option in options))

    def _primitive(self) -> str:
        if self.now.text == "ENCRYPTED" and self.now.kind == "word":
            self.next()
            return f"ENCRYPTED {self._one_of(_ENCRYPTABLE)}"
        if self.now.text == "NUMBER" and self.now.kind == "word":
            self.next()
            if self.now.kind == "word" and self.now.text == "PREFERRED":
                self.words("PREFERRED", "AS")
                return f"NUMBER PREFERRED AS {self._one_of(('INT64', 'DOUBLE'))}"
            return "NUMBER"
        return self._one_of(("LIST", "ENCRYPTED", "NUMBER", *_PRIMITIVES), _PRIMITIVES)

    def _one_of(self, expected: tuple[str, ...], accepted: tuple[str, ...] = ()) -> str:
        if self.now.kind != "word" or self.now.text not in (accepted or expected):
            raise self.refuse(*expected)
        return self.next().text
