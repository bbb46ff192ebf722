"""The filter language of MLflow's searches: comparisons joined by AND. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ranklog.mlflow_api.errors import MlflowError, invalid

METRIC, PARAM, TAG, ATTRIBUTE, DATASET = "metric", "parameter", "tag", "attribute", "dataset"
ALIASES = {
    "metric": METRIC,
    "metrics": METRIC,
    "param": PARAM,
    "params": PARAM,
    "parameter": PARAM,
    "parameters": PARAM,
    "tag": TAG,
    "tags": TAG,
    "attribute": ATTRIBUTE,
    "attributes": ATTRIBUTE,
    "attr": ATTRIBUTE,
    "run": ATTRIBUTE,
    "dataset": DATASET,
    "datasets": DATASET,
}
KEYS = {
    "creation_time": "creation_timestamp",
    "last_updated_time": "last_updated_timestamp",
    "created": "start_time",
    "Created": "start_time",
    "run name": "run_name",
    "Run name": "run_name",
    "Run Name": "run_name",
}
"""What else attributes may be called."""
NUMERIC = frozenset({">", ">=", "=", "!=", "<", "<="})
NAMED = frozenset({"=", "!=", "LIKE", "ILIKE"})
NULLS = frozenset({"IS NULL", "IS NOT NULL"})
LISTS = frozenset({"IN", "NOT IN"})
_LENGTH_MAX = 100_000
_CLAUSES_MAX = 200

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*")(?!\.)
      | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])
      | (?P<operator>>=|<=|!=|<>|=|>|<)
      | (?P<mark>[(),])
      | (?P<word>(?:`[^`]*`|"[^"]*"|[^\s`"'()=<>!,]+)+)
    )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One clause; `value` is a number, a text, a tuple of texts, or None."""

    entity: str
    key: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Language:
    """What the filters of one kind of thing may speak of."""

    entities: tuple[str, ...]
    texts: frozenset[str]
    numbers: frozenset[str]
    listable: frozenset[str]
    """Attributes that may be compared with lists of texts."""
    list_only: frozenset[str] = frozenset()
    """Attributes that know neither LIKE nor ILIKE."""
    nullable: str = "tags and params"


RUNS = Language(
    (METRIC, PARAM, TAG, ATTRIBUTE, DATASET),
    frozenset({"run_id", "run_name", "status", "user_id", "artifact_uri"}),
    frozenset({"start_time", "end_time"}),
    frozenset({"run_id"}),
)
EXPERIMENTS = Language(
    (TAG, ATTRIBUTE),
    frozenset({"name", "experiment_id"}),
    frozenset({"creation_time", "last_update_time"}),
    frozenset({"experiment_id"}),
    frozenset({"experiment_id"}),
    "tags",
)
MODELS = Language(
    (METRIC, PARAM, TAG, ATTRIBUTE),
    frozenset({"name", "model_id", "model_type", "status", "source_run_id"}),
    frozenset({"creation_timestamp", "last_updated_timestamp"}),
    frozenset({"model_id", "name", "source_run_id"}),
)
_DATASET_KEYS = frozenset({"name", "digest", "context"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str

    def says(self, word: str) -> bool:
        return self.kind == "word" and self.text.upper() == word


def parse(text: str, language: Language) -> list[Comparison]:
    """Read a filter; an empty one has no clauses. Raises MlflowError."""
    if len(text) > _LENGTH_MAX:
        raise invalid(f"Invalid filter: it is longer than {_LENGTH_MAX} characters")
    tokens = list(_tokens(text))
    found: list[Comparison] = []
    at = 0
    while at < len(tokens):
        if found:
            if not tokens[at].says("AND") or at + 1 == len(tokens):
                raise _bad_clause(tokens[at:])
            at += 1
        comparison, at = _clause(tokens, at, language)
        found.append(comparison)
        if len(found) > _CLAUSES_MAX:
            raise invalid(f"Invalid filter: it has more than {_CLAUSES_MAX} clauses")
    return found


def identifier(text: str, language: Language) -> tuple[str, str]:
    """Read what is compared or ordered by: what kind of thing, and which. Raises MlflowError."""
    head, dot, key = _split(text)
    if not dot:
        head, key = ATTRIBUTE, head
    entity = ALIASES.get(_unquoted(head, "`"))
    if entity not in language.entities:
        raise invalid(f"Invalid entity type '{head}'. Valid values are {list(language.entities)}")
    key = _unquoted(_unquoted(key, "\"'"), "`")
    if entity == ATTRIBUTE:
        known = language.texts | language.numbers
        key = key if key in known else KEYS.get(key, key)
        if key not in known:
            raise invalid(f"Invalid attribute key '{key}' specified. Valid keys are '{sorted(known)}'")
    elif entity == DATASET and key not in _DATASET_KEYS:
        raise invalid(f"Invalid dataset key '{key}' specified. Valid keys are '{sorted(_DATASET_KEYS)}'")
    elif not key:
        raise invalid(f"Invalid identifier {text!r}: it names nothing")
    return entity, key


def _split(text: str) -> tuple[str, str, str]:
    """At the first dot; a quoted key has no kind before it."""
    if text[:1] in "`\"'":
        end = text.find(text[0], 1)
        if end == len(text) - 1:
            return text[1:-1], "", ""
        if end > 0 and text[end + 1 : end + 2] == ".":
            return text[: end + 1], ".", text[end + 2 :]
    return text.partition(".")


def _unquoted(text: str, quotes: str) -> str:
    return text[1:-1] if len(text) >= 2 and text[0] == text[-1] and text[0] in quotes else text


def _tokens(text: str) -> Iterator[_Token]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at, end)
        if found is None:
            raise invalid(f"Invalid clause(s) in filter string: {text[at:end].strip()!r}")
        kind = str(found.lastgroup)
        yield _Token(kind, found[kind])
        at = found.end()


def _clause(tokens: list[_Token], at: int, language: Language) -> tuple[Comparison, int]:
    subject = tokens[at]
    if subject.kind not in ("word", "text") or len(tokens) < at + 2:
        raise _bad_clause(tokens[at:])
    operator, after = _operator(tokens, at + 1)
    entity, key = identifier(subject.text, language)
    if operator in NULLS:
        if entity not in (TAG, PARAM):
            raise invalid(
                f"IS NULL / IS NOT NULL is only supported for {language.nullable}, not for '{entity}' '{key}'"
            )
        return Comparison(entity, key, operator, None), after
    if after >= len(tokens):
        raise _bad_clause(tokens[at:])
    value, after = _listed(tokens, after) if operator in LISTS else (tokens[after], after + 1)
    return Comparison(entity, key, operator, _value(entity, key, operator, value, language)), after


def _operator(tokens: list[_Token], at: int) -> tuple[str, int]:
    words = [one.text.upper() if one.kind == "word" else "" for one in tokens[at : at + 3]]
    for length, known in ((3, "IS NOT NULL"), (2, "IS NULL"), (2, "NOT IN"), (1, "IN"), (1, "LIKE"), (1, "ILIKE")):
        if " ".join(words[:length]) == known:
            return known, at + length
    if tokens[at].kind == "operator":
        return "!=" if tokens[at].text == "<>" else tokens[at].text, at + 1
    raise _bad_clause(tokens[at - 1 :])


def _listed(tokens: list[_Token], at: int) -> tuple[tuple[str, ...], int]:
    """Read a list of texts in parentheses."""
    if tokens[at].text != "(":
        raise _bad_clause(tokens[at:])
    found: list[str] = []
    at += 1
    while at + 1 < len(tokens) and tokens[at].kind == "text":
        found.append(_content(tokens[at]))
        at += 1
        if tokens[at].text == ")":
            return tuple(found), at + 1
        if tokens[at].text != ",":
            break
        at += 1
        if at < len(tokens) and tokens[at].text == ")":
            return tuple(found), at + 1
    raise invalid("While parsing a list in the query, expected a non-empty list of string values")


def _value(entity: str, key: str, operator: str, value: Any, language: Language) -> Any:
    if entity == METRIC or (entity == ATTRIBUTE and key in language.numbers):
        _check_operator(operator, NUMERIC)
        if isinstance(value, tuple) or value.kind != "number":
            found = value if isinstance(value, tuple) else value.text
            kind = "metric" if entity == METRIC else f"numeric attribute: {key}"
            raise invalid(f"Expected numeric value type for {kind}. Found {found}")
        return float(value.text)
    if operator in LISTS:
        if entity != DATASET and not (entity == ATTRIBUTE and key in language.listable):
            raise invalid(
                f"Only {sorted(language.listable)} attributes support comparison with a list of quoted string values."
            )
        return value
    is_plain = entity == ATTRIBUTE and key in language.list_only
    _check_operator(operator, frozenset({"=", "!="}) if is_plain else NAMED)
    if value.kind != "text":
        raise invalid(f"Expected a quoted string value for {entity} (e.g. 'my-value'). Got value {value.text}")
    return _content(value)


def _check_operator(operator: str, valid: frozenset[str]) -> None:
    if operator not in valid:
        raise invalid(f"Invalid comparator '{operator}' not one of '{sorted(valid)}'")


def _content(token: _Token) -> str:
    return token.text[1:-1].replace("''", "'") if token.text[0] == "'" else token.text[1:-1]


def _bad_clause(tokens: list[_Token]) -> MlflowError:
    return invalid(f"Invalid clause(s) in filter string: {' '.join(one.text for one in tokens)[:500]}")
