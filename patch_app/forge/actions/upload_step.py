"""The script of our `actions/upload-artifact`: runs as a step of a job, with the standard library alone.

Its job: zip what `path` names and POST it to the address that lies beside it. `upload` says what it refuses.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

# "Supported Characters" in the toolkit's packages/artifact/docs/faq.md
_IN_NAMES = re.compile(r'["*/:<>?|\\\r\n]')
_IN_PATHS = re.compile(r'["*:<>?|\r\n]')
_PATTERN = re.compile(r"[\n*?\[]|^!")


def say(line: str) -> None:
    """One line of the step's log."""
    sys.stdout.write(line + "\n")


def fail(message: str) -> NoReturn:
    """End the step with an annotation."""
    say("::error::" + message)
    sys.exit(1)


def files(top: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Files below a directory; links are followed, as GitHub's action does, but not in circles."""
    real = top.resolve()
    if real in above or not top.is_dir():
        return
    for one in sorted(top.iterdir()):
        yield from [one] if one.is_file() else files(one, above | {real})


def chosen(path: Path, *, hidden: bool) -> dict[str, Path]:
    """The files of the artifact by their paths in it."""
    found = {path.name: path} if path.is_file() else {str(one.relative_to(path)): one for one in files(path)}
    return {name: one for name, one in found.items() if hidden or not re.search(r"(?:^|/)\.", name)}


def zipped(found: dict[str, Path], level: int) -> bytes:
    """The files as a zip."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, path in found.items():
            archive.write(path, name)
    return made.getvalue()


def store(name: str, days: str, content: bytes) -> Any:
    """What the local GitHub answers."""
    address = Path(__file__).with_name("address").read_text(encoding="utf-8")
    query = urllib.parse.urlencode({"name": name, "days": days})
    request = urllib.request.Request(f"{address}?{query}", content, method="POST")  # noqa: S310 - ours
    # whatever proxy the machine has: it's on loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        said = f"Failed request: ({error.code}) {json.loads(error.read()).get('msg', '')}"
        fail(f"Failed to CreateArtifact: Received non-retryable error: {said}")


def main(given: dict[str, str]) -> None:
    """Store the artifact that the step's inputs name."""
    name, path = given["IN_NAME"], given["IN_PATH"].strip()
    if _PATTERN.search(path) or given["IN_OVERWRITE"] != "false":
        fail("several paths, patterns, overwrite: not supported by the local GitHub")
    found = chosen(Path(given["GITHUB_WORKSPACE"], path), hidden=given["IN_HIDDEN"] == "true")
    if not found:
        message = f"No files were found with the provided path: {path}. No artifacts will be uploaded."
        if given["IN_NONE"] == "error":
            fail(message)
        say(("::warning::" if given["IN_NONE"] == "warn" else "") + message)
        return
    for one in [name] if _IN_NAMES.search(name) else filter(_IN_PATHS.search, found):
        fail(f"The artifact name or the path of one of its files is not valid: {one!r}")
    stored = store(name, given["IN_DAYS"], zipped(found, int(given["IN_LEVEL"])))
    run = "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}".format(**given)
    with Path(given["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as output:
        output.write(f"artifact-id={stored['id']}\nartifact-url={run}/artifacts/{stored['id']}\n")
        output.write(f"artifact-digest={stored['digest']}\n")
    say(f"Artifact {name} has been successfully uploaded: {len(found)} files, id {stored['id']}")


if __name__ == "__main__":
    main(dict(os.environ))
