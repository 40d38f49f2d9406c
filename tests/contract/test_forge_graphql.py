"""The SDL of the local GitHub is a true part of GitHub's own schema."""

from __future__ import annotations

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    build_schema,
)

from patch_app.forge.graphql_sdl import SDL
from tests.contract.npm import graphql_schema

pytestmark = [pytest.mark.network, pytest.mark.timeout(300)]


def test_a_field_that_github_spells_otherwise() -> None:
    ours, theirs = build_schema(SDL), build_schema(graphql_schema(), assume_valid_sdl=True)
    faults = []
    for name, mine in ours.type_map.items():
        if name.startswith("__"):
            continue
        real = theirs.type_map.get(name)
        if real is None or type(real) is not type(mine):
            faults.append(f"{name} is not GitHub's")
        elif isinstance(mine, GraphQLEnumType):
            faults += [f"{name}.{v}" for v in mine.values if v not in real.values]
        elif isinstance(mine, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for field, given in mine.fields.items():
                wanted = real.fields.get(field)
                if wanted is None or str(wanted.type) != str(given.type):
                    faults.append(f"{name}.{field}: {given.type}, GitHub has {wanted and wanted.type}")
                    continue
                for arg, row in getattr(given, "args", {}).items():
                    known = wanted.args.get(arg)
                    if known is None or str(known.type) != str(row.type):
                        faults.append(f"{name}.{field}({arg}: {row.type})")
                if isinstance(mine, GraphQLInputObjectType):
                    continue
                missing = [
                    a for a, r in wanted.args.items() if str(r.type).endswith("!") and a not in given.args
                ]
                faults += [f"{name}.{field} lacks the required argument {a}" for a in missing]
        if isinstance(mine, GraphQLObjectType) and isinstance(real, GraphQLObjectType):
            known_names = {i.name for i in real.interfaces}
            faults += [f"{name} implements {i.name}" for i in mine.interfaces if i.name not in known_names]
    assert not faults, "\n".join(faults)
