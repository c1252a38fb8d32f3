"""`--on mpi`: the replay on the ranks that a launcher started, on any number of machines."""
