"""The scenario's own fabric on one machine: Linux network namespaces joined by veth pairs, and a real MPI rank on every endpoint.

target.py ── scale.py (how much slower, how much smaller) ── ways.py (the simulator's routes) ── wires.py (the blueprint)
    └─ holder.py (the processes that own the namespaces) ── build.py, queues.py over netlink.py ── launch.py, enter.py (ranks)
"""
