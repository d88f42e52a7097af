"""Reads and writes the CloudKit Schema Language, so that a schema can be judged without asking Apple.

The grammar is that of Apple's "Integrating a Text-Based Schema into Your Workflow". What that page forbids is a
certain problem; what it leaves unsaid (lower-case keywords, a trailing comma, an empty record type, …) is read in
the only way it can be meant and reported as a doubt.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

from pipeline.lazily import cached_property
from pipeline.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE_LIMIT = 1024 * 1024
"""Bytes. The largest schema in public use is far below a tenth of this."""

PROBLEM_LIMIT = 50
SHOWN_LIMIT = 40

INDEXES = ("QUERYABLE", "SORTABLE", "SEARCHABLE")
PERMISSIONS = ("READ", "CREATE", "WRITE")
IMPLICIT_ROLES = frozenset({"_creator", "_world", "_icloud"})
IMPLICIT_FIELDS = {
    "___createTime": "TIMESTAMP",
    "___createdBy": "REFERENCE",
    "___etag": "STRING",
    "___modTime": "TIMESTAMP",
    "___modifiedBy": "REFERENCE",
    "___recordID": "REFERENCE",
}
"""Every record type has these fields, mentioned or not, and their types are fixed."""

_ENCRYPTABLE = frozenset({"BYTES", "STRING", "DOUBLE", "INT64", "LOCATION", "TIMESTAMP"})
_PRIMITIVES = _ENCRYPTABLE | {"ASSET", "REFERENCE", "NUMBER"}
_NUMBERS = ("INT64", "DOUBLE")
_RESERVED = frozenset({"grant", "preferred", "queryable", "sortable", "searchable"})
_USER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_TOKEN = re.compile(
    r'(?P<space>[ \t\n\f]+|//[^\n]*|--[^\n]*|/\*.*?\*/)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)|"(?P<quoted>[^"\n]*)"'
    r"|(?P<mark>[(),;<>])",
    re.DOTALL,
)


@dataclass(frozen=True)
class SchemaProblem:
    """What is wrong at a place; lines and columns count from 1.

    `certain` is True when Apple's page forbids it, False when Apple says nothing about it.
    """

    line: int
    column: int
    summary: str
    certain: bool = True

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.summary}"


@dataclass(frozen=True)
class FieldType:
    """A field's type, such as LIST<ENCRYPTED STRING> or NUMBER PREFERRED AS INT64."""

    primitive: str
    is_list: bool = False
    encrypted: bool = False
    preferred: str = ""

    def __str__(self) -> str:
        text = f"ENCRYPTED {self.primitive}" if self.encrypted else self.primitive
        if self.preferred:
            text += f" PREFERRED AS {self.preferred}"
        return f"LIST<{text}>" if self.is_list else text


@dataclass(frozen=True)
class SchemaField:
    """A field of a record type. `indexes` are in the order QUERYABLE, SORTABLE, SEARCHABLE."""

    name: str
    type: FieldType
    indexes: tuple[str, ...] = ()
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return " ".join((quoted(self.name), str(self.type), *self.indexes))


@dataclass(frozen=True)
class Grant:
    """Permissions of a role in the public database, in the order READ, CREATE, WRITE."""

    permissions: tuple[str, ...]
    role: str
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"GRANT {', '.join(self.permissions)} TO {quoted(self.role)}"


@dataclass(frozen=True)
class Role:
    """A security role that the schema creates."""

    name: str
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"CREATE ROLE {quoted(self.name)}"


@dataclass(frozen=True)
class RecordType:
    """A record type with the fields and grants that the text mentions."""

    name: str
    fields: tuple[SchemaField, ...] = ()
    grants: tuple[Grant, ...] = ()
    line: int = field(default=0, compare=False)
    column: int = field(default=0, compare=False)

    @property
    def is_system(self) -> bool:
        """Whether CloudKit itself keeps this type: Users, cloudkit.*, and names that begin with an underscore."""
        return self.name == "Users" or self.name.startswith(("_", "cloudkit."))

    def __str__(self) -> str:
        items = ",\n".join(f"        {item}" for item in (*self.fields, *self.grants))
        return f"    RECORD TYPE {quoted(self.name)} (\n{items}\n    )"


@dataclass(frozen=True)
class Schema:
    """A whole schema, in the order of the text."""

    types: tuple[RecordType, ...] = ()
    roles: tuple[Role, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, RecordType]:
        """The record types by name."""
        return {record_type.name: record_type for record_type in self.types}

    def text(self) -> str:
        """The canonical text; reading it gives an equal schema."""
        statements = (*(f"    {role}" for role in self.roles), *(str(record_type) for record_type in self.types))
        return "DEFINE SCHEMA\n" + "".join(f"\n{statement};\n" for statement in statements)


@dataclass(frozen=True)
class SchemaText:
    """What a text says. `schema` is None when the text is so broken that its meaning is lost."""

    schema: Schema | None
    problems: tuple[SchemaProblem, ...] = ()


def quoted(name: str) -> str:
    """A name as the language wants it: in double quotes unless it is a plain user-defined identifier."""
    return name if _USER_NAME.fullmatch(name) and name.lower() not in _RESERVED else f'"{name}"'


def read_schema(data: bytes | str) -> SchemaText:
    """What a .ckdb text says, and everything that is wrong with it; never raises."""
    if isinstance(data, bytes):
        if len(data) > SIZE_LIMIT:
            return SchemaText(None, (SchemaProblem(1, 1, f"the schema is larger than {SIZE_LIMIT:,} bytes"),))
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as fault:
            line = data.count(b"\n", 0, fault.start) + 1
            column = fault.start - (data.rfind(b"\n", 0, fault.start) + 1) + 1
            return SchemaText(None, (SchemaProblem(line, column, "this byte is not UTF-8 text"),))
    else:
        text = data
        if len(text) > SIZE_LIMIT:
            return SchemaText(None, (SchemaProblem(1, 1, f"the schema is larger than {SIZE_LIMIT:,} characters"),))
    return _Reader(text.replace("\r\n", "\n").replace("\r", "\n")).read()


class _Token(NamedTuple):
    kind: str  # "word", "quoted", "mark" or "end"
    text: str
    offset: int

    @property
    def shown(self) -> str:
        if self.kind == "end":
            return "the end of the file"
        text = self.text if len(self.text) <= SHOWN_LIMIT else self.text[: SHOWN_LIMIT - 1] + "…"
        return f'"{text}"'


class _Halt(Exception):
    """The rest of the text is not worth reading."""


class _Lost(Exception):
    """The current item cannot be understood; reading goes on behind it."""


class _Reader:
    """A recursive-descent reader that goes on after a problem, at the next item or statement."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._problems: list[SchemaProblem] = []
        self._doubts: set[str] = set()
        self._broken = False
        self._tokens = self._lex()
        self._types: dict[str, RecordType] = {}
        self._roles: dict[str, Role] = {}
        self._granted: list[tuple[str, _Token]] = []
        self._token = _Token("end", "", 0)

    def read(self) -> SchemaText:
        try:
            self._step()
            self._schema()
        except _Halt:
            self._broken = True
        if not self._broken:
            self._judge_roles()
        schema = None if self._broken else Schema(tuple(self._types.values()), tuple(self._roles.values()))
        return SchemaText(schema, tuple(sorted(self._problems, key=lambda problem: (problem.line, problem.column))))

    # Tokens

    def _lex(self) -> Iterator[_Token]:
        text, offset = self._text, 0
        if text.startswith("\ufeff"):
            self._doubt("mark", "a byte-order mark; Apple does not say whether it is accepted", 0)
            offset = 1
        while offset < len(text):
            match = _TOKEN.match(text, offset)
            if match is None:
                offset = self._stray(offset)
                continue
            if match.lastgroup != "space":
                kind = match.lastgroup or ""
                yield _Token(kind, match[kind], offset)
            offset = match.end()
        end = _Token("end", "", len(text))
        while True:
            yield end

    def _stray(self, offset: int) -> int:
        """Report what is no token; the offset behind it."""
        if self._text.startswith("/*", offset):
            self._report("this comment is never closed", offset)
            raise _Halt
        if self._text[offset] == '"':
            self._report("this name has no closing double quote on its line", offset)
            self._broken = True
            end = self._text.find("\n", offset)
            return end if end >= 0 else len(self._text)
        self._report(f"the character {self._text[offset]!r} has no meaning here", offset)
        self._broken = True
        return offset + 1

    def _step(self) -> _Token:
        """The current token; moves on to the next."""
        token, self._token = self._token, next(self._tokens)
        return token

    def _at_mark(self, mark: str) -> bool:
        return self._token.kind == "mark" and self._token.text == mark

    def _at_word(self, *words: str) -> bool:
        return self._token.kind == "word" and self._token.text.upper() in words

    def _keyword(self, *words: str) -> str:
        """Take one of these keywords, in capitals; raises _Lost when something else is there."""
        if not self._at_word(*words):
            raise self._lost(" or ".join(words))
        token = self._step()
        upper = token.text.upper()
        if token.text != upper:
            self._doubt(
                "case", f"Apple writes {upper} in capitals and does not say that {token.text} is read", token.offset
            )
        return upper

    def _mark(self, mark: str) -> None:
        if not self._at_mark(mark):
            raise self._lost(f'"{mark}"')
        self._step()

    # Problems

    def _report(self, summary: str, offset: int, *, certain: bool = True) -> None:
        if len(self._problems) >= PROBLEM_LIMIT:
            raise _Halt
        line = bisect_right(self._starts, offset)
        self._problems.append(SchemaProblem(line, offset - self._starts[line - 1] + 1, summary, certain))

    def _doubt(self, kind: str, summary: str, offset: int) -> None:
        """Report what Apple leaves unsaid, once per kind."""
        if kind not in self._doubts:
            self._doubts.add(kind)
            self._report(summary, offset, certain=False)

    def _lost(self, expected: str) -> _Lost:
        self._broken = True
        self._report(f"{self._token.shown} is found where {expected} is expected", self._token.offset)
        return _Lost()

    # Grammar

    def _schema(self) -> None:
        if self._token.kind == "end":
            self._broken = True
            self._report("the file holds no schema: it must begin with DEFINE SCHEMA", self._token.offset)
            return
        if self._at_word("DEFINE"):
            try:
                self._keyword("DEFINE")
                self._keyword("SCHEMA")
            except _Lost:
                self._skip_to_statement()
        else:
            self._report("DEFINE SCHEMA is missing before the first statement", self._token.offset)
        while self._token.kind != "end":
            try:
                self._statement()
            except _Lost:
                self._skip_to_statement()

    def _statement(self) -> None:
        if self._at_word("CREATE"):
            self._create_role()
        elif self._at_word("RECORD"):
            self._record_type()
        else:
            raise self._lost("CREATE ROLE or RECORD TYPE")
        if self._at_mark(";"):
            self._step()
        elif self._token.kind == "end" or self._at_word("CREATE", "RECORD"):
            self._report('";" is missing after the statement before this place', self._token.offset)
        else:
            raise self._lost('";"')

    def _skip_to_statement(self) -> None:
        while self._token.kind != "end":
            if self._step_over(";"):
                return

    def _step_over(self, mark: str) -> bool:
        token = self._step()
        return token.kind == "mark" and token.text == mark

    def _create_role(self) -> None:
        self._keyword("CREATE")
        self._keyword("ROLE")
        token = self._name("a role's name")
        if token.text in self._roles:
            self._report(f"the role {token.text} is created twice", token.offset)
            return
        self._roles[token.text] = Role(token.text, *self._place(token))

    def _record_type(self) -> None:
        self._keyword("RECORD")
        self._keyword("TYPE")
        token = self._name("a record type's name")
        self._mark("(")
        fields: dict[str, SchemaField] = {}
        grants: list[Grant] = []
        if self._at_mark(")"):
            self._doubt("empty", "Apple does not say that a record type may be empty", self._token.offset)
        while not self._at_mark(")"):
            self._item(fields, grants)
            if self._at_mark(","):
                self._step()
                if self._at_mark(")"):
                    self._doubt("comma", "Apple shows no comma after the last item", self._token.offset)
            elif not self._at_mark(")"):
                raise self._lost('"," or ")"')
        self._mark(")")
        if token.text in self._types:
            self._report(f"the record type {token.text} is defined twice", token.offset)
            return
        self._types[token.text] = RecordType(token.text, tuple(fields.values()), tuple(grants), *self._place(token))

    def _item(self, fields: dict[str, SchemaField], grants: list[Grant]) -> None:
        if self._at_mark(","):
            self._doubt("item", "Apple shows nothing empty between two commas", self._token.offset)
            return
        try:
            if self._at_word("GRANT"):
                grants.append(self._grant())
            else:
                self._field(fields)
        except _Lost:
            while self._token.kind != "end" and not any(map(self._at_mark, ",);")):
                self._step()

    def _field(self, fields: dict[str, SchemaField]) -> None:
        token = self._name("a field's name")
        place = self._token
        type_ = self._type()
        found: list[str] = []
        while self._at_word(*INDEXES):
            offset = self._token.offset
            index = self._keyword(*INDEXES)
            if index in found:
                self._doubt("index", f"{index} is said twice of {token.text}", offset)
            found.append(index)
        if not (self._at_mark(",") or self._at_mark(")")):
            raise self._lost('QUERYABLE, SORTABLE, SEARCHABLE, "," or ")"')
        self._judge_system_field(token, place, type_)
        if token.text in fields:
            self._report(f"the field {token.text} is defined twice", token.offset)
            return
        indexes = tuple(index for index in INDEXES if index in found)
        fields[token.text] = SchemaField(token.text, type_, indexes, *self._place(token))

    def _type(self) -> FieldType:
        if not self._at_word("LIST"):
            return self._primitive(is_list=False)
        self._keyword("LIST")
        self._mark("<")
        type_ = self._primitive(is_list=True)
        self._mark(">")
        return type_

    def _primitive(self, *, is_list: bool) -> FieldType:
        encrypted = self._at_word("ENCRYPTED")
        if encrypted:
            self._keyword("ENCRYPTED")
        if not self._at_word(*(_ENCRYPTABLE if encrypted else _PRIMITIVES)):
            raise self._lost("a type that can be encrypted" if encrypted else "a type")
        name = self._keyword(*_PRIMITIVES)
        preferred = ""
        if name == "NUMBER" and self._at_word("PREFERRED"):
            self._keyword("PREFERRED")
            self._keyword("AS")
            preferred = self._keyword(*_NUMBERS)
        return FieldType(name, is_list, encrypted, preferred)

    def _grant(self) -> Grant:
        place = self._token
        self._keyword("GRANT")
        found = [self._keyword(*PERMISSIONS)]
        while self._at_mark(","):
            self._step()
            offset = self._token.offset
            permission = self._keyword(*PERMISSIONS)
            if permission in found:
                self._doubt("permission", f"{permission} is granted twice in one clause", offset)
            found.append(permission)
        self._keyword("TO")
        role = self._name("a role's name")
        self._granted.append((role.text, role))
        permissions = tuple(permission for permission in PERMISSIONS if permission in found)
        return Grant(permissions, role.text, *self._place(place))

    # Names

    def _name(self, expected: str) -> _Token:
        if self._token.kind not in ("word", "quoted") or not self._token.text:
            raise self._lost(expected)
        token = self._step()
        if token.kind == "word":
            if token.text.startswith("_"):
                self._report(f"the system name {token.text} must be in double quotes", token.offset)
            elif token.text.lower() in _RESERVED:
                self._report(f"{token.text} is a reserved word; as a name it must be in double quotes", token.offset)
        elif not token.text.startswith(("_", "cloudkit.")) and not _USER_NAME.fullmatch(token.text):
            rule = "a name begins with a letter and holds letters, digits and underscores only"
            self._report(f"{token.shown} is not a name: {rule}", token.offset)
        return token

    def _judge_system_field(self, token: _Token, place: _Token, type_: FieldType) -> None:
        fixed = IMPLICIT_FIELDS.get(token.text)
        if fixed and type_ != FieldType(fixed):
            self._report(f"the system field {token.text} is always {fixed}, not {type_}", place.offset)
        elif token.text.startswith("_") and not fixed and not token.text.startswith("_pcs"):
            self._doubt(
                f"system {token.text}",
                f"{token.text} is not among the system fields that Apple names; a leading underscore is reserved",
                token.offset,
            )

    def _judge_roles(self) -> None:
        for role, token in self._granted:
            if role not in IMPLICIT_ROLES and role not in self._roles:
                summary = f"the role {role} is granted a permission but no CREATE ROLE names it"
                try:
                    self._doubt(f"role {role}", summary, token.offset)
                except _Halt:
                    return

    def _place(self, token: _Token) -> tuple[int, int]:
        line = bisect_right(self._starts, token.offset)
        return line, token.offset - self._starts[line - 1] + 1
