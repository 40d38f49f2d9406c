"""GitHub's OpenAPI description as a judge of requests and answers, for one version of the API.

Strict: every answer must have a documented status, the documented form, and no key that GitHub doesn't know.
"""

from __future__ import annotations

import copy
import re
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from tests.contract.npm import openapi

COMMON = {"401", "403", "404", "409", "410", "422", "501", "301", "304", "400"}
# Where the description itself is wrong: an account would have to be a person and an enterprise at once.
CORRECTED: dict[tuple[str, str], dict[str, Any]] = {
    ("get", "/app/installations"): {"type": "array", "items": {"$ref": "#/components/schemas/installation"}},
}
COMBINERS = ("allOf", "oneOf", "anyOf")
FORMATS = FormatChecker()


@FORMATS.checks("date-time", raises=())
def _is_date(value: object) -> bool:
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
    return not isinstance(value, str) or re.fullmatch(pattern, value) is not None


@FORMATS.checks("uri", raises=())
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or re.match(r"[a-z][a-z0-9+.-]*:\S+$", value) is not None


def _merge(target: dict[str, Any], patch: dict[str, Any]) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def _json_patch(target: dict[str, Any], steps: list[dict[str, Any]]) -> None:
    for step in steps:
        *path, last = [p.replace("~1", "/").replace("~0", "~") for p in step["path"].lstrip("/").split("/")]
        at: Any = target
        for part in path:
            at = at[int(part)] if isinstance(at, list) else at[part]
        if isinstance(at, list):
            if step["op"] == "remove":
                del at[int(last)]
            else:
                at[int(last)] = step["value"]
        elif step["op"] == "remove":
            at.pop(last, None)
        else:
            at[last] = step["value"]


def _patched(node: Any, version: str) -> None:
    """Apply the breaking changes of versions up to this one, in place."""
    if isinstance(node, dict):
        for change in node.get("x-github-breaking-changes", []):
            if change["version"] <= version:
                patch = change["patch"]
                _json_patch(node, patch) if isinstance(patch, list) else _merge(node, patch)
        for value in node.values():
            _patched(value, version)
    elif isinstance(node, list):
        for value in node:
            _patched(value, version)


def _strict(schema: Any, *, inside: bool = False) -> Any:
    """OpenAPI 3.0 to JSON Schema: nullable, and no unknown keys in objects that list theirs."""
    if isinstance(schema, list):
        return [_strict(s, inside=inside) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key in COMBINERS:
            out[key] = [_strict(s, inside=True) for s in value]
        elif key == "properties":
            out[key] = {k: _strict(v) for k, v in value.items()}
        elif key in {"items", "additionalProperties", "not"}:
            out[key] = _strict(value)
        elif key == "$ref":
            out[key] = value.replace("#/components/schemas/", "#/$defs/") + ("~loose" if inside else "")
        elif key in {"example", "examples", "nullable"} or key.startswith("x-"):
            continue
        else:
            out[key] = value
    closed = {"properties", *COMBINERS} & set(out)
    if closed and not inside and "additionalProperties" not in out:
        out["unevaluatedProperties"] = False
    if schema.get("nullable"):
        if "enum" in out:
            out["enum"] = [*out["enum"], None]
        return {"anyOf": [out, {"type": "null"}]}
    return out


class Description:
    """The description under one version."""

    def __init__(self, version: str) -> None:
        document = copy.deepcopy({"paths": openapi()["paths"], "components": openapi()["components"]})
        _patched(document, version)
        self.document = document
        schemas = document["components"]["schemas"]
        self.defs = {k: _strict(v) for k, v in schemas.items()}
        self.defs |= {f"{k}~loose": _strict(v, inside=True) for k, v in schemas.items()}
        self.paths = [(self._regex(p), p) for p in document["paths"]]
        # fixed parts win over parameters
        self.paths.sort(key=lambda row: (row[1].count("{"), -len(row[1])))

    @staticmethod
    def _regex(path: str) -> re.Pattern[str]:
        text = re.sub(r"\{(path|ref|basehead|branch|tag)\}", "(?P<x>.*)", path)
        text = re.sub(r"\{\w+\}", "[^/]+", text)
        return re.compile("^" + re.sub(r"\?P<x>", "", text) + "$")

    def operation(self, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
        for regex, template in self.paths:
            found = self.document["paths"][template].get(method.lower())
            if found and regex.match(path):
                return template, found
        return None

    def _resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in node:
            _, group, name = node["$ref"].lstrip("#/").split("/")
            found: dict[str, Any] = self.document["components"][group][name]
            return found
        return node

    def faults(self, schema: dict[str, Any], value: Any) -> list[str]:
        whole = {**_strict(schema), "$defs": self.defs}
        validator = Draft202012Validator(whole, format_checker=FORMATS)
        faults = []
        for error in validator.iter_errors(value):
            best = error
            while best.context:
                best = min(best.context, key=lambda e: (len(e.context or []), -len(e.absolute_path)))
            where = "/".join(str(p) for p in best.absolute_path)
            faults.append(f"{where}: {best.message[:300]}")
        return faults

    def answer_faults(self, method: str, path: str, status: int, body: Any) -> list[str]:
        """Everything that is wrong with an answer."""
        found = self.operation(method, path)
        if found is None:
            return [f"GitHub has no {method} {path}"]
        responses = found[1]["responses"]
        documented = responses.get(str(status))
        if documented is None:
            return [] if str(status) in COMMON and status >= 300 else [f"status {status} is not documented"]
        content = self._resolved(documented).get("content")
        if content is None:
            # redirects and empty answers
            return [] if body is None or status >= 300 else ["a body where GitHub sends none"]
        media = next((m for m in content if m.startswith("application/json")), next(iter(content)))
        schema = content[media]["schema"]
        if status >= 400 and isinstance(body, dict):
            # GitHub repeats the status in every error; not every schema of errors says so
            body = {k: v for k, v in body.items() if k != "status"}
        elif status == 200:
            schema = CORRECTED.get((method.lower(), found[0]), schema)
        return self.faults(schema, body)

    def request_faults(self, method: str, path: str, query: dict[str, str], body: Any) -> list[str]:
        """Everything that is wrong with a request: unknown parameters, a body of another form."""
        found = self.operation(method, path)
        if found is None:
            return [f"GitHub has no {method} {path}"]
        parameters = [self._resolved(p) for p in found[1].get("parameters", [])]
        known = {p["name"] for p in parameters if p["in"] == "query"}
        faults = [f"query parameter {q} is unknown" for q in query if q not in known]
        wanted = found[1].get("requestBody")
        if body is not None and wanted is None:
            faults.append("a body where GitHub takes none")
        if body is not None and wanted is not None:
            schema = next(iter(wanted["content"].values()))["schema"]
            faults += [f"body {f}" for f in self.faults(schema, body)]
        return faults


@cache
def description(version: str) -> Description:
    return Description(version)


def webhook_faults(judge: Description, event: str, payload: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a webhook's payload, by its event and action."""
    name = "webhook-" + event.replace("_", "-")
    action = payload.get("action")
    if action is not None:
        name += "-" + str(action).replace("_", "-")
    schema = judge.document["components"]["schemas"].get(name)
    if schema is None:
        return [f"GitHub describes no {name}"]
    faults = judge.faults(schema, payload)
    # where the description lags behind what its own examples hold
    known = (
        "performed_via_github_app/events/",
        "workflow_run: Unevaluated properties are not allowed ('display_title'",
    )
    return [f for f in faults if not any(k in f for k in known)]
