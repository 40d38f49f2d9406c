"""YAML of strangers, as text, lists and mappings. Refuses what two readers could take for two things.

Built from the parser's events one by one: PyYAML's own composers call themselves for each level, and the
one in C has no end of that but a crash of the process.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

MAX_DEPTH: Final = 100
MAX_EVENTS: Final = 200_000
# libyaml where PyYAML was built with it
_LOADER: Final = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_NONE: Final = object()


def document(text: str) -> Any:
    """The one document of a text, each scalar as its text; None where there is none.

    Raises yaml.YAMLError: no YAML, several documents, a key twice or no name, too deep or too much.
    """
    builder = _Builder()
    for number, event in enumerate(yaml.parse(text.removeprefix("\ufeff"), Loader=_LOADER)):
        if number > MAX_EVENTS:
            raise yaml.YAMLError("it is too large")
        builder.take(event)
    return None if builder.root is _NONE else builder.root


class _Builder:
    def __init__(self) -> None:
        self.root: Any = _NONE
        # containers that are not at their end, each with its anchor; a mapping with the key that waits
        self._open: list[tuple[Any, str | None]] = []
        self._keys: list[Any] = []
        self._anchors: dict[str, Any] = {}

    def take(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._put(event.value)
                if event.anchor is not None:
                    self._anchors[event.anchor] = event.value
            case yaml.AliasEvent():
                # one that is not at its end has no value yet: it would hold itself
                if event.anchor not in self._anchors:
                    raise yaml.YAMLError("an alias leads to nothing, or to what it stands in")
                self._put(self._anchors[event.anchor])
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                made: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
                self._put(made)
                self._open.append((made, event.anchor))
                self._keys.append(_NONE)
                if event.anchor is not None:
                    self._anchors.pop(event.anchor, None)
                if len(self._open) > MAX_DEPTH:
                    raise yaml.YAMLError("it is too deep")
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                made, anchor = self._open.pop()
                self._keys.pop()
                if anchor is not None:
                    self._anchors[anchor] = made
            case yaml.DocumentStartEvent() if self.root is not _NONE:
                raise yaml.YAMLError("it has more than one document")
            case _:
                pass

    def _put(self, value: Any) -> None:
        if not self._open:
            self.root = value
            return
        into = self._open[-1][0]
        if isinstance(into, list):
            into.append(value)
        elif self._keys[-1] is not _NONE:
            into[self._keys[-1]] = value
            self._keys[-1] = _NONE
        elif not isinstance(value, str):
            raise yaml.YAMLError("a key is no name")
        elif value in into:
            raise yaml.YAMLError(f"the key {value[:60]!r} is there twice")
        else:
            self._keys[-1] = value
