"""One GraphQL query about a fork and its upstream, put together from the parts that are needed.

Everything foreign goes in as a variable. A part that GitHub can't resolve is None in the answer; what it
refuses to show is raised, and never taken for something that isn't there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from patch_app.github.client import Client
from patch_app.github.errors import NotFound, TooMany
from patch_app.github.graphql import GraphQL, as_exception

# annotated tags of annotated tags; more is nobody's release
PEELED: Final = "target { __typename oid ... on Tag { target { __typename oid ... on Tag { target { " + (
    "__typename oid ... on Tag { target { __typename oid } } } } } } }"
)
_KINDS: Final = {str: "String!", int: "Int!"}
# of one connection; nobody's pull request has more
_MOST: Final = 2000


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came, by the names under which it was asked for. `upstream` None: it can't be seen."""

    fork: dict[str, Any]
    upstream: dict[str, Any] | None


class Document:
    """The query that is being put together. `fork` and `upstream`: owner/name."""

    def __init__(self, fork: str, upstream: str | None = None) -> None:
        self._parts: dict[str, list[str]] = {}
        self._values: dict[str, str | int] = {}
        self._heads = {"fork": fork, **({"upstream": upstream} if upstream else {})}
        for name in self._heads:
            self._parts[name] = []

    def add(
        self, name: str, field: str, argument: str, value: str | int, selection: str, *, of: str = "fork"
    ) -> None:
        """`name: field(argument: value) { selection }` of the fork or the upstream."""
        self._parts[of].append(f"{name}: {field}({argument}: {self._variable(value)}) {{ {selection} }}")

    def select(self, selection: str, *, of: str = "fork") -> None:
        """Fields that take no argument."""
        self._parts[of].append(selection)

    async def ask(self, client: Client) -> Answer:
        """The answer. Raises NotFound where the fork is none, Later, Refused, Bug."""
        found = await client.graphql(*self._text())
        data = {name: found.data.get(name) for name in self._heads}
        self._raise_for(found)
        fork = data["fork"]
        if not isinstance(fork, dict):
            raise NotFound(404, "GraphQL: GitHub shows no such repository")
        return Answer(fork=fork, upstream=data.get("upstream"))

    def _text(self) -> tuple[str, dict[str, str | int]]:
        fields = []
        for name, repository in self._heads.items():
            owner, _, short = repository.partition("/")
            head = f"repository(owner: {self._variable(owner)}, name: {self._variable(short)})"
            fields.append(f"{name}: {head} {{ {' '.join(['id', *self._parts[name]])} }}")
        declared = ", ".join(f"${name}: {_KINDS[type(value)]}" for name, value in self._values.items())
        return f"query({declared}) {{ {' '.join(fields)} }}", self._values

    def _variable(self, value: str | int) -> str:
        name = f"v{len(self._values)}"
        self._values[name] = value
        return f"${name}"

    @staticmethod
    def _raise_for(found: GraphQL) -> None:
        for error in found.errors:
            # what isn't there is null in the data; so is an upstream that can't be seen
            unseen = error.path[:1] == ("upstream",) and error.type == "FORBIDDEN"
            absent = error.type == "NOT_FOUND" and error.path != ("fork",)
            if not (unseen or absent):
                raise as_exception(error, write=False)


def peeled(ref: Any) -> str | None:
    """The commit that a ref with PEELED leads to, None where there is none."""
    node = ref
    while isinstance(node, dict):
        node = node.get("target")
        if isinstance(node, dict) and node.get("__typename") == "Commit":
            return str(node["oid"])
    return None


async def peeled_tag(client: Client, repository: str, tag: str) -> str | None:
    """The commit that a repository's tag leads to, None where there is none. Raises as `ask`."""
    document = Document(repository)
    document.add("tag", "ref", "qualifiedName", f"refs/tags/{tag}", PEELED)
    return peeled((await document.ask(client)).fork.get("tag"))


async def nodes(
    client: Client, repository: str, path: tuple[tuple[str, str, str | int], str], page: Any, selection: str
) -> AsyncIterator[Any]:
    """All nodes of a connection whose first `page` (`nodes`, `pageInfo`) came with another query.

    `path`: the object's field with its argument, and the connection's name (may be nested: "a.b").
    """
    (field, argument, value), connection = path
    seen = 0
    while isinstance(page, dict):
        for node in page.get("nodes") or []:
            seen += 1
            if seen > _MOST:
                raise TooMany(f"GraphQL: more than {_MOST} {connection}")
            if node is not None:
                yield node
        info = page.get("pageInfo") or {}
        if not info.get("hasNextPage"):
            return
        *outer, inner = connection.split(".")
        document = Document(repository)
        text = f"{inner}(first: 100, after: {document._variable(str(info['endCursor']))}) {{ {selection} }}"
        for name in reversed(outer):
            text = f"{name} {{ {text} }}"
        if field == "object":
            text = f"... on Commit {{ {text} }}"
        document.add("at", field, argument, value, text)
        page = (await document.ask(client)).fork["at"]
        for name in (*outer, inner):
            page = (page or {}).get(name)
