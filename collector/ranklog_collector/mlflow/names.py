"""Names for runs that were given none, and folders for experiments. Pure."""

from __future__ import annotations

import hashlib

from ranklog.mlflow_api.ids import DEFAULT_FOLDER, experiment_folder, like_name

DEFAULT_ID = 0
_HOW = (
    "able bold bouncy bright burly calm caring chill clean funny gentle gifted kindly loud nimble nosy placid polite "
    "rare silent sneaky spiffy suave upbeat wise"
)
_WHO = (
    "ant ape auk bass bat bear bee boar bug carp cat cod colt crab crow cub deer doe dog dove duck elk fawn "
    "finch fish fly fowl fox frog gnat goat goose grouse gull hare hawk hen horse hound jay kit koi lamb lark "
    "loon lynx mink mole moose moth mouse mule newt owl ox panda perch pug quail ram rat ray rook seal shad "
    "shark sheep shrew shrike skunk slug smelt snail snake snipe sow sponge squid stag steed stoat stork swan "
    "toad trout vole wasp whale wolf worm wren yak"
)
_HOWS, _WHOS = _HOW.split(), _WHO.split()


def run_name(run_id: str) -> str:
    """A name that can be said aloud, made of a run's id."""
    number = int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:8], "big")
    return f"{_HOWS[number % len(_HOWS)]}-{_WHOS[number // 1000 % len(_WHOS)]}-{number // 1_000_000 % 1000}"


def folder(name: str) -> str:
    """The folder of a new experiment. `default` is that of `Default`, which is there before any other."""
    return like_name(name) if name == DEFAULT_FOLDER else experiment_folder(name)
