"""Static routing by destination or source digit: d-mod-k and s-mod-k."""

from topologies.errors import InputError
from topologies.fabric import Fabric
from topologies.paths import Router
from topologies.pgft import Pgft
from topologies.routing.pgft import D_MOD_K, S_MOD_K, PgftRouter


def d_mod_k(fabric: Fabric) -> Router:
    """Destination-mod-k: all flows to one host meet on one down path; shift permutations never collide on full fat-trees."""
    return _modulo(fabric, D_MOD_K)


def s_mod_k(fabric: Fabric) -> Router:
    """Source-mod-k, the mirror image of d-mod-k."""
    return _modulo(fabric, S_MOD_K)


def _modulo(fabric: Fabric, rule: int) -> Router:
    if isinstance(fabric.shape, Pgft) and fabric.intact:
        return PgftRouter(fabric, rule)
    raise InputError(f"{fabric.name}: no digits to route by")  # replaced by tables over any graph with the next commits
