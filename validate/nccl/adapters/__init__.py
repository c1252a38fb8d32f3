"""One file for each Python package that drives NCCL: memory, sums and events come from what the package brings with it."""
