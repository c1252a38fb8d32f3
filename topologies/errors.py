"""Everything that netsim raises on purpose: six classes, one line each, subject first, value included, what to do.

The command line turns them into exit codes: `InputError` and below 2, `BackendUnavailable` 4, the rest 1.
"""


class NetsimError(Exception):
    """The root: whatever netsim raises on purpose."""


class InputError(NetsimError):
    """A scenario, a parameter or a file that cannot be used as it is."""


class UnknownKind(InputError):
    """A name that no table has; the message suggests the nearest."""


class Unroutable(InputError):
    """Endpoints between which no route exists; the message names them."""


class ScheduleError(NetsimError):
    """A schedule that does not do what its collective promises; names rank, chunk and round."""


class BackendUnavailable(NetsimError):
    """Something outside netsim that this run needs is not there; says how to get it."""
