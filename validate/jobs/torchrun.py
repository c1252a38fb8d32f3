"""A script for torchrun: the same on every node, which tells it its number, so that ranks do not depend on who comes first."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from validate.jobs.maps import maps
from validate.jobs.plan import RESULT, SCENARIO, Plan

_SCRIPT = "torchrun.sh"


def torchrun(plan: Plan) -> dict[str, str]:
    """File name -> text: `torchrun.sh` first."""
    return {_SCRIPT: "".join(f"{line}\n" for line in _script(plan)), **maps(plan)}


def _script(plan: Plan) -> Iterator[str]:
    hosts = plan.seats.hosts
    yield "#!/bin/bash"
    yield f"# netsim: {plan.name} replayed by NCCL, {plan.processes} processes on {len(hosts)} nodes: one for each GPU"
    yield "#"
    yield "#   on every node, in this folder, at the same time:"
    for number, host in enumerate(hosts):
        yield f"#     {host}:  bash {_SCRIPT} {number}"
    yield f"#   it leaves {RESULT} on {next(iter(hosts))}; predicted beside measured:  netsim validate {SCENARIO} --on {RESULT}"
    yield "#"
    yield "# Settings from the environment: MASTER_ADDR, the first node as the others see it; MASTER_PORT (29500; the next too)."
    if not plan.seats.named:
        yield "# The fabric is no real one, so its hosts have no machines: set MASTER_ADDR, and number your nodes as you like."
        yield "# To name them: netsim validate … --job torchrun --option hostfile=FILE, a machine a line."
    yield ""
    yield "set -euo pipefail"
    yield f"hosts=({shlex.join(hosts)})"
    yield f"gpus=({' '.join(map(str, hosts.values()))})  # of each host: the processes there"
    yield 'node=${1:?"which node is this? 0 is the first of ${hosts[*]}"}'
    yield f'[ -f {SCENARIO} ] || {{ echo "{_SCRIPT}: no {SCENARIO} in $PWD: run it in its own folder" >&2; exit 2; }}'
    if plan.seats.named:
        yield "master=${MASTER_ADDR:-${hosts[0]}}"
    else:
        yield 'master=${MASTER_ADDR:?"set it to the address of the first node"}'
    yield f'exec torchrun --nnodes={len(hosts)} --node-rank="$node" --nproc-per-node="${{gpus[$node]}}" \\'
    yield '  --rdzv-backend=static --rdzv-endpoint="$master:${MASTER_PORT:-29500}" \\'
    yield f"  -m netsim {shlex.join(plan.arguments)}"
