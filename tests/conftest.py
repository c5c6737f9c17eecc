"""Settings of the whole test run."""

import os
import signal
import sys
from collections.abc import Iterator
from tempfile import TemporaryDirectory

import matplotlib
import pytest
from hypothesis import settings

matplotlib.use("Agg")
# A shell starts what runs in its background deaf to Ctrl-C, and the programs that tests interrupt
# would be born so.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

# Many tests compile the same model. What XLA made once is kept for this run, its workers and the
# programs that they start: half of the suite's time. The folder goes when the run ends, so that no
# run depends on another; the workers find the variable set.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    _COMPILED = TemporaryDirectory(prefix="xla-", ignore_cleanup_errors=True)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = _COMPILED.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    # PyTensor leaves a file of source for each function that it makes, a hundred thousand in a few
    # runs: here they go with the folder.
    # And it notes for each variable where it was made, for messages that no test looks at.
    _FLAGS = [
        os.environ.get("PYTENSOR_FLAGS"),
        f"generated_src_dir={_COMPILED.name}/source",
        "traceback__limit=0",
    ]
    os.environ["PYTENSOR_FLAGS"] = ",".join(filter(None, _FLAGS))


@pytest.fixture(autouse=True)
def _figures_are_closed() -> Iterator[None]:
    """What a test leaves open does not count for the next, which a warning would fail."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
