#!/bin/sh
# Waits until nobody holds a lock on FILE; then all ranks say the same, each with its number, but for one at one moment.
# usage: chorus.sh FILE ODD_RANK
rank=${RANK:-${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-${SLURM_PROCID:-x}}}}
echo "ready"
flock --shared "$1" true
echo "epoch 1 has begun"
for tick in 1 2 3; do
    if [ "$rank.$tick" = "$2.2" ]; then echo "loss is not a number"; else echo "rank $rank tick $tick"; fi
done
