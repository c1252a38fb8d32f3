"""`mpiexec -n RANKS python -m validate.replay FOLDER`: do what the plan in FOLDER says, leave result.json there."""

from __future__ import annotations

import sys
from pathlib import Path

from topologies.errors import NetsimError


def main(arguments: list[str]) -> int:
    """Run as one rank. Whatever goes wrong in one rank is told in a line and ends all of them."""
    from mpi4py import MPI

    from validate.replay.abort import abort
    from validate.replay.plan import read_plan
    from validate.replay.program import perform
    from validate.replay.walk import Late

    world = MPI.COMM_WORLD
    try:
        if len(arguments) != 1:
            raise NetsimError("replay: needs one argument, the folder with the plan")
        folder = Path(arguments[0])
        perform(read_plan(folder), world, folder)
    except (NetsimError, Late) as error:
        abort(world, f"replay: {error}")
    except Exception as error:
        abort(world, f"replay: rank {world.rank}: {type(error).__name__}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
