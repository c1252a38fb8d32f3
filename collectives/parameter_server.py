"""Sharded parameter server: push to the owners of the shards, pull the sums."""

from typing import Annotated

import numpy as np
from annotated_types import Ge

from collectives.algorithm import check_count, check_op, check_rows, performs
from collectives.collective import Collective, Op
from collectives.schedule import Round, Schedule, one_channel
from topologies.errors import InputError


@performs(Op.ALL_REDUCE)
def parameter_server(collective: Collective, *, servers: Annotated[int, Ge(1)] | None = None) -> Schedule:
    """All-reduce through `servers` ranks that own a shard each (by default all ranks): push and add, then pull. (Li et al. 2014.)

    steps 2; bytes sent per rank M (servers-1)/servers + M (p-1)/servers by an owner, M by the others; with all ranks as owners
    2 M (p-1)/p. Any p >= servers. The owners are workers too, spread evenly: owner s is rank floor(s p / servers).
    """
    check_op(parameter_server, collective)
    p = collective.ranks
    shards = p if servers is None else servers
    check_count(parameter_server, servers=shards)
    if shards > p:
        raise InputError(f"parameter-server: servers {shards}: more than the {p} ranks; servers are ranks themselves")
    check_rows("parameter-server", collective, 2 * shards * (p - 1))
    shard = np.repeat(np.arange(shards, dtype=np.int32), p - 1)
    owner = (shard.astype(np.int64) * p // shards).astype(np.int32)
    worker = (owner + np.tile(np.arange(1, p, dtype=np.int32), shards)) % p
    rounds = [Round(worker, owner, shard, 1, True), Round(owner, worker, shard, 1, False)]
    return one_channel(collective, rounds, shards, "parameter-server")
