"""What every store promises, asked of each; and what the local one promises beyond."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ranklog_collector.errors import StoreLockedError, StoreUnwritableError
from ranklog_collector.store.api import Store
from ranklog_collector.store.durable import Durability
from ranklog_collector.store.local import LocalStore
from ranklog_collector.store.open_files import OpenFiles
from tests.unit.collector.memory_store import MemoryStore

LocalStores = Callable[[], LocalStore]


@pytest.fixture
def local_stores(tmp_path: Path) -> Iterator[LocalStores]:
    """Opens stores over one and the same folder, with room for three descriptors."""
    files, durability = OpenFiles(limit=3), Durability(threads=2)
    opened: list[LocalStore] = []

    def one_more() -> LocalStore:
        opened.append(LocalStore(str(tmp_path / "run"), files, durability))
        return opened[-1]

    yield one_more
    for one in opened:
        one.close()
    durability.close()


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, local_stores: LocalStores) -> Store:
    return local_stores() if request.param == "local" else MemoryStore()


def test_bytes_appear_at_their_offset_in_folders_that_are_made(store: Store) -> None:
    store.append("a/b/c.txt", 0, b"hello ", memoryview(b"wor"))
    store.append("a/b/c.txt", 9, b"ld")
    assert store.read("a/b/c.txt", 0, 100) == b"hello world"
    assert store.read("a/b/c.txt", 6, 3) == b"wor"
    assert store.size("a/b/c.txt") == 11


def test_writing_the_same_bytes_again_changes_nothing(store: Store) -> None:
    store.append("f", 0, b"abcdef")
    store.append("f", 2, b"cd")
    assert store.read("f", 0, 100) == b"abcdef"


def test_more_buffers_than_one_system_call_takes_arrive_in_order(store: Store) -> None:
    parts = [b"%d," % number for number in range(5000)]
    store.append("f", 0, *parts)
    assert store.read("f", 0, 1 << 20) == b"".join(parts)


def test_what_is_missing_has_no_size_and_no_bytes(store: Store) -> None:
    assert store.size("no/such") is None
    assert store.read("no/such", 0, 10) == b""
    store.remove("no/such")
    store.truncate("nosuch", 0)
    assert not store.rename("nosuch", "other")
    assert store.list() == []


def test_truncate_cuts_but_never_grows(store: Store) -> None:
    store.append("f", 0, b"abcdef")
    store.truncate("f", 4)
    assert store.read("f", 0, 100) == b"abcd"
    store.truncate("f", 100)
    assert store.size("f") == 4


def test_a_file_goes_on_under_its_new_name(store: Store) -> None:
    store.append("logs/f", 0, b"abc")
    assert store.rename("logs/f", "10.0.0.1/logs/f")
    store.append("10.0.0.1/logs/f", 3, b"def")
    store.append("logs/f", 0, b"another")
    store.sync(["logs/f", "10.0.0.1/logs/f"])
    assert store.read("10.0.0.1/logs/f", 0, 100) == b"abcdef"
    assert store.read("logs/f", 0, 100) == b"another"


def test_rename_replaces_what_is_there(store: Store) -> None:
    store.append("old", 0, b"new content")
    store.append("target", 0, b"previous content")
    store.rename("old", "target")
    assert store.read("target", 0, 100) == b"new content"
    assert store.list() == ["target"]


def test_put_replaces_a_file_as_a_whole(store: Store) -> None:
    store.put("a/status.json", b"a long first version")
    store.put("a/status.json", b"short")
    assert store.read("a/status.json", 0, 100) == b"short"
    assert store.list() == ["a/status.json"]


def test_list_names_all_files_below_a_folder(store: Store) -> None:
    for path in ("b", "a/2", "a/1", "a/c/3", "ab/4"):
        store.append(path, 0, b"x")
    assert store.list() == ["a/1", "a/2", "a/c/3", "ab/4", "b"]
    assert store.list("a") == ["a/1", "a/2", "a/c/3"]


def test_a_removed_file_starts_anew(store: Store) -> None:
    store.append("a/f", 0, b"abc")
    store.remove("a/f")
    assert store.list() == []
    store.append("a/f", 0, b"d")
    assert store.read("a/f", 0, 10) == b"d"


def test_many_files_sync_at_once(store: Store) -> None:
    paths = [f"logs/{number}" for number in range(100)]
    for path in paths:
        store.append(path, 0, b"x")
    store.sync(paths)
    store.sync(paths[:5])
    assert store.list() == sorted(paths)


# ---- the local store ------------------------------------------------------------------------------------------------


def test_folders_that_become_empty_go_away(local_stores: LocalStores, tmp_path: Path) -> None:
    store = local_stores()
    store.append("a/b/f", 0, b"x")
    store.append("a/g", 0, b"x")
    store.rename("a/b/f", "c/f")
    assert not (tmp_path / "run/a/b").exists()
    assert (tmp_path / "run/a").exists()
    store.sync(["c/f"])


@pytest.mark.parametrize("planted", ["logs", "logs/deep", "logs/deep/f"])
def test_a_symbolic_link_in_the_folder_leads_nowhere(local_stores: LocalStores, tmp_path: Path, planted: str) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep/f").write_bytes(b"precious")
    link = tmp_path / "run" / planted
    store = local_stores()
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside / planted.removeprefix("logs").lstrip("/"))
    store.append("good", 0, b"x")
    for attempt in (
        lambda: store.append("logs/deep/f", 0, b"overwritten"),
        lambda: store.truncate("logs/deep/f", 0),
        lambda: store.read("logs/deep/f", 0, 100),
    ):
        with pytest.raises(StoreUnwritableError, match="symbolic link"):
            attempt()
    for attempt in (
        lambda: store.put("logs/deep/f", b"overwritten"),
        lambda: store.rename("good", "logs/deep/f"),
        lambda: store.remove("logs/deep/f"),
    ):
        # Replacing or removing the link itself is harmless.
        if planted != "logs/deep/f":
            with pytest.raises(StoreUnwritableError, match="symbolic link"):
                attempt()
    assert (outside / "deep/f").read_bytes() == b"precious"


def test_a_fifo_under_a_files_name_is_refused_at_once(local_stores: LocalStores, tmp_path: Path) -> None:
    store = local_stores()
    os.mkfifo(tmp_path / "run/f")
    with pytest.raises(StoreUnwritableError, match="not a regular file"):
        store.append("f", 0, b"x")
    with pytest.raises(StoreUnwritableError, match="not a regular file"):
        store.read("f", 0, 1)


def test_only_one_store_at_a_time_may_write(local_stores: LocalStores) -> None:
    first, second = local_stores(), local_stores()
    first.lock()
    with pytest.raises(StoreLockedError, match="another collector"):
        second.lock()


def test_a_lock_ends_with_its_store(tmp_path: Path) -> None:
    files, durability = OpenFiles(limit=3), Durability(threads=1)
    for _ in range(2):
        store = LocalStore(str(tmp_path), files, durability)
        store.lock()
        store.close()
    durability.close()


def test_more_files_than_descriptors_from_many_threads(local_stores: LocalStores) -> None:
    store = local_stores()

    def write(thread: int) -> None:
        for round_ in range(50):
            for number in range(5):
                store.append(f"{thread}/{number}", round_, b"x")
            store.sync([f"{thread}/{number}" for number in range(5)])

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.size(path) for path in store.list()] == [50] * 20


def test_descriptors_do_not_pile_up(local_stores: LocalStores) -> None:
    store = local_stores()
    before = len(os.listdir("/proc/self/fd"))
    for number in range(100):
        store.append(f"f{number}", 0, b"x")
        store.rename(f"f{number}", f"g{number}")
        store.append(f"g{number}", 0, b"y")
        store.put(f"p{number}", b"z")
    store.sync([f"g{number}" for number in range(100)])
    assert len(os.listdir("/proc/self/fd")) <= before + 3


def test_syncing_a_file_that_somebody_removed_is_an_error(local_stores: LocalStores, tmp_path: Path) -> None:
    store = local_stores()
    for number in range(5):
        store.append(f"f{number}", 0, b"x")
    os.unlink(tmp_path / "run/f0")
    with pytest.raises(StoreUnwritableError, match="cannot sync"):
        store.sync(["f0", "f4"])
