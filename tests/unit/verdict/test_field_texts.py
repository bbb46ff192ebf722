"""Of what is said in the field, what is a fault, what is in the wake of another's, and what is neither."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from ranklog_collector.core.verdict.events import Complaint, Weight, event_of
from ranklog_collector.core.verdict.evidence import Member
from ranklog_collector.core.verdict.finding import Category
from ranklog_collector.core.verdict.signatures import Role
from tests.unit.verdict.jobs import RAISED, rank

TEXTS = tomllib.loads(Path(__file__).with_name("field_texts.toml").read_text(encoding="utf-8"))["text"]


def said(text: dict[str, Any]) -> str:
    return str(text.get("said") or RAISED.format(error=text["raised"].rstrip("\n")))


def judged(member: Member) -> tuple[str, str]:
    """The role and the category of a process's end."""
    found = event_of(member)
    if isinstance(found, Complaint):
        return "consequence", Category.COLLECTIVE.value
    assert found is not None
    if found.weight is Weight.OWN:
        return "root", found.category.value
    is_teardown = any(sign.role is Role.TEARDOWN for sign in member.signs)
    return ("teardown", Category.CANCELED.value) if is_teardown else ("none", "none")


@pytest.mark.parametrize("text", TEXTS, ids=lambda one: one["name"])
def test_what_the_end_of_a_process_is_by_its_words(text: dict[str, Any]) -> None:
    member = rank(0, (1, "step 1 loss 0.5"), (1.1, said(text)), end=1.3, **text["end"])
    assert judged(member) == (text["role"], text["category"])


def test_names_are_unique() -> None:
    assert len({one["name"] for one in TEXTS}) == len(TEXTS) > 150
