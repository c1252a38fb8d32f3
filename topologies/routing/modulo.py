"""Static routing by destination or source digit: d-mod-k and s-mod-k."""

from topologies.fabric import Fabric
from topologies.paths import Router
from topologies.routing.levels import layered, up_down_height
from topologies.routing.pgft import D_MOD_K, S_MOD_K
from topologies.routing.single_path import single_path


def d_mod_k(fabric: Fabric) -> Router:
    """Destination-mod-k: all flows to one host meet on one down path; shift permutations never collide on full fat-trees.

    At level l towards host d: up port floor(d / prod(w_1..w_l)) mod (w_{l+1} p_{l+1}) (Zahavi 2010). With cables missing, and on
    trees read from a dump, the port is the same digit modulo the cables that still lead up and down to d, in ascending order;
    d and the w are read off the fabric (topologies.routing.levels). Where tiers do not say which way is up, shortest ways count.
    """
    return _modulo(fabric, D_MOD_K)


def s_mod_k(fabric: Fabric) -> Router:
    """Source-mod-k, the mirror image of d-mod-k: the digits are those of the source."""
    return _modulo(fabric, S_MOD_K)


def _modulo(fabric: Fabric, rule: int) -> Router:
    return single_path(fabric, rule, up_down_height if layered(fabric) else None)
