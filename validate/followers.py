"""Under a launcher every rank runs the same command: rank 0 speaks for all."""

from __future__ import annotations

import os


def hush_followers(target: str) -> None:
    """Nothing more on stdout and stderr from ranks other than 0 of a target that a launcher starts. To be called first."""
    from validate.mpi.quiet import hush, is_leader

    if target == "mpi" and not is_leader():
        hush()
    if target == "nccl":
        from validate.nccl.launched import launched

        if launched(os.environ).rank > 0:
            hush()
