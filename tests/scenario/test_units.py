"""Quantities: what is read is what was written, and nothing is read without its unit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netsim.units import format_rate, format_size, format_time, parse_rate, parse_size, parse_time
from topologies.errors import InputError

positive = st.floats(min_value=1e-15, max_value=1e18, allow_nan=False)


@given(st.integers(1, 2**62))
def test_sizes_read_back_as_written(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(positive)
def test_rates_read_back_as_written(rate: float) -> None:
    assert parse_rate(format_rate(rate)) == rate


@given(st.floats(min_value=1e-15, max_value=1e6))
def test_times_read_back_as_written(seconds: float) -> None:
    assert parse_time(format_time(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "nbytes"), [("8B", 8), ("128M", 2**27), ("128MB", 2**27), ("128MiB", 2**27), ("1.5K", 1536), ("2 GiB", 2**31)]
)
def test_sizes_are_1024_based(text: str, nbytes: int) -> None:
    assert parse_size(text) == nbytes


@pytest.mark.parametrize(
    ("text", "rate"), [("400Gbit/s", 50e9), ("400Gb/s", 50e9), ("400Gbps", 50e9), ("50GB/s", 50e9), ("1.6Tbit/s", 200e9)]
)
def test_rates_are_decimal_and_tell_bits_from_bytes(text: str, rate: float) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("read", "value", "told"),
    [
        (parse_size, 8, "8: a size needs a unit; write 8B"),
        (parse_size, "8", "8: a size needs a unit; write 8B"),
        (parse_size, "0B", "at least 1B"),
        (parse_size, "-1MiB", "at least 1B"),
        (parse_size, "0.3B", "whole number of bytes"),
        (parse_size, "1e30GiB", "below 2\\^63"),
        (parse_size, "3Gbit/s", "'Gbit/s' is not a unit of a size"),
        (parse_rate, 4e11, "a rate needs a unit"),
        (parse_rate, "400GBit/s", "'GBit/s' is not a unit of a rate"),
        (parse_rate, True, "not a rate"),
        (parse_rate, None, "not a rate"),
        (parse_time, "5m", "'m' is not a unit of a time"),
        (parse_time, "ns", "not a time"),
        (parse_time, "1e999s", "not a time"),
        (parse_time, "1e90s", "longer than a month"),
        (parse_time, ["1s"], "not a time"),
    ],
)
def test_what_is_no_quantity_is_refused(read, value, told) -> None:
    with pytest.raises(InputError, match=told):
        read(value)
