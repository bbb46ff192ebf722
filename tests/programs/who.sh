#!/bin/sh
# Says on both streams who it is and what its standard descriptors are.
rank=${RANK:-${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-${SLURM_PROCID:-x}}}}
echo "hello out $rank on $(hostname) pid=$$ fd0=$(readlink /proc/$$/fd/0) fd1=$(readlink /proc/$$/fd/1) fd2=$(readlink /proc/$$/fd/2)"
echo "hello err $rank" >&2
