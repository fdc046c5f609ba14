"""The page's glossary, templates/glossary.yaml, and the words in the text that it explains."""

import re
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup, escape

from model_emotion.base.files import read_yaml
from model_emotion.report.prose import HERE

OPAQUE = ("a", "button", "code", "summary", "label", "h2", "h3", "h4", "svg")
"""Elements whose text is left as it is: they are links or controls, or no prose."""


@dataclass(frozen=True)
class Term:
    """A term, what it means, and the words that are marked in the text."""

    term: str
    means: str
    words: tuple[str, ...]

    @property
    def id(self) -> str:
        """The id of its explanation on the page."""
        return "about-" + re.sub(r"\W+", "-", self.term)


@lru_cache
def glossary() -> tuple[Term, ...]:
    """Read the terms, in the order in which the page lists them."""
    read = read_yaml(HERE / "templates/glossary.yaml")
    return tuple(Term(one["term"], one["means"], tuple(one.get("words", [one["term"]]))) for one in read)


@lru_cache
def _pattern() -> tuple[re.Pattern[str], dict[str, Term]]:
    """Return the pattern that finds the words of all terms, the longest first, and the term of each word."""
    of_word = {word.lower(): term for term in glossary() for word in term.words}
    spaced = (re.escape(word).replace(r"\ ", r"(?:\s|&nbsp;|\xa0)+") for word in of_word)
    longest_first = "|".join(sorted(spaced, key=len, reverse=True))
    return re.compile(rf"(?<![\w.-])(?:{longest_first})(?![\w-])", re.IGNORECASE), of_word


def explained(text: str) -> Markup:
    """Return text, escaped unless it is markup, whose terms are buttons described by the glossary.

    Each term is marked where it comes first. Text within links, controls, headings and code is not.
    """
    pattern, of_word = _pattern()
    marked: set[str] = set()

    def button(found: re.Match[str]) -> str:
        word = found[0]
        term = of_word[re.sub(r"(?:\s|&nbsp;|\xa0)+", " ", word).lower()]
        if term.id in marked:
            return word
        marked.add(term.id)
        return f'<button type="button" class="term" aria-describedby="{term.id}">{word}</button>'

    parts, inside = re.split(r"(<[^>]+>)", str(escape(text))), 0
    for i, part in enumerate(parts):
        tag = re.match(r"<(/?)(\w+)", part)
        if tag and tag[2] in OPAQUE:
            inside += -1 if tag[1] else 1
        elif not tag and not inside:
            parts[i] = pattern.sub(button, part)
    return Markup("".join(parts))
