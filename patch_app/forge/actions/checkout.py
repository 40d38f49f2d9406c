"""The local GitHub's own `actions/checkout`: a composite action of plain git.

act would copy a directory of ours instead; this one fetches from the forge with the job's own token, so a job
without `contents: read` on a private repository fails here as it does on GitHub. It refuses nothing silently:
inputs that it doesn't know (`submodules`, `lfs`, `sparse-checkout`, `ssh-key`) end the step.

Behaviour: https://github.com/actions/checkout (its documented inputs)
"""

from __future__ import annotations

from pathlib import Path

# Releases of the action that workflow files commonly name; a job's own `uses:` are added to them.
KNOWN_REFS = ("v1", "v2", "v3", "v4", "v5", "v6", "main")

_ACTION = """\
name: Checkout
description: Fetch a repository of the local GitHub
inputs:
  repository: {default: "${{ github.repository }}"}
  ref: {default: ""}
  token: {default: "${{ github.token }}"}
  path: {default: "."}
  fetch-depth: {default: "1"}
  fetch-tags: {default: "false"}
  persist-credentials: {default: "true"}
  clean: {default: "true"}
  submodules: {default: "false"}
  lfs: {default: "false"}
  sparse-checkout: {default: ""}
  ssh-key: {default: ""}
outputs:
  ref: {value: "${{ steps.fetch.outputs.ref }}"}
  commit: {value: "${{ steps.fetch.outputs.commit }}"}
runs:
  using: composite
  steps:
    - id: fetch
      shell: bash
      env:
        IN_REPOSITORY: ${{ inputs.repository }}
        IN_REF: ${{ inputs.ref }}
        IN_TOKEN: ${{ inputs.token }}
        IN_PATH: ${{ inputs.path }}
        IN_DEPTH: ${{ inputs.fetch-depth }}
        IN_TAGS: ${{ inputs.fetch-tags }}
        IN_PERSIST: ${{ inputs.persist-credentials }}
        IN_MODULES: ${{ inputs.submodules }}
        IN_LFS: ${{ inputs.lfs }}
        IN_SPARSE: ${{ inputs.sparse-checkout }}
        IN_SSH: ${{ inputs.ssh-key }}
      run: |
        bash "$GITHUB_ACTION_PATH/checkout.sh"
"""

_SCRIPT = """\
set -eu
if [ "$IN_MODULES|$IN_LFS|$IN_SPARSE|$IN_SSH" != "false|false||" ]; then
  echo "::error::submodules, lfs, sparse-checkout, ssh-key: not supported by the local GitHub"
  exit 1
fi
cd "$GITHUB_WORKSPACE"
mkdir -p "$IN_PATH"
cd "$IN_PATH"
git init -q .
git config gc.auto 0
url="$GITHUB_SERVER_URL/$IN_REPOSITORY"
git remote remove origin 2>/dev/null || true
git remote add origin "$url"
if [ -n "$IN_TOKEN" ]; then
  basic=$(printf 'x-access-token:%s' "$IN_TOKEN" | base64 | tr -d '\\n')
  # a builtin writes it, so that it is on no command line
  printf '[http "%s/"]\\n\\textraheader = AUTHORIZATION: basic %s\\n' \\
    "$GITHUB_SERVER_URL" "$basic" >> .git/config
fi
ref="$IN_REF" sha=""
if [ -z "$ref" ]; then
  if [ "$IN_REPOSITORY" = "$GITHUB_REPOSITORY" ]; then ref="$GITHUB_REF" sha="$GITHUB_SHA"; else ref=HEAD; fi
fi
depth="--depth=$IN_DEPTH"
[ "$IN_DEPTH" != 0 ] || depth=""
case "$ref" in
  refs/*|HEAD) ;;
  *)
    if printf %s "$ref" | grep -Eq '^([0-9a-f]{40}|[0-9a-f]{64})$'; then
      sha="$ref"
    elif git ls-remote --exit-code origin "refs/heads/$ref" >/dev/null; then
      ref="refs/heads/$ref"
    else
      ref="refs/tags/$ref"
    fi ;;
esac
tags=--no-tags
if [ "$IN_TAGS" = true ]; then tags=--tags; fi
if [ -z "$depth" ]; then
  git fetch -q --tags origin '+refs/heads/*:refs/remotes/origin/*'
fi
git fetch -q $tags $depth origin "+${sha:-$ref}:refs/patch-app-forge/checkout"
commit=$(git rev-parse 'refs/patch-app-forge/checkout^{commit}')
git update-ref -d refs/patch-app-forge/checkout
case "$ref" in
  refs/heads/*)
    branch="${ref#refs/heads/}"
    git update-ref "refs/remotes/origin/$branch" "$commit"
    git checkout -q --force -B "$branch" "$commit"
    git branch -q --set-upstream-to "origin/$branch" ;;
  *) git checkout -q --force --detach "$commit" ;;
esac
if [ "$IN_PERSIST" != true ]; then
  git config --local --remove-section "http.$GITHUB_SERVER_URL/" || true
fi
echo "commit=$commit" >> "$GITHUB_OUTPUT"
echo "ref=$ref" >> "$GITHUB_OUTPUT"
git log -1 --format='HEAD is now at %h %s'
"""


def is_checkout(uses: str) -> bool:
    """Whether a `uses:` names actions/checkout, whatever version."""
    return uses.startswith("actions/checkout@")


def write_action(directory: Path) -> None:
    """Write the action's files into a directory that doesn't exist yet."""
    directory.mkdir(parents=True)
    (directory / "action.yml").write_text(_ACTION, encoding="utf-8")
    (directory / "checkout.sh").write_text(_SCRIPT, encoding="utf-8")
