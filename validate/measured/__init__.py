"""Measurements that exist: what netsim saved, nccl-tests or OSU benchmarks printed."""

from validate.measured.own import Saved, as_saved, saved, scenario_id, stamped
from validate.measured.read import read_measurement

__all__ = ["Saved", "as_saved", "read_measurement", "saved", "scenario_id", "stamped"]
