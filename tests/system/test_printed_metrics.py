"""`ranklog run --metrics-rules`, and what is printed without any."""

from __future__ import annotations

from pathlib import Path

from ranklog_collector.series.read import catalog, series
from tests.support.ranklog_run import python, ranklog_run

SCRIPT = """
for step in range(4):
    print(f"iter {step}: loss {2.0 ** -step}, time 10ms")
    print(f"speed={100 + step} at {step}")
"""
RULES = """
presets = []
[[rule]]
name = "speed"
pattern = 'speed=(?P<speed>\\d+) at (?P<step>\\d+)'
"""


def test_what_common_trainers_print_are_metrics_by_themselves(tmp_path: Path) -> None:
    result = ranklog_run(tmp_path, "-n", "2", "--", *python(SCRIPT))
    assert result.code == 0, result.err
    loss = catalog(result.run)[0]
    assert (loss.key, loss.is_printed, loss.ranks, loss.count, loss.last) == ("loss", True, [0, 1], 8, 0.125)
    times = series(result.run, "loss", rank=1)[0].time_ns.tolist()
    assert times == sorted(times)


def test_rules_that_are_given_are_kept_with_the_run(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES)
    result = ranklog_run(tmp_path, "--metrics-rules", "rules.toml", "--", *python(SCRIPT))
    assert result.code == 0, result.err
    (speed,) = catalog(result.run)
    assert (speed.key, speed.count, speed.last, speed.last_step) == ("speed", 4, 103, 3)
    assert result.file(".ranklog/rules.toml").decode() == RULES


def test_rules_that_are_none_are_refused_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text("[[rule]]\npattern = '('\n")
    result = ranklog_run(tmp_path, "--metrics-rules", "rules.toml", "--", "touch", "started")
    assert result.code == 2
    assert "rule 1: '(' is no regular expression" in result.err
    assert not (tmp_path / "started").exists()
