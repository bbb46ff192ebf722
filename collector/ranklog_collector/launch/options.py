"""Where the options end and the program begins, in command lines of launchers and of what people put before them.

Nothing is guessed: an option that a table does not have makes the answer unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class UnknownOptionError(Exception):
    """It might or might not take the next word as its value."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


@dataclass(frozen=True)
class Syntax:
    """The options a program takes before the program that it starts.

    `values` maps each option, without dashes, to how many of the following words are its values. With `letters` a
    single dash introduces letters, which may be run together and have their value attached (`-ln4`), as getopt has it;
    without, one dash and two mean the same. `attached` are letters that take a value only so. `operands` is how many
    words stand between options and program.
    """

    values: Mapping[str, int]
    letters: bool = True
    attached: str = ""
    operands: int = 0


@dataclass(frozen=True)
class Head:
    """What stands before the program: `length` words, among them `options` with their values."""

    length: int
    options: Mapping[str, str]


def syntax(
    flags: str = "", valued: str = "", pairs: str = "", *, letters: bool = True, attached: str = "", operands: int = 0
) -> Syntax:
    """Make a table from names parted by blanks: options without a value, with one, with two."""
    values = dict.fromkeys(flags.split(), 0) | dict.fromkeys(valued.split(), 1) | dict.fromkeys(pairs.split(), 2)
    return Syntax(values, letters, attached, operands)


def head_of(words: Sequence[str], table: Syntax) -> Head:
    """Find the end of the options; raises UnknownOptionError. The length is that of `words` if no program follows."""
    options: dict[str, str] = {}
    position = 0
    while position < len(words) and words[position].startswith("-") and words[position] != "-":
        word = words[position]
        position += 1
        if word == "--":
            break
        short = table.letters and not word.startswith("--")
        names, value, following = _letters(word, table) if short else _name(word, table)
        if following == 2 and "=" in "".join(words[position : position + 1]):
            following = 1  # Hydra takes `-genv NAME VALUE` and `-genv NAME=VALUE`
        if following:
            value = " ".join(words[position : position + following])
            position += following
        options |= dict.fromkeys(names[:-1], "") | {names[-1]: value}
    return Head(min(position + table.operands, len(words)), options)


def _name(word: str, table: Syntax) -> tuple[list[str], str, int]:
    """Take `--name` or `--name=value` apart: its names, its value, and how many words of value follow it."""
    name, attached, value = word.lstrip("-").partition("=")
    name = name.replace("_", "-")
    if attached:
        return [name], value, 0
    if name not in table.values:
        raise UnknownOptionError(word)
    return [name], "", table.values[name]


def _letters(word: str, table: Syntax) -> tuple[list[str], str, int]:
    for end, letter in enumerate(word[1:], start=2):
        if letter not in table.values and letter not in table.attached:
            raise UnknownOptionError(word)
        if letter in table.attached or table.values[letter]:
            rest = word[end:]
            return list(word[1:end]), rest, 0 if rest or letter in table.attached else table.values[letter]
    return list(word[1:]), "", 0
