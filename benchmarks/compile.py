"""What compiling costs on a machine that has never run netsim: seconds of every kernel that a scenario needs, the longest first.

python benchmarks/compile.py [scenario]      default: benchmarks/first-run.yaml
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from time import perf_counter

SCENARIO = Path(__file__).parent / "first-run.yaml"


def main(scenario: str) -> None:
    with tempfile.TemporaryDirectory() as cache:
        os.environ["NUMBA_CACHE_DIR"] = cache
        from numba.core import event

        import netsim

        with event.install_recorder("numba:compile") as recorder:
            start = perf_counter()
            netsim.run(scenario)
            total = perf_counter() - start
    rows, children, began = [], [0.0], []
    for at, what in recorder.buffer:  # nested: a kernel's own time is without that of the kernels it calls
        if what.is_start:
            began.append(at)
            children.append(0.0)
        else:
            whole = at - began.pop()
            function = what.data["dispatcher"].py_func
            rows.append((whole - children.pop(), f"{function.__module__}.{function.__name__}"))
            children[-1] += whole
    print(f"{total:7.2f} s  the run, of which {children[0]:.2f} s compiling {len(rows)} kernels")
    for seconds, name in sorted(rows, reverse=True):
        print(f"{seconds:7.2f} s  {name}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(SCENARIO))
