"""What is remembered: inbox, forks, attempts and effects, in SQLite under DATA_DIR."""

from patch_app.store.attempts import AdvanceCommit, AttemptFilter, HistoryLine
from patch_app.store.effects import StoredEffect
from patch_app.store.errors import (
    StoreBusyError,
    StoreClosedError,
    StoreError,
    StoreFullError,
    UnknownRecordError,
)
from patch_app.store.flow_events import EventFilter, FlowEvent
from patch_app.store.forks import Fork
from patch_app.store.inbox import InboxRow, Incoming
from patch_app.store.store import Store

__all__ = [
    "AdvanceCommit",
    "AttemptFilter",
    "EventFilter",
    "FlowEvent",
    "Fork",
    "HistoryLine",
    "InboxRow",
    "Incoming",
    "Store",
    "StoreBusyError",
    "StoreClosedError",
    "StoreError",
    "StoreFullError",
    "StoredEffect",
    "UnknownRecordError",
]
