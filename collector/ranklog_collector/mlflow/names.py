"""Names for runs that were given none, and folders for experiments. Pure."""

from __future__ import annotations

import hashlib

from ranklog.layout import safe_name

DEFAULT_ID, DEFAULT_NAME, DEFAULT_FOLDER = 0, "Default", "default"
_FOLDER_CHARACTERS_MAX = 100
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
    """The folder of a new experiment: its name, if that is one of a folder, else something like it."""
    if name == DEFAULT_NAME:
        return DEFAULT_FOLDER
    plain = safe_name(name)[:_FOLDER_CHARACTERS_MAX]
    if plain == name and name != DEFAULT_FOLDER:
        return name
    return f"{plain}-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"
