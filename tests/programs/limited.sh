#!/bin/sh
# One rank of a job in a cgroup of its own, which may limit its memory.
# usage: limited.sh RANK CGROUP COMMAND...; CGROUP is a folder with cgroup.procs
rank=${RANK:-${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-${PMIX_RANK:-$SLURM_PROCID}}}}
[ "$rank" = "$1" ] && echo 0 >"$2/cgroup.procs"
shift 2
exec "$@"
