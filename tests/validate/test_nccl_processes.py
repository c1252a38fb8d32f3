"""Who the processes are, how they find one another, and that none waits for ever for one that is not there."""

import json
import socket
import subprocess
import sys
import threading
import time
from functools import partial

import pytest
from nccl_fake import in_threads

from topologies.errors import InputError, NetsimError
from validate.nccl.launched import Launched, launched
from validate.nccl.limited import limited
from validate.nccl.party import party


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


SLURM = {"SLURM_PROCID": "5", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "8", "SLURM_NTASKS": "8", "SLURM_JOB_ID": "123456"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Launched("nothing", 0, 1, "127.0.0.1", 29501)),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Launched("torchrun", 1, 2, "127.0.0.1", 29501)),
        (SLURM | {"SLURM_STEP_NODELIST": "gpu[07-09,12]"}, Launched("Slurm", 5, 8, "gpu07", 23456)),
        (SLURM | {"MASTER_ADDR": "head", "MASTER_PORT": "1000"}, Launched("Slurm", 5, 8, "head", 1001)),
        (SLURM | {"PMI_RANK": "5", "PMI_SIZE": "8", "MASTER_ADDR": "a"}, Launched("Slurm", 5, 8, "a", 23456)),  # srun --mpi=pmi2
        (SLURM | {"PMI_RANK": "2", "PMI_SIZE": "16"}, Launched("MPI", 2, 16, "", 29501)),  # mpiexec inside a step
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, Launched("nothing", 0, 1, "127.0.0.1", 29501)),  # the batch script itself
        ({"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4"}, Launched("MPI", 3, 4, "", 29501)),
    ],
)
def test_the_launcher_is_read_from_the_environment(environment: dict[str, str], expected: Launched) -> None:
    assert launched(environment) == expected


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RANK": "x", "WORLD_SIZE": "2"}, "RANK=x: must be a number"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "rank 2 of 2 processes"),
        ({"MASTER_PORT": "65535"}, "MASTER_PORT=65535: must be 1..65534"),
    ],
)
def test_numbers_that_are_none_are_told(environment: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        launched(environment)


def processes(size: int, port: int) -> list[Launched]:
    return [Launched("torchrun", rank, size, "127.0.0.1", port) for rank in range(size)]


def test_everybody_hears_what_everybody_gave() -> None:
    def run(own: Launched) -> list[object]:
        with party(own, 10.0) as tied:
            tied.check()
            return [tied.exchange({"rank": own.rank, "much": "x" * 300_000})[3]["rank"], tied.exchange((own.rank, 2))]

    port = free_port()
    assert in_threads([partial(run, own) for own in processes(4, port)]) == [[3, [[r, 2] for r in range(4)]]] * 4


def test_a_stranger_on_the_port_is_sent_away() -> None:
    port = free_port()

    def strange() -> str:
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=5.0) as line:
                    line.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    return line.recv(100).decode()
            except ConnectionError:
                time.sleep(0.05)
        return "nobody listens"

    def run(own: Launched, wait: float) -> list[object]:
        time.sleep(wait)  # the stranger comes first
        with party(own, 10.0) as tied:
            return tied.exchange(own.rank)

    first, second = processes(2, port)
    out = in_threads([partial(run, first, 0.0), strange, partial(run, second, 0.5)])
    assert out == [[0, 1], "", [0, 1]]


def test_a_rank_that_never_comes_is_told_in_time() -> None:
    own = processes(3, free_port())

    def run(me: Launched) -> None:
        with party(me, 0.5) as tied:
            tied.exchange()

    began = time.monotonic()
    first, second = in_threads([partial(run, own[0]), partial(run, own[1])])
    assert isinstance(first, NetsimError)
    assert "rank 2: has not come to rank 0 at 127.0.0.1:" in str(first)
    assert str(second) == str(first)  # rank 0 has told it
    with pytest.raises(NetsimError, match=r"rank 1: rank 0 does not answer at 127\.0\.0\.1"):
        run(own[1])
    assert time.monotonic() - began < 10


def test_a_rank_that_fails_is_heard_with_its_own_words() -> None:
    """By rank 0, and through it by the others, whether they wait for an exchange or look round."""

    def run(own: Launched) -> None:
        with party(own, 20.0) as tied:
            tied.exchange()
            if own.rank == 1:
                raise NetsimError("the GPU is on fire")
            if own.rank == 2:
                while True:
                    tied.check()
                    time.sleep(0.01)
            tied.exchange()

    out = in_threads([partial(run, own) for own in processes(3, free_port())])
    assert [str(error) for error in out] == ["rank 1: the GPU is on fire", "the GPU is on fire", "rank 1: the GPU is on fire"]


def test_a_rank_that_is_gone_without_a_word_is_noticed() -> None:
    port = free_port()
    code = f"""
import os
from validate.nccl.launched import Launched
from validate.nccl.party import party
with party(Launched("torchrun", 1, 2, "127.0.0.1", {port}), 10.0) as tied:
    tied.exchange()
    os._exit(9)
"""
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        with party(processes(2, port)[0], 20.0) as tied:
            tied.exchange()
            with pytest.raises(NetsimError, match="rank 1: has gone"):
                tied.exchange()
    finally:
        child.wait(20)


def test_a_death_is_noticed_while_another_is_waited_for() -> None:
    """Rank 1 is late and rank 2 dies: rank 0, which asks one after the other, does not wait for rank 1 first."""
    heard = threading.Event()

    def run(own: Launched) -> None:
        with party(own, 60.0) as tied:
            tied.exchange()
            if own.rank == 2:
                raise NetsimError("the GPU is on fire")
            if own.rank == 1:
                assert heard.wait(30)
            try:
                tied.exchange()
            finally:
                heard.set()

    began = time.monotonic()
    out = in_threads([partial(run, own) for own in processes(3, free_port())])
    assert str(out[0]) == "rank 2: the GPU is on fire"
    assert time.monotonic() - began < 20


def test_what_does_not_end_is_aborted_and_told() -> None:
    let_go = threading.Event()
    with pytest.raises(NetsimError, match=r"a call: not done after 0\.1 s"), limited("a call", 0.1, let_go.set):
        assert let_go.wait(10)


def test_an_error_of_its_own_passes() -> None:
    with pytest.raises(KeyError), limited("a call", 10.0, lambda: None):
        raise KeyError


def test_what_cannot_be_aborted_ends_the_process() -> None:
    code = """
import time
from validate.nccl.limited import limited
with limited("ncclCommInitRank", 0.2, lambda: time.sleep(60), grace=0.2):
    time.sleep(60)
"""
    began = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith("ncclCommInitRank: not done after 0.2 s")
    assert len(ran.stderr.splitlines()) == 1
    assert time.monotonic() - began < 20


def test_values_cross_as_json() -> None:
    with party(Launched("nothing", 0, 1, "127.0.0.1", 1), 1.0) as alone:
        assert alone.exchange({"a": (1, 2)}) == json.loads('[{"a": [1, 2]}]')
