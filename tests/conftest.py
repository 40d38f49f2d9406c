"""How many tests run at a time."""

from __future__ import annotations

import os

import pytest


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: stories wait for disks and for the processes that they start."""
    return (os.cpu_count() or 1) + 1
