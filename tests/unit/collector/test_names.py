"""No name from a remote machine leads out of the run folder, or onto one of its own files."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.core.names import (
    COMPONENT_BYTES_MAX,
    PATH_BYTES_MAX,
    Claims,
    is_address,
    numbered,
    safe_component,
    safe_relative,
)

NASTY = st.one_of(
    st.text(max_size=300),
    st.lists(
        st.sampled_from(["..", ".", "", "/", "\0", "a", "A", "é", "e\u0301", "\\", " ", "\u202e", "\ud800", "x" * 300]),
        max_size=50,
    ).map("/".join),
)


@given(NASTY)
def test_a_component_is_one_plain_name(name: str) -> None:
    safe = safe_component(name)
    assert safe
    assert safe not in (".", "..")
    assert not set(safe) & set("/\\\0\n\r")
    assert safe.isprintable()
    assert len(safe.encode()) <= COMPONENT_BYTES_MAX
    assert safe == safe.rstrip(". ")
    assert safe_component(safe) == safe


@given(NASTY)
def test_a_relative_path_never_escapes(name: str) -> None:
    safe = safe_relative(name)
    assert posixpath.normpath(posixpath.join("/root", safe)) == f"/root/{safe}"
    assert all(safe_component(part) == part for part in safe.split("/"))
    assert len(safe.encode()) <= PATH_BYTES_MAX


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("logs/train.log", "logs/train.log"),
        ("/var/log/x", "var/log/x"),
        ("../../etc/passwd", "_/_/etc/passwd"),
        ("a//./b", "a/b"),
        ("nul\0byte", "nul_byte"),
        ("trailing. . ", "trailing"),
        ("10:20:30.log", "10_20_30.log"),
        ("", "_"),
        ("...", "_"),
        ("日本/ログ.txt", "日本/ログ.txt"),
    ],
)
def test_a_name_stays_as_it_is_where_that_is_safe(name: str, safe: str) -> None:
    assert safe_relative(name) == safe


def test_long_names_are_cut_but_stay_apart_and_keep_their_suffix() -> None:
    first, second = (safe_component("x" * 300 + end) for end in ("1.log", "2.log"))
    assert first != second
    assert first.endswith(".log")
    deep = safe_relative("/".join(["d"] * 100) + "/f.log")
    assert deep.startswith("d/")
    assert deep.endswith("/f.log")


def test_the_number_goes_before_the_suffix() -> None:
    assert numbered("a/b.txt", 2) == "a/b_2.txt"
    assert numbered("a.d/b", 2) == "a.d/b_2"
    assert numbered(".hidden", 3) == ".hidden_3"


def test_what_looks_like_an_address_is_one() -> None:
    assert is_address("10.0.0.1")
    assert is_address("fe80--1")
    assert not is_address("be-fe")
    assert not is_address("logs")


def test_a_taken_path_gets_a_number() -> None:
    claims = Claims(("run.json",))
    assert claims.claim("a.txt") == "a.txt"
    assert claims.claim("a.txt") == "a_2.txt"
    assert claims.claim("a.txt") == "a_3.txt"
    assert claims.claim("run.json") == "run_2.json"


def test_what_another_file_system_takes_for_the_same_counts_as_the_same() -> None:
    claims = Claims()
    assert claims.claim("é") == "é"
    assert claims.claim("e\u0301") == "e\u0301_2"
    assert claims.claim("Readme") == "Readme"
    assert claims.claim("README") == "README_2"


def test_a_name_is_not_file_and_folder_at_once() -> None:
    claims = Claims()
    claims.claim("a")
    assert claims.claim("a/b") == "a_2/b"
    assert claims.claim("a_2") == "a_2_2"
    claims.claim("d/e/f")
    assert claims.claim("d/e") == "d/e_2"


def test_a_released_path_is_free_again() -> None:
    claims = Claims()
    claims.claim("a/b")
    claims.release("a/b")
    assert claims.claim("a") == "a"


@given(st.lists(NASTY.map(safe_relative), max_size=30))
def test_claimed_paths_never_collide(paths: list[str]) -> None:
    claims = Claims()
    claimed = [claims.claim(path) for path in paths]
    same = [path.casefold() for path in claimed]
    assert len(set(same)) == len(same)
    assert not any(other.startswith(f"{path}/") for path in same for other in same)
