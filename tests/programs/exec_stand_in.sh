#!/bin/sh
# Stands in for `ranklog exec --`: notes in the spool who was started by it, and becomes that.
shift 2
rank=${RANK:-${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-${SLURM_PROCID:-x}}}}
run=${RANKLOG_RUN_ID:-${OMPI_MCA_ranklog_run_id:-none}}
notes=${OMPI_MCA_ranklog_spool:-$RANKLOG_SPOOL}
echo "$rank $run $*" >>"$notes/$(hostname)-$$"
PATH=$PATH:. # mpirun and srun find a program in the current folder without a path to it
exec "$@"
