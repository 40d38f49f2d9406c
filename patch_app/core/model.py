"""What every record of the core has in common: frozen, and closed to unknown keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen record. A changed copy is `record.model_copy(update={...})`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
