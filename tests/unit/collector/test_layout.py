"""Streams find their places, for one node and for several, whatever becomes known when."""

from __future__ import annotations

from typing import Any

import pytest

from ranklog_collector.core import journal
from ranklog_collector.core.layout import EXECUTION, PROCESS_INFO, PROCESS_STATUS, ROLES, Layout, Renaming, StreamKey
from ranklog_collector.core.presence import Presence


class Job:
    """A layout and what is told to it."""

    def __init__(self) -> None:
        self.presence = Presence()
        self.layout = Layout(self.presence)
        self.entries: list[journal.Entry] = []
        self.streams = 0

    def node(self, node: str, ip: str) -> list[Renaming]:
        return self.learn(journal.Node(node, "joined", 1, ip, node), node, "")

    def rank(self, node: str, rank: int | None, pid: int, **more: Any) -> list[Renaming]:
        record = {"pid": pid, **({} if rank is None else {"rank": rank}), **more}
        key = f"{'p' if rank is None else rank}-{pid}"
        return self.learn(journal.Process(node, key, "started", 1, record), node, key)

    def learn(self, entry: journal.Node | journal.Process, node: str, process: str) -> list[Renaming]:
        self.presence.apply(entry)
        self.entries.append(entry)
        renamings = self.layout.learned(node, process)
        self.entries += [journal.Path(one.stream, one.target) for one in renamings]
        return renamings

    def place(self, node: str, role: str, process: str = "", name: str = "") -> str:
        self.streams += 1
        key = StreamKey(node, role, process, name, snapshot=False)
        path = self.layout.place(self.streams, key)
        self.entries.append(journal.Stream(self.streams, node, role, process, name, path))
        return path

    def replayed(self) -> Job:
        again = Job()
        for entry in self.entries:
            again.presence.apply(entry)
            if isinstance(entry, journal.Stream):
                key = StreamKey(entry.node, entry.role, entry.process, entry.name, snapshot=False)
                again.layout.restore(entry.stream, key, entry.path)
            elif isinstance(entry, journal.Path):
                again.layout.restore_renamed(entry.stream, entry.path)
        again.streams = self.streams
        return again


@pytest.fixture
def job() -> Job:
    job = Job()
    job.node("node0", "10.0.0.1")
    return job


@pytest.mark.parametrize(
    ("role", "name", "path"),
    [
        ("stdout", "", "azureml-logs/70_driver_log.txt"),
        ("stderr", "", "azureml-logs/70_driver_log_stderr.txt"),
        ("launcher_stdout", "", "overall/stdout.txt"),
        ("launcher_stderr", "", "overall/stderr.txt"),
        ("launcher_log", "", "azureml-logs/70_mpi_log.txt"),
        ("image_build", "", "azureml-logs/20_image_build_log.txt"),
        ("execution", "", "azureml-logs/55_azureml-execution-node0.txt"),
        ("job_prep", "", "azureml-logs/65_job_prep-node0.txt"),
        ("job_post", "", "azureml-logs/75_job_post-node0.txt"),
        ("start_cms", "", "logs/azureml/sidecar/node0/start_cms.txt"),
        ("prep_cmd", "", "logs/azureml/sidecar/node0/prep_cmd.txt"),
        ("release_cmd", "", "logs/azureml/sidecar/node0/release_cmd.txt"),
        ("azureml_log", "110_azureml.log", "logs/azureml/110_azureml.log"),
        ("log", "logs/train.log", "logs/train.log"),
        ("output_file", "outputs/model.pt", "outputs/model.pt"),
        ("output_file", "model.pt", "outputs/model.pt"),
        ("metrics", "", ".ranklog/metrics/node0/node.jsonl"),
        ("metrics", "resources", ".ranklog/metrics/node0/node.resources.jsonl"),
        ("artifact", "outputs/food.png", "outputs/food.png"),
        ("artifact", "food.png", "food.png"),
        ("artifact", "run.json", "run_2.json"),
        ("artifact", ".ranklog/journal/events.jsonl", "_.ranklog/journal/events.jsonl"),
        ("artifact", "../10.0.0.1/x", "_/10.0.0.1/x"),
    ],
)
def test_every_role_has_its_place(job: Job, role: str, name: str, path: str) -> None:
    assert job.place("node0", role, name=name) == path


def test_every_role_of_the_wire_is_known() -> None:
    from ranklog_proto.v1.ingest_pb2 import Role

    assert {name.removeprefix("ROLE_").lower() for name in Role.keys()} - {"unspecified"} == ROLES  # noqa: SIM118


def test_several_ranks_have_their_rank_in_the_name(job: Job) -> None:
    job.rank("node0", 0, 100, world_size=2)
    job.rank("node0", 1, 101, world_size=2)
    assert job.place("node0", "stdout", "0-100") == "azureml-logs/70_driver_log_0.txt"
    assert job.place("node0", "stderr", "1-101") == "azureml-logs/70_driver_log_1_stderr.txt"


def test_what_ranks_upload_is_on_top_and_their_own_log_has_the_rank_in_its_name(job: Job) -> None:
    job.rank("node0", 0, 100, world_size=4, local_size=2)
    assert job.place("node0", "artifact", "0-100", "outputs/a.png") == "outputs/a.png"
    assert job.place("node0", "metrics", "0-100") == ".ranklog/metrics/node0/0-100.jsonl"
    assert job.place("node0", "azureml_log", "0-100", "110_azureml.log") == "10.0.0.1/logs/azureml/110_azureml_0.log"


def test_a_single_rank_has_not(job: Job) -> None:
    job.rank("node0", 0, 100, world_size=1)
    assert job.place("node0", "stdout", "0-100") == "azureml-logs/70_driver_log.txt"


def test_a_second_process_renames_the_first_ones_log(job: Job) -> None:
    job.rank("node0", None, 100)
    assert job.place("node0", "stdout", "p-100") == "azureml-logs/70_driver_log.txt"
    assert job.rank("node0", None, 101) == [
        Renaming(1, "azureml-logs/70_driver_log.txt", "azureml-logs/70_driver_log_pid100.txt")
    ]
    assert job.place("node0", "stdout", "p-101") == "azureml-logs/70_driver_log_pid101.txt"
    job.rank("node0", None, 0, local_rank=2)
    assert job.place("node0", "stdout", "p-0") == "azureml-logs/70_driver_log_local2.txt"


def test_a_process_that_becomes_known_late_gets_its_name_late(job: Job) -> None:
    job.rank("node0", 0, 100, world_size=2)
    assert job.place("node0", "stdout", "1-101") == "azureml-logs/70_driver_log_1-101.txt"
    assert job.rank("node0", 1, 101, world_size=2) == [
        Renaming(1, "azureml-logs/70_driver_log_1-101.txt", "azureml-logs/70_driver_log_1.txt")
    ]


def test_attempts_of_a_rank_are_kept_apart(job: Job) -> None:
    for pid in (100, 200):
        job.rank("node0", 3, pid, world_size=4)
    assert job.place("node0", "stdout", "3-100") == "azureml-logs/70_driver_log_3.txt"
    assert job.place("node0", "stdout", "3-200") == "azureml-logs/70_driver_log_3_attempt2.txt"


def test_a_launcher_is_no_second_process(job: Job) -> None:
    job.rank("node0", None, 99, role="launcher")
    job.rank("node0", 0, 100, world_size=1)
    assert job.place("node0", "stdout", "0-100") == "azureml-logs/70_driver_log.txt"


def test_a_launcher_that_tells_of_several_nodes_gives_each_its_folder_at_once(job: Job) -> None:
    job.rank("node0", 0, 100, world_size=8, local_size=4)
    assert job.place("node0", "stdout", "0-100") == "10.0.0.1/azureml-logs/70_driver_log_0.txt"
    assert job.place("node0", "launcher_log") == "azureml-logs/70_mpi_log.txt"


def test_a_second_node_moves_the_first_ones_files_under_its_address(job: Job) -> None:
    for role, name in (("stdout", ""), ("launcher_stdout", ""), ("log", "logs/a.log"), ("execution", "")):
        job.place("node0", role, name=name)
    assert job.node("node1", "10.0.0.2") == [
        Renaming(1, "azureml-logs/70_driver_log.txt", "10.0.0.1/azureml-logs/70_driver_log.txt"),
        Renaming(3, "logs/a.log", "10.0.0.1/logs/a.log"),
        Renaming(
            4,
            "azureml-logs/55_azureml-execution-node0.txt",
            "10.0.0.1/azureml-logs/55_azureml-execution-node0.txt",
        ),
    ]
    assert job.place("node1", "log", name="logs/a.log") == "10.0.0.2/logs/a.log"
    assert job.node("node2", "10.0.0.3") == []


def test_nodes_that_share_an_address_stay_apart(job: Job) -> None:
    job.node("node1", "10.0.0.1")
    assert job.place("node0", "log", name="a") == "10.0.0.1/a"
    assert job.place("node1", "log", name="a") == "10.0.0.1_node1/a"


def test_an_ipv6_address_makes_a_folder_that_any_file_system_takes(job: Job) -> None:
    job.node("node1", "fe80::1")
    assert job.place("node1", "log", name="a") == "fe80--1/a"


@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "RUN.JSON",
        "azureml-logs/process_info.json",
        "azureml-logs/process_status.json",
        "overall/execution.txt",
        ".ranklog/journal/events.jsonl",
        ".RankLog/lock",
        "./.ranklog/lock",
        ".ranklog",
        "10.0.0.2/azureml-logs/70_driver_log.txt",
        "10.0.0.1_node1/a",
        "overall",
    ],
)
def test_a_watched_file_cannot_pass_for_one_of_the_run_folders_own(job: Job, name: str) -> None:
    path = job.place("node0", "log", name=name)
    assert path.partition("/")[0].casefold() not in (".ranklog", "10.0.0.1", "10.0.0.2", "10.0.0.1_node1")
    assert path.casefold() not in ("run.json", PROCESS_INFO, PROCESS_STATUS, EXECUTION, "overall")


def test_equal_names_get_numbers(job: Job) -> None:
    assert job.place("node0", "log", name="a b.log") == "a b.log"
    assert job.place("node0", "log", name="A b.log") == "A b_2.log"


def test_a_replay_of_the_journal_puts_everything_where_it_was(job: Job) -> None:
    job.place("node0", "log", name="a.log")
    job.place("node0", "log", name="a.log")
    job.rank("node0", None, 100)
    job.place("node0", "stdout", "p-100")
    job.rank("node0", None, 101)
    job.node("node1", "10.0.0.1")
    job.place("node1", "log", name="a.log")
    again = job.replayed()
    assert again.layout.settle() == []
    for one in (job, again):
        assert one.place("node1", "log", name="a.log") == "10.0.0.1_node1/a_2.log"
        assert one.place("node0", "log", name="a.log") == "10.0.0.1/a_3.log"


def test_renamings_that_a_crash_prevented_come_out_of_the_replay(job: Job) -> None:
    job.place("node0", "log", name="a.log")
    job.node("node1", "10.0.0.2")
    renaming = job.entries.pop()
    assert isinstance(renaming, journal.Path)
    again = job.replayed()
    assert again.layout.settle() == [Renaming(1, "a.log", "10.0.0.1/a.log")]


def test_a_processs_log_is_told_before_and_after_its_first_byte(job: Job) -> None:
    job.rank("node0", 0, 100, world_size=2)
    process = job.presence.processes.get("node0", "0-100")
    assert process is not None
    assert job.layout.log_of(process) == "azureml-logs/70_driver_log_0.txt"
    job.place("node0", "stdout", "0-100")
    job.node("node1", "10.0.0.2")
    assert job.layout.log_of(process) == "10.0.0.1/azureml-logs/70_driver_log_0.txt"
