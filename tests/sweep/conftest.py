"""A finished run in one process, made once."""

import pytest

from bayes_cmoe.sweep.run import run_sweep
from tests.sweep.designs import BOTH

collect_ignore = ["engines.py"]
"""A plugin, loaded as one."""


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run_sweep(BOTH, folder, workers=1)
    return folder
