"""A job that ends because one rank did not come to a collective; each rank leaves a recording as PyTorch does.

usage: recording.py MISSING_RANK
"""

import os
import pickle
import sys
import time

RANK, SIZE = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
MISSING = int(sys.argv[1])


def entry(number: int, state: str) -> dict[str, object]:
    return {
        "process_group": ("0", "default_pg"),
        "collective_seq_id": number,
        "p2p_seq_id": 0,
        "profiling_name": "nccl:all_reduce",
        "input_sizes": [[4]],
        "state": state,
        "retired": state == "completed",
        "is_p2p": False,
        "frames": [{"name": "main", "filename": __file__, "line": 1}],
    }


entries = [entry(number, "completed") for number in range(1, 17)]
if RANK != MISSING:
    entries.append(entry(17, "started"))
config = {"0": {"name": "0", "desc": "default_pg", "ranks": str(list(range(SIZE)))}}
with open(f"{os.environ['TORCH_FR_DUMP_TEMP_FILE']}{RANK}", "wb") as file:
    pickle.dump({"version": "2.10", "pg_config": config, "pg_status": {}, "entries": entries}, file, protocol=2)
print(f"rank {RANK} has left its recording", flush=True)
if RANK == MISSING:
    time.sleep(1000)
while not all(os.path.exists(f"{os.environ['TORCH_FR_DUMP_TEMP_FILE']}{rank}") for rank in range(SIZE)):
    time.sleep(0.01)
print(
    f"[rank{RANK}]:[E ProcessGroupNCCL.cpp:616] [Rank {RANK}] Watchdog caught collective operation timeout: "
    "WorkNCCL(SeqNum=17, OpType=ALLREDUCE, NumelIn=4, NumelOut=4, Timeout(ms)=600000) ran for 600013 milliseconds "
    "before timing out.",
    file=sys.stderr,
    flush=True,
)
sys.exit(1)
