"""The made-up upstream and its fork: a kettle in shell, five patches, two releases.

Contents only; nothing here knows of the App.
"""

from __future__ import annotations

from typing import Final

from patch_app.forge.server import Forge

UPSTREAM: Final = "teahouse/kettle"
FORK: Final = "alice/kettle"
OWNER, REVIEWER, MAINTAINER = "alice", "bob", "olga"
FIRST, SECOND = "v1.1.0", "v1.2.0"

_CI: Final = """\
name: ci
on: pull_request
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - name: Test
        env:
          SERVER: ${{ github.server_url }}
          REPOSITORY: ${{ github.repository }}
          COMMIT: ${{ github.event.pull_request.head.sha || github.sha }}
        run: |
          git init -q kettle && cd kettle
          git fetch -q --depth 1 "$SERVER/$REPOSITORY" "$COMMIT"
          git checkout -q FETCH_HEAD
          sh test.sh
"""

_KETTLE: Final = """\
#!/bin/sh
# Boils water, as far as a shell can.

TEMPERATURE=100
UNIT=celsius

heat() {
    echo "heating to $TEMPERATURE $UNIT"
}

pour() {
    echo "pouring"
}

cool() {
    echo "cooling down"
}

whistle() {
    echo "wheee"
}

case "$1" in
    heat) heat ;;
    pour) pour ;;
    cool) cool ;;
    whistle) whistle ;;
    *) echo "usage: kettle heat|pour|cool|whistle"; exit 2 ;;
esac
"""

_TEST: Final = """\
#!/bin/sh
set -e
sh kettle.sh heat | grep -q heating
sh kettle.sh pour | grep -q pouring
echo "all is well"
"""

_README: Final = """\
# Kettle

Boils watter from the command line.

## Use

    sh kettle.sh heat
"""

_CONFIGURATION: Final = """\
# Which tests must pass before a candidate is promoted.
[[check]]
name = "test"
run = "sh test.sh"
timeout = "1m"
"""


def configuration() -> bytes:
    """The fork's .github/patch-app.toml."""
    return _CONFIGURATION.encode()


def build(forge: Forge) -> None:
    """Accounts, the upstream at v1.0.0, and a fork with five patches on its default branch."""
    for login in (OWNER, REVIEWER, MAINTAINER):
        forge.add_user(login)
    forge.add_organization("teahouse", owners=[MAINTAINER])
    forge.add_repository(UPSTREAM, description="Boils water from the command line")
    forge.commit(
        UPSTREAM,
        "main",
        {"kettle.sh": _KETTLE, "test.sh": _TEST, "README.md": _README, ".github/workflows/ci.yml": _CI},
        "Boil water",
        by=MAINTAINER,
    )
    forge.publish_release(UPSTREAM, "v1.0.0")
    forge.add_fork(UPSTREAM, FORK, issues=True)
    forge.collaborator(FORK, REVIEWER, "write")
    for message, files in _patches():
        forge.commit(FORK, "main", files, message, by=OWNER)


def _patches() -> list[tuple[str, dict[str, str | bytes | None]]]:
    quiet = _KETTLE.replace('echo "wheee"', 'echo "wheee" >&2').replace(
        'echo "pouring"', 'echo "pouring gently"'
    )
    tea = quiet.replace("TEMPERATURE=100", "TEMPERATURE=80")
    return [
        ("Add a recipe for green tea", {"recipes/green-tea.md": "# Green tea\n\n80 degrees, two minutes.\n"}),
        ("Whistle on standard error and pour gently", {"kettle.sh": quiet}),
        ("Mend a typo in the README", {"README.md": _README.replace("watter", "water")}),
        ("Heat to 80 degrees: green tea turns bitter above", {"kettle.sh": tea}),
        (
            "Check the recipes on every push",
            {".github/workflows/ci.yml": _CI + "          ls recipes/*.md\n"},
        ),
    ]


def release_first(forge: Forge) -> None:
    """v1.1.0: upstream mends the same typo, takes half of the second patch, and adds a feature."""
    kettle = _KETTLE.replace('echo "wheee"', 'echo "wheee" >&2')
    forge.commit(
        UPSTREAM,
        "main",
        {"README.md": _README.replace("watter", "water")},
        "Spell water right",
        by=MAINTAINER,
    )
    forge.commit(UPSTREAM, "main", {"kettle.sh": kettle}, "Whistle where errors go (#12)", by=MAINTAINER)
    forge.commit(
        UPSTREAM, "main", {"descale.sh": "#!/bin/sh\necho descaling\n"}, "Descale (#14)", by=MAINTAINER
    )
    forge.publish_release(UPSTREAM, FIRST)


def release_second(forge: Forge) -> None:
    """v1.2.0: upstream makes the temperature a setting, on the very line that the fork changed."""
    kettle = _KETTLE.replace('echo "wheee"', 'echo "wheee" >&2').replace(
        "TEMPERATURE=100", 'TEMPERATURE="${KETTLE_TEMPERATURE:-100}"'
    )
    forge.commit(
        UPSTREAM, "main", {"kettle.sh": kettle}, "Let people set the temperature (#17)", by=MAINTAINER
    )
    forge.publish_release(UPSTREAM, SECOND)
