"""Ends everything that a command started, also what has left its process group or lost its parent.

On Linux we become the parent of every process below us whose own parent ends, so that one which made a
session of its own is still found below us in /proc. Elsewhere there is the command's own process group alone.
Can't end what another user runs (`sudo`) or what a service started for the command (a container, a timer):
that ends with the job's machine.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import contextmanager
from typing import Dict, FrozenSet, Iterator, List, Set, Tuple

SET_CHILD_SUBREAPER = 36  # prctl(2), since Linux 3.4
PATIENCE = 5.0  # seconds; new ones may come faster than they are ended
PAUSE = 0.01


@contextmanager
def adopting() -> Iterator[FrozenSet[int]]:
    """As long as it is open, orphans below us become our children. Gives those that were there before.

    What is below us then, and not one of these, belongs to the command that is started within.
    """
    adopted = _set_subreaper(1)
    try:
        yield frozenset(_children(_parents(), os.getpid()))
    finally:
        if adopted:
            _set_subreaper(0)


def _set_subreaper(value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        return bool(libc.prctl(SET_CHILD_SUBREAPER, value, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False  # a system without it: the process group is what there is


def signal_all(before: FrozenSet[int], number: int) -> List[int]:
    """Sends a signal to every process below us but `before` and what they started; gives those it reached."""
    reached = []
    for pid in _below_us(before):
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
        reached.append(pid)
    return reached


def end_all(before: FrozenSet[int], command: int) -> bool:
    """SIGKILL for all of them until none is left. False where they come faster than they can be ended.

    The end of `command` itself is left for its starter to see.
    """
    until = time.monotonic() + PATIENCE
    while signal_all(before, signal.SIGKILL):
        _reap(before | {command})
        if time.monotonic() > until:
            return False
        time.sleep(PAUSE)
    _reap(before | {command})
    return True


def _below_us(before: FrozenSet[int]) -> List[int]:
    """Living processes below us, parents first."""
    table = _parents()
    found: List[int] = []
    level = _children(table, os.getpid()) - before
    while level:
        found += sorted(level)
        level = {child for pid in level for child in _children(table, pid)} - set(found)
    return [pid for pid in found if table[pid][1] not in "ZX"]


def _reap(others: FrozenSet[int]) -> None:
    """Takes note of the ends of orphans that we were given."""
    for pid, (parent, state) in _parents().items():
        if parent == os.getpid() and state == "Z" and pid not in others:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue


def _children(table: Dict[int, Tuple[int, str]], parent: int) -> Set[int]:
    return {pid for pid, (above, _) in table.items() if above == parent}


def _parents() -> Dict[int, Tuple[int, str]]:
    """Parent and state of every process, empty where there is no /proc."""
    found: Dict[int, Tuple[int, str]] = {}
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return found
    for name in names:
        try:
            with open("/proc/%s/stat" % name, "rb") as file:
                # the command's name, in brackets, may hold anything
                state, parent = file.read().rpartition(b") ")[2].split(b" ", 2)[:2]
        except (OSError, ValueError):
            continue  # it has just ended
        found[int(name)] = (int(parent), state.decode("ascii"))
    return found
