"""`mpiexec -n RANKS python -m validate.replay FOLDER`: do what the plan in FOLDER says, leave result.json there."""

from __future__ import annotations

import sys
from pathlib import Path

from topologies.errors import NetsimError


def main(arguments: list[str]) -> int:
    """Run as one rank. Whatever goes wrong in one rank is told in a line and ends all of them."""
    from mpi4py import MPI

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
        _abort(world, str(error))
    except Exception as error:
        _abort(world, f"rank {world.rank}: {type(error).__name__}: {error}")
    return 0


def _abort(world: object, message: str) -> None:
    print(f"replay: {message}".replace("\n", " "), file=sys.stderr, flush=True)
    world.Abort(1)  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
