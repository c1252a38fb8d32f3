#!/bin/bash
# netsim: scenario replayed by NCCL, 16 processes on 2 nodes: one for each GPU
#
#   on every node, in this folder, at the same time:
#     h0:  bash torchrun.sh 0
#     h8:  bash torchrun.sh 1
#   it leaves result.json on h0; predicted beside measured:  netsim validate scenario.yaml --on result.json
#
# Settings from the environment: MASTER_ADDR, the first node as the others see it; MASTER_PORT (29500; the next too).
# The fabric is no real one, so its hosts have no machines: set MASTER_ADDR, and number your nodes as you like.
# To name them: netsim validate … --job torchrun --option hostfile=FILE, a machine a line.

set -euo pipefail
hosts=(h0 h8)
gpus=(8 8)  # of each host: the processes there
node=${1:?"which node is this? 0 is the first of ${hosts[*]}"}
[ -f scenario.yaml ] || { echo "torchrun.sh: no scenario.yaml in $PWD: run it in its own folder" >&2; exit 2; }
master=${MASTER_ADDR:?"set it to the address of the first node"}
exec torchrun --nnodes=2 --node-rank="$node" --nproc-per-node="${gpus[$node]}" \
  --rdzv-backend=static --rdzv-endpoint="$master:${MASTER_PORT:-29500}" \
  -m netsim validate scenario.yaml --on nccl --repeat 3 --maps 2 --save result.json
