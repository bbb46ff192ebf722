#!/bin/sh
# Waits until nobody holds a lock on FILE; then all ranks say the same at once, but for one.
# usage: chorus.sh FILE ODD_RANK
rank=${RANK:-${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-${SLURM_PROCID:-x}}}}
echo "ready"
flock --shared "$1" true
echo "epoch 1 has begun"
if [ "$rank" = "$2" ]; then echo "loss is not a number"; else echo "loss 0.5"; fi
