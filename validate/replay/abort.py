"""What goes wrong on one rank is told by it and ends all: the others wait for its messages."""

from __future__ import annotations

import sys
import time
from typing import Any

_PASSED_ON = 0.2  #: seconds; launchers that hear of an abort drop what ranks wrote and they have not passed on


def abort(world: Any, message: str) -> None:
    """One line on stderr, whatever it was replaced by, then MPI_Abort with 1, after which nothing is sure to be done."""
    print(message.replace("\n", " "), file=sys.__stderr__, flush=True)
    time.sleep(_PASSED_ON)
    world.Abort(1)
