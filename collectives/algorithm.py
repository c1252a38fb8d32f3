"""What every algorithm has in common: it states which operations it performs, and says in one line what it cannot do."""

from collections.abc import Callable
from typing import Any, TypeVar

from collectives.collective import Collective, Op
from topologies.errors import InputError

_F = TypeVar("_F", bound=Callable[..., Any])

#: Rows of messages beyond which a schedule is refused rather than left to exhaust the memory: about 3 GB.
MAX_ROWS = 1 << 28


def performs(*ops: Op) -> Callable[[_F], _F]:
    """Decorator of an algorithm: the operations it performs, read by `ops_of` and `check_op`."""

    def marked(algorithm: _F) -> _F:
        algorithm.__dict__["ops"] = ops
        return algorithm

    return marked


def ops_of(algorithm: Callable[..., Any]) -> tuple[Op, ...]:
    """The operations that an algorithm says it performs; all of them where it does not say.

    >>> from collectives.ring import bidirectional_ring
    >>> [op.value for op in ops_of(bidirectional_ring)]
    ['all-reduce', 'reduce-scatter', 'all-gather']
    """
    ops: tuple[Op, ...] = algorithm.__dict__.get("ops", tuple(Op))
    return ops


def check_op(algorithm: Callable[..., Any], collective: Collective) -> None:
    """Raises InputError with the operations that the algorithm performs where the collective's is none of them."""
    ops = ops_of(algorithm)
    if collective.op not in ops:
        raise InputError(f"{kind_of(algorithm)}: cannot do {collective.op.value}; does {', '.join(op.value for op in ops)}")


def kind_of(algorithm: Callable[..., Any]) -> str:
    """The kind that an algorithm goes by: its name with dashes."""
    return str(algorithm.__name__).replace("_", "-")


def check_count(algorithm: Callable[..., Any], **values: int) -> None:
    """Raises InputError where one of the values is below 1."""
    for name, value in values.items():
        if value < 1:
            raise InputError(f"{kind_of(algorithm)}: {name} {value}: must be at least 1")


def check_divides(algorithm: Callable[..., Any], collective: Collective, **sizes: int) -> None:
    """Raises InputError where the product of the sizes is below 1 or does not divide the ranks."""
    check_count(algorithm, **sizes)
    for name, size in sizes.items():
        if collective.ranks % size:
            raise InputError(
                f"{kind_of(algorithm)}: {name} {size}: does not divide {collective.ranks} ranks; fill every group, or use ring"
            )


def check_rows(algorithm: str, collective: Collective, rows: int) -> None:
    """Raises InputError where a schedule would have more than MAX_ROWS rows."""
    if rows > MAX_ROWS:
        raise InputError(
            f"{algorithm}: {collective.op.value} over {collective.ranks} ranks makes {rows:.2g} separate pieces, more than "
            f"{MAX_ROWS:.2g}; use fewer ranks, or ring or halving-doubling"
        )
