"""The command line, `patch-app`. Parses arguments and calls; the work is done elsewhere."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from patch_app.settings import Settings

app = typer.Typer(
    name="patch-app",
    help="Carries a fork's patches onto each upstream release and accounts for every one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


run = typer.Typer(help="Start something now.", no_args_is_help=True)
app.add_typer(run, name="run")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"patch-app {metadata.version('patch-app')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
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
    artifact: Annotated[
        list[str] | None,
        typer.Option(help="Path or pattern of what the commands make, to be kept; may be given again."),
    ] = None,
    artifacts_in: Annotated[
        Path, typer.Option(help="New or empty directory for what is kept, in one for each command.")
    ] = Path("patch-app-artifacts"),
    merges: Annotated[
        Literal["flatten", "preserve"],
        typer.Option(help="Merge commits in the stack: all in one row, or made again."),
    ] = "flatten",
    strategy: Annotated[
        Literal["rebase", "merge", "patches"],
        typer.Option(
            help="The patches written anew onto the release, the release merged into them, or the branch "
            "built from patch branches."
        ),
    ] = "rebase",
    patches: Annotated[
        list[str] | None,
        typer.Option(
            help="Patch branches: a pattern (default: patch/*), or given again for each name in order."
        ),
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Full id of the commit after which the stack begins.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report alone, as JSON.")] = False,
) -> None:
    """Show what would become of a fork's patches on a release. Writes to neither repository.

    Exit status: 0 clean or nothing to do, 1 a person is needed, 2 bad input, 3 it could not be done.
    """
    from patch_app.preview import Keeping, run_preview
    from patch_app.preview_shape import Shape
    from patch_app.terminal import Terminal

    shape = Shape(merges, strategy, start, tuple(patches or ()))
    keeping = Keeping(tuple(artifact or ()), artifacts_in)
    status = run_preview(
        fork, branch, onto, upstream, check or [], json, Terminal(), shape=shape, keeping=keeping
    )
    raise typer.Exit(status)


@app.command()
def forge(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 0,
    data: Annotated[Path, typer.Option(help="Folder for repositories and state.")] = Path("forge-data"),
) -> None:
    """Serve a local GitHub, to develop or try an App without GitHub."""
    from patch_app.forge.cli import serve_forge

    raise typer.Exit(serve_forge(port, data))


@app.command()
def demo(
    exit_after: Annotated[bool, typer.Option("--exit", help="End after the story.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the final attempts as JSON.")] = False,
) -> None:
    """Watch two upstream releases go through the App, beside a local GitHub.

    Exit status: 0 only if every step of the story really happened.
    """
    try:
        from patch_app.demo.story import tell
    except ModuleNotFoundError as error:
        typer.echo(f"the demo needs one more package ({error.name}): install patch-app[demo]", err=True)
        raise typer.Exit(2) from None

    raise typer.Exit(tell(stay=not exit_after, as_json=json))


@app.command()
def serve(
    poll: Annotated[
        bool,
        typer.Option(
            "--poll", help="Take webhooks by polling the App's delivery list: GitHub can't reach this server."
        ),
    ] = False,
) -> None:
    """Run the server: webhooks, engine and pages. Settings come from the environment.

    Its log has an address that signs one browser in. Without an App it serves a page that registers one, and
    the log has that page's address and a one-time code.
    """
    from patch_app import serve as server
    from patch_app.settings import SettingsError
    from patch_app.store.errors import StoreError

    try:
        settings = _settings()
        if poll:
            settings = settings.model_copy(update={"poll_deliveries": True})
        status = server.serve(settings)
    except (SettingsError, StoreError) as error:
        raise _refused(error) from None
    raise typer.Exit(status)


@app.command("open")
def open_pages() -> None:
    """Print an address that signs one browser in to the server's pages. It is good once, for an hour."""
    from patch_app import operator
    from patch_app.terminal import Terminal

    settings, console = _settings(), Terminal()
    raise typer.Exit(operator.run(console, lambda: operator.open_pages(settings, console)))


@run.command()
def release(
    upstream: Annotated[str, typer.Option(help="The upstream, owner/name.")],
    tag: Annotated[str, typer.Option(help="The release's tag.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say which stacks it concerns, start nothing.")
    ] = False,
    record_only: Annotated[
        bool, typer.Option("--record-only", help="Record the event, start nothing.")
    ] = False,
) -> None:
    """Tell the server of an upstream release, as the poller would."""
    from patch_app import operator
    from patch_app.terminal import Terminal

    settings, console = _settings(), Terminal()
    raise typer.Exit(
        operator.run(
            console,
            lambda: operator.run_release(
                settings, console, upstream=upstream, tag=tag, dry_run=dry_run, record_only=record_only
            ),
        )
    )


@app.command()
def install(
    repository: Annotated[str, typer.Argument(help="The fork, owner/name.")],
    config: Annotated[Path | None, typer.Option(help="A patch-app.toml to bring along.")] = None,
) -> None:
    """Open a pull request that brings the App's workflow to a fork."""
    from patch_app import operator
    from patch_app.terminal import Terminal

    settings, console = _settings(), Terminal()
    raise typer.Exit(
        operator.run(console, lambda: operator.install(settings, console, repository=repository, file=config))
    )


@app.command()
def doctor(
    repo: Annotated[str, typer.Option(help="The fork, owner/name.")],
    checkout: Annotated[Path | None, typer.Option(help="A local checkout of it, to look at too.")] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Add the upstream as a remote of the checkout, and nothing else.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Say what is in the way of a fork's releases, and what to do about it. Changes nothing on GitHub.

    Exit status: 0 nothing blocks an attempt, 1 something does, 2 wrong usage or settings.
    """
    from patch_app import operator
    from patch_app.examine import examine
    from patch_app.terminal import Terminal

    settings, console = _settings(), Terminal()
    raise typer.Exit(
        operator.run(
            console,
            lambda: examine(settings, console, repository=repo, folder=checkout, apply=apply, as_json=json),
        )
    )


@app.command()
def attempts(
    attempt: Annotated[str | None, typer.Argument(help="One attempt, whole, as JSON.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List attempts, newest first, or show one."""
    from patch_app import operator
    from patch_app.terminal import Terminal

    settings, console = _settings(), Terminal()
    raise typer.Exit(
        operator.run(console, lambda: operator.attempts(settings, console, attempt=attempt, as_json=json))
    )


@app.command()
def sync(attempt: Annotated[str, typer.Argument(help="The attempt's id.")]) -> None:
    """Read the forge again for an attempt."""
    _wish("sync", attempt)


@app.command()
def retry(attempt: Annotated[str, typer.Argument(help="The attempt's id.")]) -> None:
    """Try again what GitHub refused in an attempt."""
    _wish("retry", attempt)


@app.command()
def replay(attempt: Annotated[str, typer.Argument(help="The attempt's id.")]) -> None:
    """Carry the same release again in a new attempt."""
    _wish("replay", attempt)


@app.command()
def rollback(attempt: Annotated[str, typer.Argument(help="The promoted attempt's id.")]) -> None:
    """Put the maintained branch back to what it was before a promotion."""
    from patch_app import operator
    from patch_app.terminal import Terminal

    settings, console = _settings(), Terminal()
    raise typer.Exit(
        operator.run(console, lambda: operator.ask(settings, console, attempt, command="rollback"))
    )


@app.command(name="go-back")
def go_back(
    attempt: Annotated[str, typer.Argument(help="The held attempt's id.")],
    commit: Annotated[str, typer.Argument(help="The release's commit, in full, as the attempt says it.")],
) -> None:
    """Let go what leaves the branch with a release: commits of upstream that it lacks."""
    from patch_app import operator
    from patch_app.terminal import Terminal

    settings, console = _settings(), Terminal()
    command = f"go-back {commit}"
    raise typer.Exit(operator.run(console, lambda: operator.ask(settings, console, attempt, command=command)))


def _wish(kind: str, attempt: str) -> None:
    from patch_app import operator
    from patch_app.core.events import Kind
    from patch_app.terminal import Terminal

    settings, console = _settings(), Terminal()
    raise typer.Exit(operator.run(console, lambda: operator.wish(settings, console, Kind(kind), attempt)))


def _settings() -> Settings:
    from patch_app import logs
    from patch_app.settings import LogLevel, SettingsError, load

    try:
        settings = load()
        # what a command does says what went wrong itself; warnings beside it are lines of the log
        logs.configure(settings.log_format, LogLevel.WARNING, settings.secrets())
        return settings
    except SettingsError as error:
        raise _refused(error) from None


def _refused(error: Exception) -> typer.Exit:
    from patch_app.terminal import Terminal

    Terminal(stderr=True).print(str(error), soft_wrap=True)
    return typer.Exit(2)


def main() -> None:
    """Entry point of the installed script."""
    app()
