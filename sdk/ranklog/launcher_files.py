"""What the paths of the files that launchers leave say of the rank that wrote them.

Regular expressions over whole paths with the named groups rank, local_rank, attempt, stream (`out`, `stdout`, `err` or
`stderr`), node, job, and name, which is what a file that belongs to no rank is called.
"""

PRESETS: dict[str, list[tuple[str, str]]] = {
    "openmpi": [
        # Open MPI 4: mpirun --output-filename DIR; Open MPI 5: mpirun --output dir=DIR
        ("**", r"/(?P<job>\d+|pr?terun-[^/]*@\d+)/rank\.(?P<rank>\d+)/(?P<stream>stdout|stderr)$"),
        # Open MPI 5: mpirun --output file=DIR/x
        ("**", r"\.(?P<job>pr?terun-[^/]*@\d+)\.(?P<rank>\d+)\.(?P<stream>out|err)$"),
    ],
    "torchrun": [
        # torchrun --log-dir DIR --redirects 3
        ("**", r"/attempt_(?P<attempt>\d+)/(?P<local_rank>\d+)/(?P<stream>stdout|stderr)\.log$"),
    ],
    "slurm": [
        # srun --output=DIR/%j_%t_%N.out --error=DIR/%j_%t_%N.err
        ("**", r"/(?P<job>\d+)_(?P<rank>\d+)_(?P<node>[^/_]+)\.(?P<stream>out|err)$"),
        ("**", r"/(?P<name>slurm-(?P<job>\d+(?:_\d+)?)[^/]*\.out)$"),
    ],
    "mpich": [
        # mpiexec -outfile-pattern DIR/out.%r.%h -errfile-pattern DIR/err.%r.%h
        ("**", r"/(?:std)?(?P<stream>out|err)[._-](?P<rank>\d+)(?:[._-](?P<node>(?!txt|log)[\w-]+))?(?:\.[^/]*)?$"),
    ],
    "kubernetes": [
        # /var/log/pods/<namespace>_<pod>_<uid>/<container>/<restart>.log, in CRI format
        ("**/*.log", r"/(?P<name>[^/]+/[^/]+/\d+\.log)$"),
    ],
}
"""Layout of each launcher's files below a folder: (glob, regular expression)."""
BY_NODE = frozenset(("slurm",))
"""Whose nodes write the files of their ranks: where all see the same folder, each agent takes those of its own.

MPICH's head writes those of all.
"""
