"""A sentence that remembers its template, so that it can be said in another language with the same numbers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from losscope.errors import LossError, complain, did_you_mean


class Text(str):
    """An English sentence, and what it was made of.

    >>> said = say("It ends at {end:.2f}.", end=0.094)
    >>> said, in_words(said, {"It ends at {end:.2f}.": "最终为 {end:.2f}。"})
    ('It ends at 0.09.', '最终为 0.09。')
    """

    template: str
    values: Mapping[Any, Any]

    def __str__(self) -> str:
        return self  # str() of it would forget the template


def template_of(words: str) -> str:
    """The English template of a sentence in any language; a plain text is its own.

    >>> template_of(in_words(say("holds"), {"holds": "成立"})), template_of("plain")
    ('holds', 'plain')
    """
    return getattr(words, "template", words)


def say(template: str, /, *places: Any, **values: Any) -> Text:
    """`template.format(*places, **values)`; without any the braces of a formula stay as they are."""
    return _made(template, template, dict(enumerate(places)) | values)


def at_most(value: float, digits: int = 1) -> float:
    """What to print after "at most": so many digits, and never less than the value.

    >>> at_most(0.00137), at_most(0.00137, 2), at_most(0.002), at_most(0.0)
    (0.002, 0.0014, 0.002, 0.0)
    """
    return float(Context(prec=digits, rounding=ROUND_CEILING).create_decimal(repr(float(value))))


def at_least(value: float, digits: int = 1) -> float:
    """What to print after "at least": so many digits, and never more than the value.

    >>> at_least(3.72), at_least(3.78, 2)
    (3.0, 3.7)
    """
    return float(Context(prec=digits, rounding=ROUND_FLOOR).create_decimal(repr(float(value))))


def joined(parts: Sequence[str], between: str = "; ") -> Text:
    """Sentences in one, each of which remembers its template.

    >>> joined([say("{n} hold", n=3), "2 do not"])
    '3 hold; 2 do not'
    """
    return say(between.join(f"{{{at}}}" for at in range(len(parts))), *parts)


def _made(template: str, english: str, values: Mapping[Any, Any]) -> Text:
    places = [values[at] for at in range(len(values)) if at in values]
    named = {name: value for name, value in values.items() if isinstance(name, str)}
    text = Text(template.format(*places, **named) if values else template)
    text.template, text.values = english, values
    return text


def in_words(thing: Any, words: Mapping[str, str]) -> Any:
    """Everything that is said in a result, a chart or a table, through `words`: English template -> translation.
    What `words` lack stays English."""
    if isinstance(thing, str):
        template, values = template_of(thing), getattr(thing, "values", {})
        values = {name: in_words(value, words) for name, value in values.items()}
        if template not in words and not values:
            return thing
        return _made(words.get(template, template), template, values)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        changed = {
            each.name: in_words(getattr(thing, each.name), words)
            for each in dataclasses.fields(thing)
            if each.name not in ("numbers", "name", "anchor", "style", "x_scale", "y_scale", "kind")
        }
        return dataclasses.replace(thing, **changed)
    if isinstance(thing, Mapping):
        return {in_words(key, words): in_words(value, words) for key, value in thing.items()}
    if isinstance(thing, tuple | list):
        return type(thing)(in_words(each, words) for each in thing)
    return thing


def languages() -> list[str]:
    """English, and each language that has a folder of words."""
    return ["en", *sorted(each.parent.name for each in Path(__file__).parent.glob("??/__init__.py"))]


@cache
def words_of(language: str, study: str = "") -> Mapping[str, str]:
    """The words of a language: those that all pages share, with those of one study."""
    if language == "en":
        return {}
    if language not in languages():
        raise LossError(
            complain(
                f"There is no language {language!r}",
                expected=f"one of {', '.join(languages())}",
                next_step=did_you_mean(language, languages()),
            )
        )
    shared: dict[str, str] = import_module(f"losscope.studies.{language}").WORDS
    module = f"losscope.studies.{language}.{study.replace('-', '_')}"
    try:
        return shared | (import_module(module).WORDS if study else {})
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return shared


def has_words(template: str) -> bool:
    """Whether a template says anything itself, or only joins what others say.

    >>> has_words("{n} hold"), has_words("{name}: {how}")
    (True, False)
    """
    return any(map(str.isalpha, re.sub(r"\{.*?\}", "", template)))


def templates(thing: Any) -> list[str]:
    """Every template that is said in a result, once each: what a translation has to have words for."""
    found: dict[str, None] = {}

    def walk(thing: Any) -> None:
        if isinstance(thing, Text):
            if has_words(thing.template):
                found[thing.template] = None
            walk(list(thing.values.values()))
        elif dataclasses.is_dataclass(thing) and not isinstance(thing, type):
            walk([getattr(thing, each.name) for each in dataclasses.fields(thing) if each.name != "numbers"])
        elif isinstance(thing, Mapping):
            walk([*thing, *thing.values()])
        elif isinstance(thing, tuple | list):
            for each in thing:
                walk(each)

    walk(thing)
    return list(found)
