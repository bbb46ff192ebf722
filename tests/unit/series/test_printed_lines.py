"""What rules find in lines: real lines of trainers, drawn bars, hostile lines and rules."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranklog_collector.core.points import Names
from ranklog_collector.core.printed_lines import NAME_BYTES_MAX, STATE_BYTES_MAX, Matcher, plain
from ranklog_collector.core.printed_presets import PRESETS
from ranklog_collector.core.printed_rules import Rule, RulesError, load_rules

ALL = Matcher([rule for rules in PRESETS.values() for rule in rules])
KERAS_3 = (
    "\x1b[1m1875/1875\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m3s\x1b[0m 1ms/step - "
    "accuracy: 0.8793 - loss: 0.4279"
)
KERAS_3_EPOCH = (
    "\r\x1b[1m1/7\x1b[0m \x1b[32m━━\x1b[0m\x1b[37m━━━━━━━━━━━━━━━━━━\x1b[0m \x1b[1m0s\x1b[0m 19ms/step - "
    f"loss: 2.4619 - mae: 1.2343{chr(8) * 66}"
    "\r\x1b[1m7/7\x1b[0m \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m0s\x1b[0m 3ms/step - "
    "loss: 2.9047 - mae: 1.3746 - val_loss: 2.3242 - val_mae: 1.2433"
)
"""As Keras 3.15 writes it."""
MEGATRON = (
    " [2024-05-01 10:00:00] iteration      100/    1000 | consumed samples:         6400 | elapsed time per iteration "
    "(ms): 1234.5 | learning rate: 1.500000E-04 | global batch size:    64 | lm loss: 7.234567E+00 | loss scale: 1.0 | "
    "grad norm: 1.234 | number of skipped iterations:   0 | number of nan iterations:   0 |"
)
IMAGENET = "Epoch: [0][  10/5005]\tTime  0.210 ( 0.430)\tLoss 6.9012e+00 (7.0012e+00)\tAcc@1   0.00 (  0.11)"


def said(line: bytes, matcher: Matcher = ALL) -> list[tuple[int | None, dict[str, Any]]]:
    """The steps and metrics of a line, found one by one as points."""
    names = Names()
    points = matcher.parse(line + b"\n", 0, names, lambda end: end).points
    assert len(set(points.places.tolist())) == len(points)
    found: dict[tuple[int | None, int], dict[str, Any]] = {}
    for row in range(len(points)):
        is_logged = points.is_logged is None or bool(points.is_logged[row])
        step = int(points.steps[row]) if is_logged else None
        found.setdefault((step, int(points.times[row])), {})[names.all[points.names[row]][1]] = points.values[row]
    return [(step, metrics) for (step, _), metrics in found.items()]


@pytest.mark.parametrize(
    ("line", "step", "metrics"),
    [
        (
            "{'loss': 1.2345, 'grad_norm': 2.5, 'learning_rate': 5e-05, 'epoch': 0.3}",
            None,
            {"loss": 1.2345, "grad_norm": 2.5, "learning_rate": 5e-05, "epoch": 0.3},
        ),
        (KERAS_3_EPOCH, None, {"loss": 2.9047, "mae": 1.3746, "val_loss": 2.3242, "val_mae": 1.2433}),
        ("{'loss': '1.5', 'learning_rate': '2e-05'}", None, {"loss": 1.5, "learning_rate": 2e-05}),
        (
            "\r 10%|#         | 50/500 [00:01<00:10, 40.0it/s]\r              \r{'eval_loss': 0.5, 'epoch': 1.0}\r",
            None,
            {"eval_loss": 0.5, "epoch": 1.0},
        ),
        (
            "Epoch 3: 100%|██████████| 40/40 [00:00<00:00, 300.26it/s, v_num=0, train_loss=0.310]",
            3,
            {"train_loss": 0.31},
        ),
        (
            "\r  0%|  | 0/390 [00:00<?, ?it/s, loss=9]\r100%|██| 390/390 [00:12<00:00, 31.2it/s, loss=0.31, acc=0.9]",
            None,
            {"loss": 0.31, "acc": 0.9},
        ),
        (
            "1875/1875 - 3s - 2ms/step - accuracy: 0.9123 - loss: 0.3100 - val_loss: 1.2e-01",
            None,
            {"accuracy": 0.9123, "loss": 0.31, "val_loss": 0.12},
        ),
        (
            "1/4 [==>...] - ETA: 3s - loss: 2.4\b\b\b\b\b4/4 [====] - 3s 5ms/step - loss: 2.3026 - accuracy: 0.1",
            None,
            {"loss": 2.3026, "accuracy": 0.1},
        ),
        (KERAS_3, None, {"accuracy": 0.8793, "loss": 0.4279}),
        (
            MEGATRON,
            100,
            {
                "consumed samples": 6400,
                "elapsed time per iteration (ms)": 1234.5,
                "learning rate": 1.5e-4,
                "global batch size": 64,
                "lm loss": 7.234567,
                "loss scale": 1.0,
                "grad norm": 1.234,
                "number of skipped iterations": 0,
                "number of nan iterations": 0,
            },
        ),
        (
            "[2024-01-01 00:00:00,000] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=0, lr=[0.0001, 0.0001]"
            ", mom=[(0.9, 0.999)]",
            10,
            {"skipped": 0, "lr": 1e-4},
        ),
        (
            "steps: 10 loss: 1.2345 iter time (s): 0.123 samples/sec: 64.012",
            10,
            {"loss": 1.2345, "iter time (s)": 0.123, "samples/sec": 64.012},
        ),
        ("Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.300000", None, {"epoch": 1, "loss": 2.3}),
        (
            "Test set: Average loss: 0.0500, Accuracy: 9830/10000 (98%)",
            None,
            {"test_loss": 0.05, "test_accuracy": 98},
        ),
        (IMAGENET, None, {"epoch": 0, "Time": 0.21, "Loss": 6.9012, "Acc@1": 0.0}),
        ("iter 10: loss 2.3456, time 123.45ms, mfu 12.34%", 10, {"loss": 2.3456, "time": 123.45, "mfu": 12.34}),
        ("step 250: train loss 1.9012, val loss 2.0111", 250, {"train_loss": 1.9012, "val_loss": 2.0111}),
        ("[10]\ttrain-auc:0.91234\ttest-auc:0.87", 10, {"train-auc": 0.91234, "test-auc": 0.87}),
        (
            "[10]\tvalid_0's auc: 0.91\tvalid_0's binary_logloss: 0.2",
            10,
            {"valid_0's auc": 0.91, "valid_0's binary_logloss": 0.2},
        ),
    ],
)
def test_lines_of_trainers(line: str, step: int | None, metrics: dict[str, Any]) -> None:
    assert said(line.encode()) == [(step, metrics)]


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "NaN", "-Infinity"])
def test_numbers_that_are_none_are_numbers_too(text: str) -> None:
    found = ALL.find(f"{{'loss': {text}}}".encode())
    assert found is not None
    assert repr(found[1][0][1]) == repr(float(text))
    assert not math.isfinite(found[1][0][1])


@pytest.mark.parametrize(
    "line",
    [
        "",
        "INFO read 12/13 files, loss of packets: 3",
        "{'a': 'text', 'b': [1]}",
        '{"loss": "a"}',
        "loss: 0.5",
        "x = {'loss': 1.2}",
        "100%|██| 390/390 [00:12<00:00, 31.2it/s]",
        "[10] nothing",
        "\r\r\r",
        "\x1b[2K",
    ],
)
def test_other_lines_say_nothing(line: str) -> None:
    assert said(line.encode()) == []


def test_the_first_rule_that_finds_something_takes_the_line() -> None:
    rules = [Rule("none", r"loss (?P<a>x+)"), Rule("first", r"loss (?P<b>\d+)"), Rule("second", r"(?P<c>\d+)")]
    assert Matcher(rules).find(b"loss 5") == (None, [("b", 5)])
    assert Matcher(rules).find(b"lost 5") == (None, [("c", 5)])


def test_a_rule_may_name_skip_and_prefix() -> None:
    rule = Rule("r", r"(?P<name>\w+)=(?P<value>\S+)", r"^at (?P<step>\d+) (?P<lr>\S+)", prefix="p/", ignore=("b",))
    assert Matcher([rule]).find(b"at 7 0.5 a=1 b=2 c=x d=1e3") == (7, [("p/lr", 0.5), ("p/a", 1), ("p/d", 1000.0)])


def test_lines_have_offsets_and_the_times_of_their_ends() -> None:
    names = Names()
    data = b"iter 1: loss 2.5\nnothing\niter 2: loss 2.25\nhalf"
    parsed = ALL.parse(data, 1000, names, lambda end: end * 10)
    points = parsed.points
    assert (points.at.tolist(), points.times.tolist()) == ([1000, 1025], [10170, 10430])
    assert (points.steps.tolist(), points.values.tolist(), names.all) == ([1, 2], [2.5, 2.25], [("", "loss")])
    assert parsed.damaged == 0


def test_a_bar_that_is_drawn_on_one_line_all_the_time_counts_once_for_each_step() -> None:
    drawn = [
        f"\rEpoch {epoch}: {10 * n}%|#| {n}/10 [00:00<00:00, loss={epoch}.{n}]" for epoch in (0, 1) for n in range(10)
    ]
    assert said("".join(drawn).encode()) == [(0, {"loss": 0.9}), (1, {"loss": 1.9})]


def test_only_the_beginning_of_a_line_is_looked_at() -> None:
    assert ALL.find(b"x" * STATE_BYTES_MAX + b"Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.3") is None
    assert len(plain(b"\x1b[1m" + b"b" * (1 << 20))) == STATE_BYTES_MAX - 4
    name = "a" * (NAME_BYTES_MAX + 1)
    assert ALL.find(f"{{'{name}': 1}}".encode()) is None


def test_a_step_beyond_64_bits_is_as_good_as_none() -> None:
    assert ALL.find(b"iter 99999999999999999999: loss 2.5") == (None, [("loss", 2.5)])


def test_no_expression_takes_for_ever() -> None:
    rules = [
        Rule("evil", r"^(?P<x>(a+)+)$"),
        Rule("worse", r"(?P<x>(a|aa)*(a|aa)*(a|aa)*)!"),
        Rule("r", r"(?P<x>(.*)*)="),
    ]
    matcher = Matcher(rules)
    # By backtracking it would still be under way when the universe ends.
    assert matcher.find(b"a" * (STATE_BYTES_MAX - 1) + b"b") is None


@given(st.binary(max_size=300))
def test_no_line_harms(line: bytes) -> None:
    ALL.parse(line + b"\n{'loss': " + line[:20] + b"}\n", 0, Names(), lambda _: 0)


def test_rules_are_read_from_toml() -> None:
    rules = load_rules(
        """
        presets = ["keras"]
        [[rule]]
        name = "mine"
        pattern = 'epoch (?P<step>\\d+) loss (?P<loss>\\S+)'
        streams = ["stdout", "logs/*.txt"]
        ranks = "0"
        [[rule]]
        pattern = '(?P<x>\\d+)'
        """,
        PRESETS,
    )
    mine = Rule("mine", r"epoch (?P<step>\d+) loss (?P<loss>\S+)", streams=("stdout", "logs/*.txt"), ranks="0")
    assert rules.rules == (mine, Rule("rule 2", r"(?P<x>\d+)"))
    assert rules.presets == ("keras",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x", "no TOML"),
        ("rules = 3", "there is no 'rules'"),
        ("rule = 3", r"\[\[rule\]\]"),
        ("rule = [3]", "rule 1 is no table"),
        ("[[rule]]", "has no pattern"),
        (
            "[[rule]]\nname = 'mine'\npattern = '('",
            r"rule 1 \('mine'\): '\(' is no regular expression of RE2: missing \)",
        ),
        ("[[rule]]\npattern = '(?=a)(?P<x>b)'", "invalid perl operator"),
        ("[[rule]]\npattern = '(?P<x>a)\\1'", "invalid escape"),
        ("[[rule]]\npattern = '(?P<x>((a{100}){100}){100})'", "repetition"),
        ("[[rule]]\npattern = 'loss'", "no metric is named"),
        ("[[rule]]\npattern = '(?P<step>a)'", "no metric is named"),
        ("[[rule]]\npattern = '(?P<name>a)'", "go together"),
        ("[[rule]]\npattern = 3", "pattern is no text"),
        ("[[rule]]\npattern = '(?P<x>a)'\nstreams = 'stdout'", "streams is no list"),
        ("[[rule]]\npattern = '(?P<x>a)'\nstream = []", "there is no 'stream'"),
        ("presets = ['nothing']", "is none of"),
        ("presets = 'keras'", "is none of"),
        ("presets = [[]]", "is none of"),
        (f"[[rule]]\npattern = '{'a' * 5000}'", "at most"),
        ("[[rule]]\n" * 300, "at most 256"),
    ],
)
def test_what_is_wrong_with_rules_is_said(text: str, reason: str) -> None:
    with pytest.raises(RulesError, match=reason):
        load_rules(text, PRESETS)
