"""A schedule replayed by grouped ncclSend and ncclRecv, one process for each GPU, and NCCL's own collective beside it.

launched (torchrun | Slurm | MPI) ──Party (TCP)──▶ unique id ──Library (nccl4py | pynccl | cupy)──▶ seconds, #wrong

Read `target.py` first. docs/nccl.md says how to start it and what it has been run on.
"""
