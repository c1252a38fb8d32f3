"""Measurements that exist: what netsim saved, nccl-tests or OSU benchmarks printed."""

from validate.measured.outcome import file_outcome
from validate.measured.own import Saved, as_saved, saved, stamped
from validate.measured.read import read_measurement

__all__ = ["Saved", "as_saved", "file_outcome", "read_measurement", "saved", "stamped"]
