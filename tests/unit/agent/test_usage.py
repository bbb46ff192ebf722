"""Two looks at a node's processes become samples: whose is what, also of what has ended in between."""

from __future__ import annotations

from ranklog_agent.core.usage import Ended, Look, Meter, Root, Sample, Seen, Traffic, trees

CPU = "process/cpu_utilization_percentage"
S = 1_000_000_000


def seen(parent: int, own_s: float = 0.0, ended_s: float = 0.0, started: int = 1, mb: int = 1) -> Seen:
    return Seen(parent, started, own_s, ended_s, threads=2, resident_bytes=mb * 1_000_000)


def look(at_s: float, processes: dict[int, Seen], traffic: dict[int, int] | None = None, **keys: int) -> Look:
    """`keys` are the job's processes: their pids by key. Traffic is as much read as written."""
    roots = {key: Root(pid, processes[pid].started_ticks) for key, pid in keys.items()}
    moved = {pid: Traffic(count, count) for pid, count in (traffic or {}).items()}
    clock_ns = round(at_s * S)
    return Look(clock_ns, clock_ns, round(at_s * 100), processes, trees(processes, roots), moved)


def measured(*looks: Look) -> dict[str, Sample]:
    meter = Meter(began_ns=0)
    return [meter.read(one) for one in looks][-1]


def test_each_process_belongs_to_the_nearest_one_of_the_job_above_it() -> None:
    processes = {1: seen(0), 5: seen(1), 6: seen(5), 7: seen(6), 8: seen(7), 9: seen(1)}
    roots = {"launcher": Root(5, 1), "rank": Root(7, 1)}
    assert trees(processes, roots) == {"launcher": [5, 6], "rank": [7, 8]}


def test_a_pid_that_is_another_process_by_now_is_nobodys() -> None:
    assert trees({5: seen(1, started=77)}, {"rank": Root(5, 1)}) == {}


def test_parents_in_a_circle_and_parents_that_are_gone_do_no_harm() -> None:
    assert trees({5: seen(6), 6: seen(5), 7: seen(99), 8: seen(8), 9: seen(7)}, {"rank": Root(9, 1)}) == {"rank": [9]}


def test_descendants_count_and_a_core_is_a_hundred_percent() -> None:
    before = look(10, {5: seen(1, 3), 6: seen(5, 1)}, rank=5)
    after = look(12, {5: seen(1, 4), 6: seen(5, 3)}, rank=5)
    assert measured(before, after)["rank"] == {
        CPU: 150.0,
        "process/memory_rss_megabytes": 2.0,
        "process/threads": 4,
    }


def test_a_child_that_ended_is_counted_once() -> None:
    before = look(10, {5: seen(1, 3), 6: seen(5, 7)}, rank=5)
    after = look(12, {5: seen(1, 3, ended_s=8)}, rank=5)
    assert measured(before, after)["rank"][CPU] == 50.0


def test_a_child_that_began_and_ended_between_two_looks_is_counted() -> None:
    assert measured(look(10, {5: seen(1)}, rank=5), look(12, {5: seen(1, 0, 1)}, rank=5))["rank"][CPU] == 50.0


def test_a_child_that_nobody_waited_for_takes_nothing_off() -> None:
    before = look(10, {5: seen(1, 3), 6: seen(5, 7)}, rank=5)
    assert measured(before, look(12, {5: seen(1, 4)}, rank=5))["rank"][CPU] == 50.0


def test_what_a_rank_has_used_is_not_its_launchers_when_it_ends() -> None:
    # mpirun, the exec around the rank, the rank
    before = look(10, {5: seen(1, 1), 6: seen(5, 1), 7: seen(6, 900)}, launcher=5, rank=7)
    after = look(12, {5: seen(1, 2, ended_s=905)}, launcher=5)
    assert measured(before, after) == {
        "launcher": {CPU: 50.0} | {"process/memory_rss_megabytes": 1.0} | {"process/threads": 2}
    }


def test_a_process_looked_at_first_tells_of_its_life_so_far_unless_that_was_long() -> None:
    found = look(102, {5: seen(1, 1, started=10_000), 6: seen(5, 1, 1, started=10_100)}, rank=5)
    assert measured(found)["rank"][CPU] == 150.0
    assert measured(look(101, {}), found)["rank"][CPU] == 150.0
    assert measured(look(101, {5: seen(1, 90, started=77)}), found)["rank"][CPU] == 150.0
    late = look(102, {5: seen(1, 50, started=1)}, rank=5)
    assert CPU not in measured(look(101, {}), late)["rank"]


def test_a_child_that_was_overlooked_has_not_used_all_its_time_just_now() -> None:
    before, after = look(10, {5: seen(1)}, rank=5), look(12, {5: seen(1, 1), 6: seen(5, 5000)}, rank=5)
    assert measured(before, after)["rank"][CPU] == 50.0


def test_there_is_no_cpu_use_over_no_time() -> None:
    first = look(10, {5: seen(1, 3, started=990)}, rank=5)
    assert CPU not in measured(first)["rank"]
    assert CPU not in measured(first, look(10.1, {5: seen(1, 4, started=990)}, rank=5))["rank"]


def test_traffic_adds_up_over_children_that_come_and_go() -> None:
    million = 1_000_000
    meter = Meter(began_ns=0)
    both = {5: seen(1), 6: seen(5)}
    read = [
        meter.read(one)["rank"]["process/read_megabytes"]
        for one in (
            look(10, both, {5: 2 * million, 6: million}, rank=5),
            look(12, both, {5: 2 * million, 6: 4 * million}, rank=5),
            look(14, {5: seen(1)}, {5: 7 * million}, rank=5),
            look(16, {5: seen(1), 8: seen(5)}, {5: 7 * million, 8: million}, rank=5),
        )
    ]
    assert read == [3.0, 6.0, 7.0, 8.0]


def test_traffic_that_may_not_be_read_is_left_out() -> None:
    assert "process/read_megabytes" not in measured(look(10, {5: seen(1)}, rank=5))["rank"]


def test_memory_on_gpus_is_that_of_the_whole_tree() -> None:
    one = look(10, {5: seen(1), 6: seen(5), 7: seen(1)}, rank=5)
    held = Look(one.time_ns, one.clock_ns, one.ticks, one.seen, one.trees, gpu_bytes={6: 3_000_000, 7: 9_000_000})
    assert measured(held)["rank"]["process/gpu_memory_megabytes"] == 3.0


def test_the_last_sample_is_of_the_time_since_the_last_look() -> None:
    meter = Meter(began_ns=0)
    meter.read(look(10, {5: seen(1, 3), 6: seen(5, 1)}, rank=5))
    assert meter.last_sample(Ended("rank", 0, 12 * S, cpu_s=5.0)) == {CPU: 50.0}


def test_a_process_that_was_never_looked_at_has_a_sample_of_its_whole_life() -> None:
    assert Meter(began_ns=0).last_sample(Ended("rank", 10 * S, 12 * S, cpu_s=1.0)) == {CPU: 50.0}


def test_there_is_no_last_sample_of_an_instant_or_of_what_an_earlier_agent_saw_end() -> None:
    assert Meter(began_ns=0).last_sample(Ended("rank", 10 * S, 10 * S + 1, cpu_s=1.0)) is None
    assert Meter(began_ns=20 * S).last_sample(Ended("rank", 10 * S, 12 * S, cpu_s=1.0)) is None
