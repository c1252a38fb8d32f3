"""A schedule replayed with real messages by real MPI ranks.

`plan.write_plan` leaves a folder, `mpiexec -n RANKS python -m validate.replay FOLDER` does what it says, `result.read_results`
reads what came out. The rank program stands on numpy and mpi4py alone, so that sixty of them start quickly on two cores.
"""
