"""The local GitHub's own `actions/upload-artifact`: a composite action of a Python script.

On GitHub the runner hands such a step a token for the run's storage, and no `run:` step; here each job that
uses the action gets a copy of it with an address of its own. It refuses nothing silently: several paths,
patterns and `overwrite` end the step, and so does what GitHub refuses: a name that the run has already, a
character that the storage can't have, a release of the action before v4.

Behaviour: https://github.com/actions/upload-artifact (its documented inputs and outputs)
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

_UPLOAD = re.compile(r"actions/upload-artifact@(.+)")
_OLD = re.compile(r"v[123](?:\.|-|$)")

_ACTION = """\
name: Upload a Build Artifact
description: Store files of a job in the local GitHub
inputs:
  name: {default: artifact}
  path: {required: true}
  if-no-files-found: {default: warn}
  retention-days: {default: ""}
  compression-level: {default: "6"}
  overwrite: {default: "false"}
  include-hidden-files: {default: "false"}
outputs:
  artifact-id: {value: "${{ steps.upload.outputs.artifact-id }}"}
  artifact-url: {value: "${{ steps.upload.outputs.artifact-url }}"}
  artifact-digest: {value: "${{ steps.upload.outputs.artifact-digest }}"}
runs:
  using: composite
  steps:
    - id: upload
      shell: bash
      env:
        IN_NAME: ${{ inputs.name }}
        IN_PATH: ${{ inputs.path }}
        IN_NONE: ${{ inputs.if-no-files-found }}
        IN_DAYS: ${{ inputs.retention-days }}
        IN_LEVEL: ${{ inputs.compression-level }}
        IN_OVERWRITE: ${{ inputs.overwrite }}
        IN_HIDDEN: ${{ inputs.include-hidden-files }}
      run: |
        python3 -I "$GITHUB_ACTION_PATH/upload.py"
"""


def is_upload(uses: str) -> bool:
    """Whether a `uses:` names actions/upload-artifact, in a version that GitHub still runs.

    github.blog changelog of 2024-04-16: v3 and before stopped on 2025-01-30.
    """
    found = _UPLOAD.fullmatch(uses)
    return found is not None and not _OLD.match(found[1])


def write_action(directory: Path, address: str) -> None:
    """Write the action's files into a directory that doesn't exist yet; the job may upload to `address`."""
    directory.mkdir(parents=True, mode=0o700)
    (directory / "action.yml").write_text(_ACTION, encoding="utf-8")
    shutil.copyfile(Path(__file__).with_name("upload_step.py"), directory / "upload.py")
    (directory / "address").write_text(address, encoding="utf-8")
