"""netsim: simulate cluster networks and co-design the collectives that run on them."""
