"""`python -m tests.simulation [SCHEDULES] [SEED]`: act out random schedules, shrink and show the first violation."""

from __future__ import annotations

import random
import sys
import time

from tests.simulation.schedule import ALWAYS, STEPS, Step, Violation, World


def schedule(seed: int) -> list[Step]:
    """The schedule that a seed stands for; each leaves some kinds of steps out, so that the others meet more often."""
    source = random.Random(seed)
    steps = [step for step in STEPS if step in ALWAYS or source.random() < 0.6]
    return [(source.choice(steps), source.randrange(64)) for _ in range(source.randrange(5, 80))]


def shrink(steps: list[Step]) -> list[Step]:
    """Leave out steps as long as the schedule still fails."""
    index = 0
    while index < len(steps):
        shorter = steps[:index] + steps[index + 1 :]
        try:
            World().run(shorter)
        except Violation:
            steps = shorter
        else:
            index += 1
    return steps


def main() -> int:
    """Run; exit 1 at a violation."""
    schedules = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    started = time.monotonic()
    for seed in range(first, first + schedules):
        steps = schedule(seed)
        try:
            World().run(steps)
        except Violation as violation:
            print(f"seed {seed}: {violation}\nshrunk: {shrink(steps)}")
            return 1
    print(f"{schedules} schedules, 0 violations, {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
