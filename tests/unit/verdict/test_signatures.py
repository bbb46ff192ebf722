"""Every signature of the package knows its sample, and no other's; users' own are checked before they are used."""

from __future__ import annotations

import pytest

from ranklog_collector.core.verdict.signatures import Catalogue, Role, Signature, SignatureError, load
from ranklog_collector.verdict.catalogue import packaged
from tests.unit.verdict.jobs import catalogue

SIGNATURES = packaged()


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda one: one.name)
def test_a_sample_is_matched_by_its_own_signature_and_no_other(signature: Signature) -> None:
    line = signature.sample.encode()
    found = catalogue().match(line)
    assert found is not None
    assert found.signature.name == signature.name
    assert catalogue().all_of(line) == [signature.name]


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda one: one.name)
def test_a_sample_is_found_among_other_lines(signature: Signature) -> None:
    before, after = b"step 1 loss 0.5\n" * 3, b"step 2 loss 0.4\n"
    (place,) = catalogue().places(before + signature.sample.encode() + b"\n" + after)
    assert len(before) <= place < len(before) + len(signature.sample.encode())


def test_names_are_unique() -> None:
    assert len({one.name for one in SIGNATURES}) == len(SIGNATURES)


@pytest.mark.parametrize(
    "line",
    [
        "step 12 loss 0.4123 lr 3e-4 tokens/s 12345",
        "Epoch 3: 100%|##########| 938/938 [00:12<00:00, 75.1it/s, loss=0.12]",
        "[rank 0] hello host=node0 isatty=True pid=526",
        "NCCL INFO Channel 00/32 : 0 1 2 3",
        "node1:534:1763 [3] NCCL INFO NVLS comm 0x7f1928e6e060 headRank 3 nHeads 4",
        "INFO retrying: connection timed out, attempt 2 of 5",
        "WARNING: the following arguments are ignored",
        "saved checkpoint to /scratch/error-free.pt",
        "[W1124 15:20:37.7779 socket.cpp:207] [c10d] The hostname of the client socket cannot be retrieved. err=-3",
        "INFO creating TCPStore on node0:29500",
        "[W1124 socket.cpp:697] [c10d] The client socket has failed to connect to [localhost]:29500 (errno: 99).",
        "Using 42.1 GiB of 79.2 GiB GPU memory",
    ],
)
def test_everyday_lines_are_none(line: str) -> None:
    assert catalogue().match(line.encode()) is None


@pytest.mark.parametrize(
    ("line", "facts"),
    [
        ("RuntimeError: [gloo/transport/tcp/pair.cc:537] Read error [10.77.0.11]:37505: reset", {"peer": "10.77.0.11"}),
        ("=   PID 1426 RUNNING AT node1", {"pid": "1426", "host": "node1"}),
        ("srun: error: node1: task 2: Killed", {"host": "node1", "rank": "2", "what": "Killed"}),
        ("MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD", {"rank": "3"}),
    ],
)
def test_what_a_line_tells_is_taken(line: str, facts: dict[str, str]) -> None:
    found = catalogue().match(line.encode())
    assert found is not None
    assert found.facts == facts


OWN = """
[[signature]]
name = "license"
role = "root"
category = "usage"
pattern = 'LICENSE (?P<code>\\d+) EXPIRED'
says = "has no licence ({code})"
"""


def test_a_users_signature_comes_first() -> None:
    own = load(OWN + "\n[[signature]]\nname='mine'\nrole='consequence'\npattern='CUDA out of memory'\n")
    both = Catalogue([*own, *SIGNATURES])
    found = both.match(b"LICENSE 12 EXPIRED")
    assert found is not None
    assert (found.signature.name, found.words) == ("license", "has no licence (12)")
    oom = both.match(b"RuntimeError: CUDA out of memory. Tried to allocate 2 GiB")
    assert oom is not None
    assert (oom.signature.name, oom.signature.role) == ("mine", Role.CONSEQUENCE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[signature", "no TOML"),
        ("[[rule]]\nname='x'", "there is no 'rule'"),
        ("signature = 3", r"written as \[\[signature\]\]"),
        ("[[signature]]\nname='x'\nrole='root'", "has no pattern"),
        ("[[signature]]\nname='x'\nrole='boss'\npattern='x'", "role is none of root"),
        ("[[signature]]\nname='x'\nrole='root'\ncategory='bad luck'\npattern='x'", "category is none of"),
        ("[[signature]]\nname='x'\nrole='root'\npattern='(x'", "no regular expression of RE2"),
        ("[[signature]]\nname='x'\nrole='root'\npattern='(?=x)'", "no regular expression of RE2"),
        ("[[signature]]\nname='x'\nrole='root'\npattern='x*'", "matches every line"),
        ("[[signature]]\nname='x'\nrole='root'\npattern=3", "is no text"),
        ("[[signature]]\nname='x'\nrole='root'\npattern='x'\nis_timeout='no'", "neither true nor false"),
        ("[[signature]]\nname='x'\nrole='root'\npattern='x'\ncolour='red'", "there is no 'colour'"),
    ],
)
def test_what_is_no_catalogue_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(SignatureError, match=words):
        load(text)


def test_a_pattern_that_would_hang_other_engines_takes_no_time() -> None:
    evil = Catalogue(load("[[signature]]\nname='evil'\nrole='root'\npattern='(a+)+$'"))
    assert evil.match(b"a" * 4000 + b"!") is None
