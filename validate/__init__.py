"""What really happens: a simulated schedule replayed on real MPI or NCCL, and predicted beside measured.

The top floor: it asks netsim what should happen; netsim never asks it. Read `validate/request.py` first, then `command.py`.
"""
