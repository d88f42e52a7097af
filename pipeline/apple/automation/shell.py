"""Reads shell scripts as far as they can be read without being run: commands, literal words, here-documents.

Grammar: POSIX.1-2024, Shell Command Language, 2.2 to 2.10, and what bash adds. What a script computes stays unknown.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import field

from pipeline.values import dataclass

SIZE_LIMIT = 512 * 1024
COMMAND_LIMIT = 20_000
WORD_LIMIT = 2_000
DEPTH_LIMIT = 40
SOURCE_LIMIT = 300
"""Characters that are kept of what only the shell can tell."""

Parts = tuple[tuple[str, str], ...]
"""Pieces of a word: ("", literal), ("$", name of a variable), ("{", a workflow's expression), ("?", what only the
shell can tell, as it is written)."""

_GAP = re.compile(r"(?:[ \t\f\v]|\\\r?\n)+")
_OPERATOR = re.compile(r"\r?\n|;;&?|;&|&&|\|\||\|&|&>>?|[;&|()]")
_REDIRECT = re.compile(r"\d*(?:>>|>\||>&|<&|<<<|<>|[<>])")
_HEREDOC = re.compile(r"""\d*<<(-?)[ \t]*('[^'\n]*'|"[^"\n]*"|\\?[\w.!@%+-]+)""")
_PLAIN = re.compile(r"""[^\s\\'"`$;&|()<>]+""")
_EXPRESSION = re.compile(r"\$\{\{((?:[^}]|\}(?!\})){0,500})\}\}")
_NAME = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\}|\(([A-Z_]\w*)\))")
_BRACED = re.compile(r"\$\{[^{}\n]*\}")
_DOLLAR = re.compile(r"\$(?:[0-9@*#?$!-]|\{)?")
_ARGUMENT = re.compile(r"\$(?:[1-9]|\{[1-9]\})")
_SINGLE = re.compile(r"'([^']*)'")
_QUOTED = re.compile(r'[^"\\$`]+')
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?)=")


@dataclass(frozen=True)
class Word:
    """A word of a command. `line` counts from 1 in the text that was read."""

    parts: Parts
    line: int

    @property
    def literal(self) -> str | None:
        """The text, when nothing in it has to be looked up."""
        return "".join(text for _, text in self.parts) if all(not kind for kind, _ in self.parts) else None

    def resolved(self, names: Mapping[str, str]) -> str | None:
        """The text with the given variables; None when something else is in it."""
        found = []
        for kind, text in self.parts:
            if not kind:
                found.append(text)
            elif kind in "${" and (value := names.get(text)) is not None:
                found.append(value)
            else:
                return None
        return "".join(found)


@dataclass(frozen=True)
class Command:
    """A simple command.

    Attributes:
        words: its words without the assignments before it and without redirections.
        assigned: the assignments before it; all there is where it has no words.
        outputs: the files that it is redirected into.
        text: the here-document that it is given; None when there is none.
        text_line: the line on which that begins.
        scope: the subshells around it, each by its number.
        tolerated: it is not always run, or may fail.
    """

    words: tuple[Word, ...]
    assigned: tuple[tuple[str, Word], ...] = ()
    outputs: tuple[Word, ...] = ()
    text: str | None = None
    text_line: int = 0
    scope: tuple[int, ...] = ()
    tolerated: bool = False
    line: int = 1


@dataclass
class _Draft:
    words: list[Word] = field(default_factory=list)
    assigned: list[tuple[str, Word]] = field(default_factory=list)
    outputs: list[Word] = field(default_factory=list)
    text: str | None = None
    text_line: int = 0
    scope: tuple[int, ...] = ()
    tolerated: bool = False
    line: int = 1

    def done(self) -> Command:
        return Command(
            tuple(self.words),
            tuple(self.assigned),
            tuple(self.outputs),
            self.text,
            self.text_line,
            self.scope,
            self.tolerated,
            self.line,
        )


_OPENING = frozenset({"if", "while", "until"})
_BODY = frozenset({"then", "do", "else", "elif", "!", "{", "}", "time"})
_CLOSING = {"fi": "if", "done": "do", "esac": "case"}
_TESTS = frozenset({"[", "[[", "test", "grep", "command", "which", "type", "ls", "hash", "!"})


def read(text: str) -> tuple[Command, ...]:
    """The commands of a script, in the order in which they are written. Never fails: what is odd is left out."""
    return tuple(_Reader(text[:SIZE_LIMIT]).commands())


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted = 0
        self._drafts: list[_Draft] = []
        self._pending: list[tuple[_Draft, str, bool]] = []
        self._blocks: list[str] = []
        self._scope: tuple[int, ...] = ()
        self._scopes = 0
        self._chain = 0
        self._tested = False
        self._draft = _Draft()

    def commands(self) -> Iterator[Command]:
        text = self._text
        while self._at < len(text) and len(self._drafts) < COMMAND_LIMIT:
            if gap := _GAP.match(text, self._at):
                self._at = gap.end()
                continue
            if text[self._at] == "#":
                end = text.find("\n", self._at)
                self._at = len(text) if end < 0 else end
                continue
            if heredoc := _HEREDOC.match(text, self._at):
                self._begin_text(heredoc)
            elif redirect := _REDIRECT.match(text, self._at):
                self._redirect(redirect)
            elif operator := _OPERATOR.match(text, self._at):
                self._operate(operator)
            else:
                self._word()
        self._end("")
        return (draft.done() for draft in self._drafts)

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def _word(self) -> None:
        line = self._here()
        before = self._at
        parts = self._parts()
        if self._at == before:
            self._at += 1
            return
        draft = self._draft
        first = parts[0] if parts else ("", "")
        if not draft.words and not first[0] and (match := _ASSIGNMENT.match(first[1])):
            if len(parts) == 1 and match.end() == len(first[1]) and self._text.startswith("(", self._at):
                self._skip_array()
                parts = (("?", ""),)
            else:
                parts = (("", first[1][match.end() :]), *parts[1:])
            if match[2]:
                parts = (("?", ""),)
            draft.assigned.append((match[1], Word(parts, line)))
            draft.line = draft.line if draft.assigned[1:] or draft.words else line
            return
        word = Word(parts, line)
        if not draft.words and not draft.assigned:
            draft.line = line
            if self._keyword(word.literal):
                return
        if len(draft.words) < WORD_LIMIT:
            draft.words.append(word)

    def _keyword(self, text: str | None) -> bool:
        if text in _OPENING:
            self._blocks.append("if" if text == "if" else "do")
        elif text in ("for", "select", "case"):
            self._blocks.append("case" if text == "case" else "do")
            return False
        elif text in _CLOSING:
            if _CLOSING[text] in self._blocks:
                while self._blocks.pop() != _CLOSING[text]:
                    pass
        elif text not in _BODY:
            return False
        return True

    def _skip_array(self) -> None:
        end = self._balanced(self._at, "(", ")")
        self._at = end

    def _balanced(self, at: int, opener: str, closer: str) -> int:
        """The position after the closing bracket; quotes are passed over."""
        depth, text = 0, self._text
        end = min(len(text), at + SIZE_LIMIT)
        while at < end:
            character = text[at]
            if character == "\\":
                at += 1
            elif character == "'":
                closing = text.find("'", at + 1)
                at = end if closing < 0 else closing
            elif character == '"':
                at += 1
                while at < end and text[at] != '"':
                    at += 2 if text[at] == "\\" else 1
            elif character == opener:
                depth += 1
            elif character == closer:
                depth -= 1
                if not depth:
                    return at + 1
            at += 1
        return end

    def _parts(self) -> Parts:
        found: list[tuple[str, str]] = []
        text = self._text
        while self._at < len(text):
            character = text[self._at]
            if plain := _PLAIN.match(text, self._at):
                found.append(("", plain[0]))
                self._at = plain.end()
            elif character == "\\":
                if text.startswith(("\\\n", "\\\r\n"), self._at):
                    break
                found.append(("", text[self._at + 1 : self._at + 2]))
                self._at += 2
            elif character == "'":
                single = _SINGLE.match(text, self._at)
                if single is None:
                    self._at = len(text)
                    found.append(("?", ""))
                else:
                    found.append(("", single[1]))
                    self._at = single.end()
            elif character == '"':
                found.append(("", ""))
                found.extend(self._double())
            elif character in "$`":
                found.append(self._expansion())
            else:
                break
        return _joined(found)

    def _double(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        text = self._text
        self._at += 1
        while self._at < len(text):
            character = text[self._at]
            if character == '"':
                self._at += 1
                break
            if plain := _QUOTED.match(text, self._at):
                found.append(("", plain[0]))
                self._at = plain.end()
            elif character == "\\":
                following = text[self._at + 1 : self._at + 2]
                if following != "\n":
                    found.append(("", following if following in '$`"\\' else f"\\{following}"))
                self._at += 2
            else:
                found.append(self._expansion())
        return found

    def _expansion(self) -> tuple[str, str]:
        text = self._text
        if text[self._at] == "`":
            closing = text.find("`", self._at + 1)
            self._at = len(text) if closing < 0 else closing + 1
            return ("?", "")
        if expression := _EXPRESSION.match(text, self._at):
            self._at = expression.end()
            return ("{", expression[1].strip())
        if name := _NAME.match(text, self._at):
            self._at = name.end()
            return ("$", name[1] or name[2] or name[3])
        if text.startswith("$(", self._at):
            begin = self._at
            self._at = self._balanced(self._at + 1, "(", ")")
            return ("?", text[begin : self._at][:SOURCE_LIMIT])
        if argument := _ARGUMENT.match(text, self._at):
            self._at = argument.end()
            return ("?", argument[0])
        if text.startswith("${", self._at):
            braced = _BRACED.match(text, self._at)
            self._at = braced.end() if braced else self._balanced(self._at + 1, "{", "}")
            return ("?", "")
        if text.startswith("$'", self._at):
            self._at += 1
            return ("", "")
        match = _DOLLAR.match(text, self._at)
        self._at = match.end() if match else self._at + 1
        return ("?", "")

    def _redirect(self, match: re.Match[str]) -> None:
        self._at = match.end()
        if gap := _GAP.match(self._text, self._at):
            self._at = gap.end()
        line = self._here()
        parts = self._parts()
        if parts and match[0].endswith((">", ">|")):
            self._draft.outputs.append(Word(parts, line))

    def _begin_text(self, match: re.Match[str]) -> None:
        self._at = match.end()
        delimiter = match[2]
        self._pending.append((self._draft, delimiter.strip("'\"").lstrip("\\"), bool(match[1])))

    def _operate(self, match: re.Match[str]) -> None:
        operator = match[0]
        self._at = match.end()
        if operator.startswith("&>"):
            self._redirect(match)
            return
        if operator == "(":
            self._open()
        elif operator == ")":
            self._close()
        else:
            self._end(operator)
            if operator.endswith("\n") and self._pending:
                self._texts()

    def _open(self) -> None:
        text = self._text
        if len(self._draft.words) == 1 and text.startswith(")", self._at):
            # `name() {`: a function; its body is read where it stands.
            self._at += 1
            self._draft = self._fresh()
        elif not self._draft.words and text.startswith("(", self._at):
            self._at = self._balanced(self._at - 1, "(", ")")
        elif not self._draft.words and len(self._scope) < DEPTH_LIMIT:
            self._scopes += 1
            self._scope = (*self._scope, self._scopes)
            self._draft = self._fresh()

    def _close(self) -> None:
        if "case" in self._blocks and (not self._scope or self._draft.words):
            self._draft = self._fresh()
            return
        self._end(")")
        self._scope = self._scope[:-1]
        self._draft = self._fresh()

    def _fresh(self) -> _Draft:
        guarded = any(block in ("if", "case") for block in self._blocks)
        return _Draft(scope=self._scope, tolerated=guarded or self._tested, line=self._here())

    def _end(self, operator: str) -> None:
        draft = self._draft
        if draft.words or draft.assigned or draft.text is not None or draft.outputs:
            # A block may have been opened by this command's own keyword: `if xcodebuild …; then`.
            if any(block in ("if", "case") for block in self._blocks):
                draft.tolerated = True
            self._drafts.append(draft)
        if operator == "||":
            for one in self._drafts[self._chain :]:
                one.tolerated = True
            self._tested = True
        elif operator == "&&":
            first = draft.words[0].literal if draft.words else ""
            self._tested = self._tested or first in _TESTS
        elif operator not in ("|", "|&", ")"):
            self._chain = len(self._drafts)
            self._tested = False
        self._draft = self._fresh()

    def _texts(self) -> None:
        for draft, delimiter, stripped in self._pending:
            begin = self._at
            line = self._here()
            while True:
                end = self._text.find("\n", self._at)
                row = self._text[self._at : len(self._text) if end < 0 else end].rstrip("\r")
                if (row.lstrip("\t") if stripped else row) == delimiter or end < 0:
                    break
                self._at = end + 1
            draft.text, draft.text_line = self._text[begin : self._at], line
            self._at = len(self._text) if end < 0 else end + 1
        self._pending.clear()


def _joined(parts: list[tuple[str, str]]) -> Parts:
    found: list[tuple[str, str]] = []
    for kind, text in parts:
        if not kind and found and not found[-1][0]:
            found[-1] = ("", found[-1][1] + text)
        else:
            found.append((kind, text))
    return tuple(found)


_DECLARING = frozenset({"export", "local", "readonly", "declare", "typeset"})
_ASSIGNING = frozenset({"read", "for", "select", "getopts", "mapfile", "readarray", "unset"})
_SOURCING = frozenset({"source", ".", "eval"})


def assignments(commands: tuple[Command, ...]) -> Iterator[tuple[str, Word | None]]:
    """Every variable that a script sets, with the word it is set to; None for what cannot be told."""
    for command in commands:
        if not command.words:
            yield from command.assigned
            continue
        first = command.words[0].literal
        if first in _DECLARING:
            for word in command.words[1:]:
                head = word.parts[0] if word.parts else ("?", "")
                if not head[0] and (match := _ASSIGNMENT.match(head[1])):
                    yield match[1], Word((("", head[1][match.end() :]), *word.parts[1:]), word.line)
        elif first in _ASSIGNING:
            for word in command.words[1:]:
                if (text := word.literal) and text.isidentifier():
                    yield text, None


ROOT = "\0"
"""Begins a path of which the script itself says that it starts at the repository's root."""

_OWN = r"""\$(?:\{BASH_SOURCE\[0\]\}|\{BASH_SOURCE\}|BASH_SOURCE|0|\{0\}|\{\(%\):-%[xN]\})"""
_OWN_FOLDER = re.compile(rf"""\$\(\s*dirname\s+(?:--\s+)?"?{_OWN}"?\s*\)""")
_ENTERED = re.compile(
    r"""\$\(\s*cd\s+(?:-P\s+)?(?:--\s+)?"?([^"&;|]*)"?\s*(?:>\s*/dev/null\s*(?:2>&1)?\s*)?(?:&&|;)\s*pwd(?:\s+-P)?\s*\)"""
)
_PARENT = re.compile(r"""\$\(\s*dirname\s+"?\$\{?(\w+)\}?"?\s*\)""")
_TOP = re.compile(r"""\$\(\s*git\s+rev-parse\s+--show-toplevel\s*\)""")


def place_of(source: str, own: str, names: Mapping[str, str]) -> str | None:
    """The folder that a command substitution gives, where it is one of the usual ways to find the repository."""
    source = _OWN_FOLDER.sub(lambda _: f"{ROOT}/{own}", source)
    if _TOP.fullmatch(source):
        return ROOT
    if (match := _PARENT.fullmatch(source)) and names.get(match[1], "").startswith(ROOT):
        return posixpath.dirname(names[match[1]].rstrip("/")) or ROOT
    if match := _ENTERED.fullmatch(source):
        source = match[1]
    told = re.sub(r"\$\{?(\w+)\}?", lambda found: names.get(found[1], "$"), source).strip('"')
    if not told.startswith(ROOT) or "$" in told:
        return None
    inner = posixpath.normpath(f"./{told.removeprefix(ROOT).lstrip('/')}")
    return None if inner.startswith("..") else ROOT if inner == "." else f"{ROOT}/{inner}"


def constants(commands: tuple[Command, ...], outer: Mapping[str, str], own: str | None = None) -> dict[str, str]:
    """The variables that have one value throughout: set once, to a literal or to other such variables.

    `own` is the folder of the script itself, relative to the root; None where the text is no script of its own.
    """
    if any(command.words and command.words[0].literal in _SOURCING for command in commands):
        return {}
    held: dict[str, list[Word | None]] = {}
    for name, word in assignments(commands):
        held.setdefault(name, []).append(word)
    found = {name: text for name, text in outer.items() if name not in held}
    for _ in range(4):
        for name, words in held.items():
            word = words[0]
            if len(words) == 1 and word is not None and name not in found:
                value = word.resolved(found)
                if value is None and own is not None and len(word.parts) <= 2 and word.parts[-1][0] == "?":
                    value = place_of(word.parts[-1][1], own, found)
                if value is not None:
                    found[name] = value
    return found


def folder_after(command: Command, folder: str | None, names: Mapping[str, str], own: str | None = None) -> str | None:
    """The working folder after a command, relative to the root; None when it cannot be told."""
    first = command.words[0].literal if command.words else ""
    if first not in ("cd", "pushd"):
        return None if first == "popd" else folder
    told = [word for word in command.words[1:] if word.literal not in ("-P", "-L", "--")]
    if len(told) != 1:
        return None
    target = told[0].resolved(names)
    if target is None and own is not None:
        source = "".join(text if kind in ("", "?") else f"${{{text}}}" for kind, text in told[0].parts)
        target = place_of(source, own, names)
    if target is not None and target.startswith(ROOT):
        return posixpath.normpath(f"./{target.removeprefix(ROOT).lstrip('/')}")
    if not target or folder is None or target.startswith(("/", "~", "-")):
        return None
    return posixpath.normpath(posixpath.join(folder, target))
