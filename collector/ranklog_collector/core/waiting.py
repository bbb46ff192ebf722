"""By which calls in its stack a process is known to wait for the others: collectives of libraries that jobs use."""

from __future__ import annotations

from collections.abc import Iterable

_TORCH = (
    "all_gather all_gather_coalesced all_gather_into_tensor all_gather_object all_reduce all_reduce_coalesced "
    "all_to_all all_to_all_single barrier batch_isend_irecv broadcast broadcast_object_list gather gather_object "
    "monitored_barrier recv recv_object_list reduce reduce_scatter reduce_scatter_tensor scatter scatter_object_list "
    "send init_process_group new_group destroy_process_group _store_based_barrier"
)
_BY_FILE: dict[str, frozenset[str]] = {
    "distributed_c10d.py": frozenset(_TORCH.split()),
    # DeepSpeed's wrappers, and its own backend's.
    "deepspeed/comm/comm.py": frozenset(_TORCH.split()),
    "mpi_ops.py": frozenset(
        ("synchronize", "allreduce", "allgather", "broadcast", "alltoall", "reducescatter", "barrier", "join")
    ),
    "multihost_utils.py": frozenset(("sync_global_devices", "broadcast_one_to_all", "process_allgather")),
    "rendezvous.py": frozenset(("rendezvous",)),
}
"""Python functions, by the end of their file's path."""
_NATIVE = ("MPI_", "PMPI_", "ncclGroupEnd", "ncclAll", "ncclReduce", "ncclBroadcast", "ncclSend", "ncclRecv", "gloo::")
"""Beginnings of what native functions are called."""
_NOT_WAITING = frozenset(
    ("MPI_Init", "MPI_Init_thread", "MPI_Initialized", "MPI_Comm_rank", "MPI_Comm_size", "MPI_Abort", "MPI_Wtime")
)


def waits_in(calls: Iterable[tuple[str, str]]) -> str:
    """Name the collective that is waited in, given (function, file) of each call; empty if none is known.

    Of several the outermost one: `barrier` may well be made of `all_reduce`.
    """
    found = ""
    for function, file in calls:
        name = function.removeprefix("P") if function.startswith("PMPI_") else function
        if name.startswith(_NATIVE) and name not in _NOT_WAITING:
            found = name
        elif any(file.endswith(end) and function in functions for end, functions in _BY_FILE.items()):
            found = function
    return found
