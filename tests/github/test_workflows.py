"""Workflow files as the gate gets them: what is a file there, and what YAML is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from patch_app.core.workflow_files import Broken
from patch_app.github import workflows, yaml_text
from patch_app.github.document import Answer

TEXT = "on: push\njobs: {}\n"


def entry(name: str, *, mode: int = 0o100644, kind: str = "blob", **more: Any) -> dict[str, Any]:
    blob = {"oid": name * 2, "text": TEXT, "isBinary": False, "isTruncated": False, **more}
    return {"name": name, "type": kind, "mode": mode, "object": blob}


async def files(folder: Any) -> dict[str, Any]:
    nobody: Any = None
    return await workflows.parsed_files(nobody, "o/r", Answer(fork={"workflows0": folder}, upstream=None))


async def test_a_workflow_file_is_one_by_its_name_whatever_its_case() -> None:
    names = ("a.yml", "b.YAML", "c.Yml", "d.txt", "e")
    found = await files({"entries": [*map(entry, names), entry("f.yml", kind="tree")]})
    assert sorted(path.rpartition("/")[2] for path in found) == ["a.yml", "b.YAML", "c.Yml"]


async def test_a_symbolic_link_is_no_workflow_that_could_be_read() -> None:
    found = await files({"entries": [entry("a.yml", mode=0o120000)]})
    assert found == {".github/workflows/a.yml": Broken(reason="it is a symbolic link", blob="a.ymla.yml")}


async def test_the_folder_of_workflows_is_none() -> None:
    assert await files({"oid": "x"}) == {".github/workflows": Broken(reason="it is no folder")}
    assert await files(None) == {}


async def test_a_file_that_is_no_text_is_broken() -> None:
    found = await files({"entries": [entry("a.yml", isBinary=True), entry("b.yml", text="on: \ufffd")]})
    assert all(isinstance(one, Broken) and one.blob for one in found.values())


async def test_more_files_than_are_looked_at_are_not_parsed() -> None:
    found = await files({"entries": [entry(f"{number:03}.yml") for number in range(400)]})
    assert sum(isinstance(one, Broken) for one in found.values()) == 400 - workflows.FILES_BOUND - 1


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "{a: " * 100_000,
        "- " * 100_000,
        "a: 1\na: 2",
        "a: 1\n---\nb: 2",
        "a: &a [*a]",
        "a: *nothing",
        "? [a]\n: b",
        "a:\n\t- b",
        "a: 'b",
        "a: [" + "x," * 300_000 + "]",
    ],
)
def test_yaml_that_has_no_end_or_two_meanings_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        yaml_text.document(text)


def test_yaml_is_read_as_texts_lists_and_mappings_alone() -> None:
    assert yaml_text.document("") is None
    assert yaml_text.document("\ufeffon: yes") == {"on": "yes"}
    assert yaml_text.document("a: &x {b: 1.10, c: ~, d: }\ne: *x\nf: !!python/name:os.system z") == {
        "a": {"b": "1.10", "c": "~", "d": ""},
        "e": {"b": "1.10", "c": "~", "d": ""},
        "f": "z",
    }
