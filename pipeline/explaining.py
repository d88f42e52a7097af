"""`build.explain`: what a rule means, and which rules would have found what Apple answers to an upload."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib.resources import files
from io import SEEK_END, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pipeline.model import UsageFault
from pipeline.telling import Options, printed
from pipeline.values import dataclass

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from pipeline.apple.rejections.catalogue import Rejection
    from pipeline.reports.terminal import Look

_RULE = re.compile(r"[A-Z]{3,4}\d{3}")
_APPLES = re.compile(r"(?:ITMS-)?(9[01]\d{3})", re.IGNORECASE)
_SAID = re.compile(r"(?<![\d.])(9[01]\d{3})(?!\d)")
_STANDARD_INPUT = "-"
_LONGEST_PATH = 200
_BLOCK = 1 << 20
_SHOWN = 5


def explain(options: Options) -> int:
    """Tell the pages of the rules in `rule`, which may also be codes of Apple's, or what Apple says in `text`.

    With neither, all rules are listed. A `text` of "-" is read from standard input, and one that is a file's name from
    that file; of a long one the end is read.

    Raises:
        UsageFault: there is no such rule, nothing is known of such a code, or of anything in the text, or the file
            cannot be read.
    """
    pages = Pages.found()
    words: tuple[str, ...] = options.get("rule", ())
    told: list[Listed | Page | Answer | Unknown] = [_asked(word, pages) for word in words]
    if text := options.get("text", ""):
        told += _answers(_read(text), pages)
    told = told or [Listed(pages)]
    if options.get("json"):
        from json import dumps

        document: dict[str, list[Any]] = {}
        for each in told:
            document.setdefault(each.kind, []).extend(each.told())
        printed(dumps(document, indent=2, ensure_ascii=False) + "\n")
    else:
        from pipeline.reports.terminal import look

        printed("\n".join(each.shown(look(sys.stdout)) for each in told))
    return 0


@dataclass(frozen=True)
class Pages:
    """The rules' pages: beside the code where the pipeline is installed, in docs/ in a checkout."""

    folder: Traversable
    names: tuple[str, ...]

    @classmethod
    def found(cls) -> Pages:
        """The pages that came with this pipeline.

        Raises:
            UsageFault: there are none: it was taken out of its checkout without them.
        """
        installed = files("pipeline") / "pages"
        for folder in (installed, Path(__file__).parents[1] / "docs" / "rules"):
            if folder.is_dir():
                named = (each.name.removesuffix(".md") for each in folder.iterdir() if each.name.endswith(".md"))
                if names := tuple(sorted(name for name in named if _RULE.fullmatch(name))):
                    return cls(folder, names)
        raise UsageFault(
            "the rules' pages are not here",
            why=f"neither in {installed} nor in docs/rules of a checkout",
            remedy="install the pipeline as a wheel, or run it from its checkout",
        )

    def text(self, rule: str) -> str:
        """One page, as Markdown."""
        return (self.folder / f"{rule}.md").read_text(encoding="utf-8")

    def title(self, rule: str) -> str:
        """What holds where the rule does: the first line, without the rule's name."""
        from pipeline.reports.page import title_of

        return title_of(self.text(rule)).partition(": ")[2]

    def saying(self, code: str) -> tuple[str, ...]:
        """The rules whose page names a code of Apple's."""
        return tuple(rule for rule in self.names if code in _SAID.findall(self.text(rule)))


@dataclass(frozen=True)
class Listed:
    """All rules."""

    pages: Pages
    kind = "rules"

    def told(self) -> list[dict[str, Any]]:
        """As plain JSON values."""
        return [{"rule": rule, "title": self.pages.title(rule)} for rule in self.pages.names]

    def shown(self, look: Look) -> str:
        """One line a rule."""
        rows = _rules_shown(self.pages.names, self.pages, look)
        return look.sealed("\n".join(rows)) + "\n"


@dataclass(frozen=True)
class Page:
    """One rule's page."""

    rule: str
    pages: Pages
    kind = "rules"

    def told(self) -> list[dict[str, Any]]:
        """As plain JSON values: each section of the page in Markdown, by its heading."""
        from pipeline.reports.page import sections

        parts = sections(self.pages.text(self.rule))
        return [
            {
                "rule": self.rule,
                "title": self.pages.title(self.rule),
                "meaning": parts.pop("", ""),
                "sections": [{"heading": heading, "text": text} for heading, text in parts.items()],
            }
        ]

    def shown(self, look: Look) -> str:
        """The page for a terminal."""
        from pipeline.reports.page import render

        return render(self.pages.text(self.rule), look)


@dataclass(frozen=True)
class Answer:
    """What Apple says, and the rules that find it before an upload; `rejection` is None for a code of pages alone."""

    code: str
    rejection: Rejection | None
    pages: Pages
    kind = "answers"

    @property
    def rules(self) -> tuple[str, ...]:
        """The nearest first: as the catalogue has them, then whatever page names the code."""
        known = [rule for rule in self.rejection.rules if rule in self.pages.names] if self.rejection else []
        codes = self.rejection.codes if self.rejection else (self.code,)
        named = [rule for code in codes for rule in self.pages.saying(code)]
        return tuple(dict.fromkeys((*known, *named)))

    def told(self) -> list[dict[str, Any]]:
        """As plain JSON values."""
        told: dict[str, Any] = {"code": f"ITMS-{self.code}" if self.code else ""}
        if one := self.rejection:
            told |= {
                "title": one.title,
                "codes": list(one.codes),
                "fate": str(one.fate),
                "since": one.since,
                "before": str(one.before or ""),
                "not_decided": one.not_decided,
                "remedy": one.remedy,
                "sources": [source.url for source in one.sources],
            }
        return [{**told, "rules": [{"rule": rule, "title": self.pages.title(rule)} for rule in self.rules]}]

    def shown(self, look: Look) -> str:
        """A headline, what becomes of the build, and a line for each rule."""
        from pipeline.reports.text import wrapped

        name = f"ITMS-{self.code}" if self.code else "without a code"
        head = f"{name}: {self.rejection.title}" if self.rejection else f"{name}: named by these rules"
        lines = [look.paint(line, "bold") for line in wrapped(head, look.width)]
        if self.rejection:
            lines += wrapped(f"Such a build is {self.rejection.told}.", look.width)
            lines += ["", *wrapped(self.rejection.remedy, look.width)]
        if self.rules:
            lines += ["", *_rules_shown(self.rules, self.pages, look), ""]
            lines += wrapped(f"`build.explain {self.rules[0]}` shows a wrong and a right example.", look.width)
        else:
            lines += ["", *wrapped("No rule here finds it before an upload.", look.width)]
        if self.rejection and self.rejection.not_decided:
            lines += wrapped(f"Not decided: {self.rejection.not_decided}", look.width)
        if self.rejection:
            lines += ["", f"Seen at {self.rejection.source}"]
        return look.sealed("\n".join(lines)) + "\n"


@dataclass(frozen=True)
class Unknown:
    """Codes of Apple's that stand in a text and of which nothing is known here."""

    codes: tuple[str, ...]
    kind = "answers"

    @property
    def told_of(self) -> str:
        """The codes as Apple's mails write them, as many as can be shown."""
        more = len(self.codes) - _SHOWN
        return ", ".join(f"ITMS-{code}" for code in self.codes[:_SHOWN]) + (f" and {more:,} more" if more > 0 else "")

    def told(self) -> list[dict[str, Any]]:
        """As plain JSON values: an answer without a title for each."""
        return [{"code": f"ITMS-{code}", "title": "", "rules": []} for code in self.codes]

    def shown(self, look: Look) -> str:
        """A headline, and what can be done."""
        from pipeline.reports.text import wrapped

        lines = [look.paint(line, "bold") for line in wrapped(f"{self.told_of}: nothing is known here", look.width)]
        lines += wrapped(
            "Apple has more codes than anybody has seen. What it says beside the code is all there is.", look.width
        )
        return look.sealed("\n".join(lines)) + "\n"


def _rules_shown(rules: Sequence[str], pages: Pages, look: Look) -> Iterator[str]:
    from pipeline.reports.text import wrapped

    widest = max(map(len, rules), default=0)
    for rule in rules:
        first, *rest = wrapped(pages.title(rule), look.width - widest - 4)
        yield f"  {look.paint(rule, 'bold')}{' ' * (widest - len(rule))}  {first}"
        yield from (" " * (widest + 4) + line for line in rest)


def _asked(word: str, pages: Pages) -> Page | Answer:
    rule = word.strip().upper()
    if rule in pages.names:
        return Page(rule, pages)
    if found := _APPLES.fullmatch(word.strip()):
        answer = Answer(found[1], _known().get(found[1]), pages)
        if answer.rejection or answer.rules:
            return answer
        raise UsageFault(
            f"nothing is known here of ITMS-{found[1]}",
            why="Apple has more codes than anybody has seen",
            remedy="give Apple's whole message with --text: it may be told by its words",
        )
    if said := _said(word):
        return Answer(next(iter(said.codes), ""), said, pages)
    close = get_close_matches(rule[:_LONGEST], pages.names, 3, 0.6)
    raise UsageFault(
        f"there is no rule {word[:_LONGEST]!r}",
        remedy=f"did you mean {', '.join(close)}?" if close else "`build.explain` lists them all",
    )


_LONGEST = 40
"""How much of a mistyped word is compared and repeated."""


def _known() -> Mapping[str, Rejection]:
    from pipeline.apple.rejections.catalogue import REJECTIONS

    return {code: rejection for rejection in REJECTIONS for code in rejection.codes}


def _said(word: str) -> Rejection | None:
    """What Apple means by words that are given in place of a code, such as "Missing Compliance"."""
    from pipeline.apple.rejections.matching import explain_rejection

    return next(iter(explain_rejection(word)), None)


def _answers(text: str, pages: Pages) -> list[Answer | Unknown]:
    from pipeline.apple.rejections.matching import codes_in, explain_rejection

    said = codes_in(text)
    found: list[Answer | Unknown] = []
    for rejection in explain_rejection(text):
        code = next((code for code in said if code in rejection.codes), next(iter(rejection.codes), ""))
        found.append(Answer(code, rejection, pages))
    unknown = Unknown(tuple(code for code in said if code not in _known()))
    if not found:
        raise UsageFault(
            "nothing that Apple is known to say stands in the text",
            why=f"{unknown.told_of}: nothing is known here" if unknown.codes else "",
            remedy="give the whole message, as the tool printed it or the mail told it",
        )
    return [*found, unknown] if unknown.codes else found


def _read(text: str) -> str:
    """The text, or what the file of that name holds: its last part, as Apple's answer stands at the end of a log."""
    if text != _STANDARD_INPUT:
        path = _file_of(text)
        return _end_of_file(path) if path else text
    if sys.stdin.isatty():
        raise UsageFault(
            "--text -: there is no text on standard input",
            why="it is a terminal",
            remedy="pipe a log into it, or give the message itself: --text 'ITMS-90717: …'",
        )
    return _end_of(sys.stdin.buffer)


def _file_of(text: str) -> Path | None:
    """The path that a text is, where something is there; None for any other text."""
    try:
        path = Path(text).expanduser()
        return path if path.exists() else None
    except (OSError, ValueError, RuntimeError):
        return None  # too long, with a NUL, or ~ without a home


def _end_of_file(path: Path) -> str:
    from pipeline.apple.rejections.matching import TEXT_LIMIT
    from pipeline.regular import opened

    try:
        with opened(path) as file:
            file.seek(max(0, file.seek(0, SEEK_END) - TEXT_LIMIT))
            return _end_of(file)
    except OSError as fault:
        raise UsageFault(
            f"--text: {str(path)[-_LONGEST_PATH:]} cannot be read",
            why=fault.strerror or str(fault),
            remedy="name a file with Apple's answer, or pipe it in: --text -",
        ) from fault


def _end_of(stream: BinaryIO | RawIOBase) -> str:
    """The last part of a stream, however much comes before."""
    from pipeline.apple.rejections.matching import TEXT_LIMIT

    held = b""
    while block := stream.read(_BLOCK):
        held = (held + block)[-TEXT_LIMIT:]
    return held.decode("utf-8", "replace")
