#!/bin/sh
# As many numbered lines as it can. usage: spam.sh [LINES]
rank=${RANK:-${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-${SLURM_PROCID:-x}}}}
exec seq -f "rank $rank line %.0f xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" 1 "${1:-100000}"
