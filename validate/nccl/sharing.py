"""Several ranks on one GPU: how NCCL can be brought to it, and what a reader must know of what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from topologies.errors import BackendUnavailable

MULTIRANK_SINCE = (2, 30, 0)  #: NCCL's release that allows it, as an experiment
_MOST_CTAS = "2"  #: blocks of threads that a rank's kernels take at most: kernels of all ranks must be on the GPU at once


@dataclass(frozen=True)
class Sharing:
    """What must be in the environment before the first communicator is made, and what to tell the reader."""

    environment: Mapping[str, str]
    notes: tuple[str, ...] = ()


def sharing(most: int, version: tuple[int, int, int], how: str | None, rank: int) -> Sharing:
    """For `most` ranks on the fullest GPU.

    Since NCCL 2.30 `NCCL_MULTI_RANK_GPU_ENABLE=1` says that it is meant, and kernels are to be capped by `NCCL_MAX_CTAS`. Before
    that NCCL refuses two ranks of one host on one GPU. `how="hostid"` names a host of its own for every rank, `NCCL_HOSTID`, an
    environment variable that NCCL does not document: messages then go through sockets, and kernels of different processes take
    turns on the GPU.

    >>> sharing(1, (2, 28, 9), None, 0).environment
    {}

    Raises BackendUnavailable where this NCCL cannot.
    """
    number = ".".join(map(str, version))
    if most == 1 and how is None:
        return Sharing({})
    cap = {"NCCL_MAX_CTAS": _MOST_CTAS, "NCCL_NET_GDR_LEVEL": "LOC"}
    told = f"{most} ranks share a GPU: its memory and its blocks of threads are what is measured, not the fabric of the scenario"
    if how == "hostid":
        apart = {"NCCL_HOSTID": f"netsim-{rank}", "NCCL_NET": "Socket", "NCCL_IB_DISABLE": "1"}
        plain = {"NCCL_CUMEM_ENABLE": "0", "NCCL_MNNVL_ENABLE": "0", "NCCL_NVLS_ENABLE": "0"}
        note = "share=hostid: NCCL takes every rank for a host of its own (NCCL_HOSTID, not documented): all goes through sockets"
        return Sharing(apart | cap | plain, (told, note) if most > 1 else (note,))
    if version < MULTIRANK_SINCE:
        raise BackendUnavailable(
            f"NCCL {number}: {most} ranks on one GPU: it allows one; start one process for each GPU, install NCCL 2.30 or later, "
            "or try --option share=hostid"
        )
    note = f"share=multirank: NCCL {number} allows several ranks on a GPU as an experiment (NCCL_MULTI_RANK_GPU_ENABLE=1)"
    return Sharing({"NCCL_MULTI_RANK_GPU_ENABLE": "1"} | cap, (told, note) if most > 1 else (note,))
