"""The command line, `patch-app`. Parses arguments and calls; the work is done elsewhere, imported when needed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="patch-app",
    help="Carries a fork's patches onto each upstream release and accounts for every one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Carries a fork's patches onto each upstream release and accounts for every one."""


@app.command()
def preview(
    fork: Annotated[str, typer.Argument(help="The fork: Git URL, path, or owner/name on GitHub.")],
    branch: Annotated[str, typer.Option(help="The maintained branch of the fork.")],
    onto: Annotated[
        str,
        typer.Option(help="The release: a tag of UPSTREAM; without it any ref or full commit id of FORK."),
    ],
    upstream: Annotated[
        str | None, typer.Option(help="Where releases come from: Git URL, path, or owner/name on GitHub.")
    ] = None,
    check: Annotated[
        list[str] | None, typer.Option(help="A command to run on the carried tree; may be given again.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report alone, as JSON.")] = False,
) -> None:
    """Show what would become of a fork's patches on a release. Writes to neither repository.

    Exit status: 0 clean or nothing to do, 1 a person is needed, 2 bad input, 3 it could not be done.
    """
    from rich.console import Console

    from patch_app.preview import run_preview

    raise typer.Exit(run_preview(fork, branch, onto, upstream, check or [], json, Console()))


@app.command()
def forge(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 0,
    data: Annotated[Path, typer.Option(help="Folder for repositories and state.")] = Path("forge-data"),
) -> None:
    """Serve a local GitHub, to develop or try an App without GitHub."""
    from patch_app.forge.cli import serve_forge

    raise typer.Exit(serve_forge(port, data))


def main() -> None:
    """Entry point of the installed script."""
    app()
