"""The scenario's own fabric on one machine: Linux network namespaces joined by veth pairs, and a real MPI rank on every endpoint.

target.py ── groups.py, lay_out.py (the blueprint) ── scale.py (how much slower, smaller) ── ways.py (the simulator's routes)
    └─ holder.py (the processes that own the namespaces) ── build.py, queues.py over netlink.py ── launch.py, enter.py (ranks)
"""
