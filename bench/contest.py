"""A bench in rounds in which each contestant has its turn, with a share of the usual number of calls."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from dataclasses import dataclass

from bench.figures import Figures, in_short, say


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    rounds: int
    share: float
    """Of the usual number of calls."""
    only: list[str]
    """Contestants."""


def options(bench: str, about: str | None, contestants: Collection[str], rounds: int) -> Options:
    """Read the command line. `rounds` is how many are usual."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.{bench}", description=about)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of calls")
    parser.add_argument("--only", default=",".join(contestants), help="contestants, separated by commas")
    asked = parser.parse_args()
    return Options(asked.rounds, asked.share, asked.only.split(","))


def held(asked: Options, names: Collection[str], measured: Callable[[str], Figures]) -> dict[str, list[Figures]]:
    """Let each contestant take its turn in each round; tells of each what was `measured`."""
    rounds: dict[str, list[Figures]] = {name: [] for name in names}
    for number in range(asked.rounds):
        for name, found in rounds.items():
            found.append(measured(name))
            say(f"round {number + 1}: {name:14}{in_short(found[-1])}")
    return rounds
