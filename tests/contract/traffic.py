"""What the App and the local GitHub say to each other, held to GitHub's own descriptions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate
from graphql.execution import get_variable_values

from patch_app.github.transport import API_VERSION
from tests.contract.npm import graphql_schema
from tests.contract.openapi import description

GRAPHQL = "/api/graphql"
# Git's own protocol: no part of either description
GIT = re.compile(r"/[^/]+/[^/]+\.git/(info/refs|git-upload-pack|git-receive-pack)")
# the issuer's published keys: a service beside the API
KEYS = re.compile(r"/_services/token/\.well-known/jwks")
# not in the description, but what GitHub's own redirects of renamed repositories lead to
BY_ID = re.compile(r"^/repositories/\d+")


@dataclass(frozen=True, kw_only=True)
class Said:
    """One request and its answer."""

    method: str
    path: str
    query: dict[str, str]
    sent: Any
    status: int
    body: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"


@dataclass(kw_only=True)
class Traffic:
    """Everything that goes through one HTTP client; `listen` puts it there."""

    said: list[Said] = field(default_factory=list)
    git: list[str] = field(default_factory=list)

    def listen(self, http: httpx.AsyncClient) -> None:
        http.event_hooks = {"request": [], "response": [self._note]}

    async def _note(self, response: httpx.Response) -> None:
        request = response.request
        if GIT.fullmatch(request.url.path):
            self.git.append(f"{request.method} {request.url.path}")
            return
        if KEYS.fullmatch(request.url.path):
            return
        content = await response.aread()
        is_json = response.headers.get("content-type", "").startswith("application/json")
        self.said.append(
            Said(
                method=request.method,
                path=request.url.raw_path.decode().partition("?")[0],
                query=dict(request.url.params),
                sent=json.loads(request.content) if request.content else None,
                status=response.status_code,
                body=(json.loads(content) if is_json else content) if content else None,
            )
        )

    def faults(self) -> list[str]:
        """Everything that GitHub would not have been asked, or would not have said."""
        found = []
        for one in self.said:
            wrong = _graphql_faults(one) if one.path == GRAPHQL else _rest_faults(one)
            found += [f"{one}: {fault}" for fault in wrong]
        return sorted(set(found))


def _rest_faults(one: Said) -> list[str]:
    judge = description(API_VERSION)
    path = one.path.removeprefix("/api/v3")
    if path == one.path:
        return ["this is neither REST nor GraphQL nor Git"]
    path = BY_ID.sub("/repos/owner/name", path)
    faults = judge.request_faults(one.method, path, one.query, one.sent)
    if isinstance(one.body, bytes):
        return faults  # raw content, of no form
    return faults + judge.answer_faults(one.method, path, one.status, one.body)


@cache
def schema() -> GraphQLSchema:
    """GitHub's own."""
    return build_schema(graphql_schema(), assume_valid=True)


@cache
def _wrong_in(query: str) -> tuple[str, ...]:
    return tuple(error.message for error in validate(schema(), parse(query)))


def document_faults(query: str, variables: dict[str, Any]) -> list[str]:
    """What GitHub's schema finds wrong with a document and the values that go with it."""
    faults = list(_wrong_in(query))
    operation = next(one for one in parse(query).definitions if isinstance(one, OperationDefinitionNode))
    declared = operation.variable_definitions or ()
    unknown = variables.keys() - {one.variable.name.value for one in declared}
    faults += [f"${name} is not declared" for name in unknown]
    values = get_variable_values(schema(), declared, variables)
    return faults + ([error.message for error in values] if isinstance(values, list) else [])


def _graphql_faults(one: Said) -> list[str]:
    faults = document_faults(one.sent["query"], one.sent["variables"])
    faults += [f"{key} is no part of a request" for key in one.sent.keys() - {"query", "variables"}]
    if one.status == 200 and not {"data", "errors"} >= one.body.keys():
        faults.append(f"an answer with {sorted(one.body)}")
    return faults
