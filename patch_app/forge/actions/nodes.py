"""Workflow files as YAML nodes: read their values as GitHub does, and write a changed copy.

GitHub (and act) read YAML 1.2, PyYAML 1.1: there `on` and `yes` are booleans and 0777 is octal. So values are
resolved here, from the nodes, and a copy is written from nodes too: a scalar that nobody changed keeps its
text and style. It refuses what GitHub refuses: duplicate keys, recursive anchors, several documents.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

_STR = "tag:yaml.org,2002:str"
_INT = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}


class WorkflowError(Exception):
    """The workflow file is not one that GitHub would run."""


def parse(text: str) -> yaml.MappingNode:
    """The file's root mapping. Errors: WorkflowError."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as problem:
        raise WorkflowError(f"not valid YAML: {problem}") from None
    if not isinstance(root, yaml.MappingNode):
        raise WorkflowError("a workflow file must be a mapping")
    return root


def _scalar(node: yaml.ScalarNode) -> Any:
    text = node.value
    if node.style is not None or (node.tag == _STR and not text.startswith("0o")):
        return text
    if text.lower() in _CONSTANTS and text in {text.lower(), text.upper(), text.capitalize()}:
        return _CONSTANTS[text.lower()]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in {"0x", "0o"} else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def value(node: yaml.Node, _open: tuple[int, ...] = ()) -> Any:
    """A node as plain Python values. Errors: WorkflowError for duplicate keys and recursive anchors."""
    if id(node) in _open:
        raise WorkflowError("an anchor contains itself")
    inner = (*_open, id(node))
    match node:
        case yaml.ScalarNode():
            return _scalar(node)
        case yaml.SequenceNode():
            return [value(item, inner) for item in node.value]
        case yaml.MappingNode():
            found: dict[str, Any] = {}
            for key, item in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise WorkflowError(f"line {key.start_mark.line + 1}: a key must be a scalar")
                if key.value in found:
                    raise WorkflowError(f"line {key.start_mark.line + 1}: {key.value!r} is there twice")
                found[key.value] = value(item, inner)
            return found
    raise WorkflowError("unknown kind of YAML node")


def scalar(text: str) -> yaml.ScalarNode:
    """A quoted string."""
    return yaml.ScalarNode(tag=_STR, value=text, style='"')


def sequence(items: Sequence[yaml.Node]) -> yaml.SequenceNode:
    """A list."""
    return yaml.SequenceNode(tag="tag:yaml.org,2002:seq", value=list(items))


def mapping(pairs: Sequence[tuple[str, yaml.Node]]) -> yaml.MappingNode:
    """A mapping with quoted keys."""
    return yaml.MappingNode(tag="tag:yaml.org,2002:map", value=[(scalar(key), item) for key, item in pairs])


def get(node: yaml.MappingNode, key: str) -> yaml.Node | None:
    """The node under a key."""
    return next((item for name, item in node.value if name.value == key), None)


def replaced(node: yaml.MappingNode, changes: dict[str, yaml.Node | None]) -> yaml.MappingNode:
    """A mapping with some keys replaced, added or (None) taken out; the other pairs are the same nodes."""
    pairs = []
    for key, item in node.value:
        new = changes.get(key.value, item)
        if new is not None:
            pairs.append((key, new))
    present = {key.value for key, _ in node.value}
    pairs += [(scalar(key), new) for key, new in changes.items() if key not in present and new is not None]
    return yaml.MappingNode(tag=node.tag, value=pairs, flow_style=node.flow_style)


def _unshared(node: yaml.Node) -> yaml.Node:
    """A deep copy in which an alias is a copy of its anchor: not every reader knows anchors."""
    match node:
        case yaml.SequenceNode():
            return yaml.SequenceNode(
                tag=node.tag, value=[_unshared(item) for item in node.value], flow_style=node.flow_style
            )
        case yaml.MappingNode():
            pairs = [(_unshared(key), _unshared(item)) for key, item in node.value]
            return yaml.MappingNode(tag=node.tag, value=pairs, flow_style=node.flow_style)
    return yaml.ScalarNode(tag=node.tag, value=node.value, style=getattr(node, "style", None))


def dump(node: yaml.MappingNode) -> str:
    """Write nodes as text. Untouched scalars keep their text."""
    text = yaml.serialize(_unshared(node), Dumper=yaml.SafeDumper, allow_unicode=True, width=2**16)
    assert isinstance(text, str)  # noqa: S101 - without `encoding` PyYAML gives text
    return text
