"""How many tests run at a time, and that what was compiled is kept."""

from __future__ import annotations

import os
import sys

import pytest

# Some machines ask that nothing compiled be kept: each worker, and each server that a test starts, would
# compile everything again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: stories wait for disks and for the processes that they start."""
    return (os.cpu_count() or 1) + 1
