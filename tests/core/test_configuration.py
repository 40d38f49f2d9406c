from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patch_app.core import configuration_reference, toml_lines
from patch_app.core.configuration import (
    Approve,
    Channels,
    Check,
    Configuration,
    ConfigurationError,
    RequiredCheck,
    Stack,
    Workflows,
    parse,
    stacks,
)
from patch_app.core.durations import duration, in_words

ROOT = Path(__file__).parents[2]
WHOLE = """\
[upstream]
repository = "openai/codex"
tags = "rust-v*"
prereleases = true
minimum_age = "1d12h"

[[stack]]
branch = "code-mode-exec-hooks"
strategy = "rebase"

[[check]]
name = "build"
run = '''
cargo check
'''
working_directory = "codex-rs"
timeout = "30m"

[promotion]
approve = "merge"
required_checks = ["ci", { name = "lint", app = "github-actions", workflow = ".github/workflows/ci.yml" }]

[candidate]
workflows = "trust"

[branches]
prefix = "patches"
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(text)
    return [str(one) for one in caught.value.problems]


def test_a_fork_without_a_file_is_a_fork_with_defaults() -> None:
    assert parse("") == Configuration()
    assert stacks(Configuration(), "main") == (Stack(branch="main"),)


def test_every_key_is_read() -> None:
    found = parse(WHOLE)
    assert found.upstream.minimum_age == 36 * 3600
    assert found.check == (
        Check(name="build", run="cargo check\n", working_directory="codex-rs", timeout=1800),
    )
    assert found.promotion.approve is Approve.MERGE
    assert found.promotion.required_checks == (
        RequiredCheck(name="ci"),
        RequiredCheck(name="lint", app="github-actions", workflow=".github/workflows/ci.yml"),
    )
    assert found.candidate.workflows is Workflows.TRUST
    assert found.branches.prefix == "patches"
    assert Configuration.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[upstream]\ntagz = 'v*'",
            "line 2: upstream.tagz: unknown key; allowed here: repository",
        ),
        ("\n\nfoo = 1", "line 3: foo: unknown key; allowed here: upstream, stack, check"),
        ("upstream.foo = 1", "line 1: upstream.foo: unknown key"),
        (
            "[[check]]\nname='a'\nrun='''\n\n'''\nfoo=1",
            "line 6: check.foo: unknown key; allowed here: name, run",
        ),
        ("[[check]]\nname='a'\nrun='x'\nartifacts=['a/../../x']", "is no path or pattern within"),
        ("[[check]]\nname='a'\nrun='x'\nartifacts=['out/']", "written like target/report/** or dist/*.whl"),
        ("[[check]]\nname='a'\nrun='x'\nartifacts=['!out']", '"!out" is no path or pattern'),
        ("[[check]]\nname='a'\nrun='x'\nartifacts=['.Git/**']", "is no path or pattern within"),
        ('[[check]]\nname="a"\nrun="x"\nartifacts=["a\\tb"]', "is no path or pattern within"),
        ("[[check]]\nname='a'\nrun='x'\n[[check]]\nname='b'", "line 4: check.run: is missing"),
        ("[[stack]]\nstrategy='squash'", "line 2: stack.strategy: must be one of: rebase, merge, patches"),
        ("[[stack]]\npatches='patch/*'", 'line 1: stack: patch branches need strategy = "patches"'),
        (
            "[[stack]]\nstrategy='patches'\nmerges='preserve'",
            'the strategy "patches" makes one row of commits: take merges = "preserve" out',
        ),
        (
            "[[stack]]\nstrategy='patches'\npatches=['a b']",
            'line 3: stack.patches: no branch can have the name "a b": it holds a space',
        ),
        ("[[stack]]\nstrategy='patches'\npatches=['a', 'a']", 'the branch "a" is named twice'),
        ("[[stack]]\nstrategy='patches'\npatches=[]", "must be a pattern in quotes, or a list of names"),
        ("[[stack]]\nstrategy='patches'\npatches=3", "must be a pattern in quotes, or a list of names"),
        ("[[stack]]\nstrategy='patches'\npatches=''", "a pattern has 1 to 200 characters"),
        (
            "[[stack]]\nbranch='x'\nstrategy='patches'\npatches=['x']",
            '"x" can\'t be a patch branch of itself',
        ),
        (
            "[[stack]]\nstrategy='patches'\npatches=['patch-app/base/x']",
            '"patch-app/base/x" is one of the App\'s own',
        ),
        ("[promotion]\napprove='auto'", 'approve = "auto" needs minimum_age under [upstream]'),
        (
            "[upstream]\nminimum_age='1d'\n[promotion]\napprove='auto'",
            'approve = "auto" needs a [[check]] or required_checks',
        ),
        ("[promotion]\napprove='ask'", "review, merge, command"),
        ("[promotion]\napprove='me'", "line 2: promotion.approve: must be one of: review, merge"),
        (
            "[promotion]\nrequired_checks = [\n 'a',\n {name='b', c=1}]",
            "line 2: promotion.required_checks.c: unknown key",
        ),
        (
            "[channels.public]\ntag='x'",
            "line 2: channels.public.tag: a tag has {tag} or {version} in it",
        ),
        ("[channels.beta]", "line 1: channels.beta: unknown key; allowed here: internal, public"),
        ("[channels.internal]\n", "line 1: channels.internal.workflow: is missing"),
        ("[channels.internal]\nworkflow='../x.yml'", "line 2: channels.internal.workflow: a workflow is"),
        (
            "[channels.internal]\nworkflow='x.yml'\napprove='review'",
            "line 3: channels.internal.approve: must be one of: auto, command",
        ),
        (
            "[channels.internal]\nworkflow='x.yml'\ninputs={c='{commit}'}",
            'line 3: channels.internal.inputs: "{commit}" is no placeholder; there is {candidate}, {tag}',
        ),
        ("[channels.internal]\nworkflow='x.yml'\ninputs={c=1}", "channels.internal.inputs.c: must be text"),
        ("[channels.internal]\nworkflow='x.yml'\ninputs=1", "inputs: must be a table"),
        ("[channels.public]\napprove='auto'", "line 2: channels.public.approve: must be one of: command"),
        ("[channels.public]\nsuffix='-fork'", "line 2: channels.public.suffix: a suffix has {n} in it once"),
        (
            '[channels.public]\nsuffix="~\\n{n}"',
            "line 2: channels.public.suffix: no tag can have such a name",
        ),
        ('[channels.public]\ntag="{tag}\\n"', "no tag can have such a name: it holds a space, a control"),
        ("[channels.public]\ntag='{tag'", 'channels.public.tag: "{" is no placeholder'),
        (
            "[channels.public]\nworkflow='a.yml'\n[channels.internal]\nworkflow='a.yml'",
            "both channels name the same workflow",
        ),
        ("[resolver]\nname='codex'", "line 1: resolver.run: is missing"),
        ("[resolver]\nrun='x'\nname='a::b'", "line 3: resolver.name: a resolver's name is"),
        ("[resolver]\nrun='x'\ntimeout='3h'", "line 3: resolver.timeout: must be from 1s to 2h"),
        ("[resolver]\nrun='x'\npaths=['../x']", '"../x" is no path within the repository'),
        ("[resolver]\nrun='x'\nhidden=['.']", '"." is no path within the repository'),
        ("[upstream]\nminimum_age='1w'", "line 2: upstream.minimum_age: a duration is written like"),
        ("[upstream]\nminimum_age='91d'", "must be from 0s to 90d"),
        ("[upstream]\nminimum_age=true", "a duration is written like"),
        ("[upstream]\nprereleases='yes'", "must be true or false"),
        ("[upstream]\nrepository='https://x/y'", 'a repository is written "owner/name"'),
        ("[upstream]\nrepository='a/..'", 'a repository is written "owner/name"'),
        ("[candidate]\nworkflows='no'", "must be one of: ask, trust"),
        ("[[check]]\nname='${{ x }}'\nrun='x'", "line 2: check.name: a check's name is"),
        ("[[check]]\nname=\"a\\n\"\nrun='x'", "check's name is"),
        ("[[check]]\nname='a'\nrun='x'\ntimeout='6h'", "must be from 1s to 5h"),
        ("[[check]]\nname='a'\nrun='x'\nworking_directory='../x'", "a working directory is a path within"),
        (
            "[[check]]\nname='a'\nrun='x'\nworking_directory='.git/hooks'",
            "a working directory is a path within",
        ),
        ("[[check]]\nname='a'\nrun='x'\nsparse=['../x']", '"../x" is no directory within the repository'),
        ("[[check]]\nname='a'\nrun='x'\nsparse=['src', '/etc']", '"/etc" is no directory within'),
        ("[[check]]\nname='a'\nrun='x'\nsparse=['docs/']", "written like codex-rs/core"),
        ("[[check]]\nname='a'\nrun='x'\n[[check]]\nname='A'\nrun='y'", 'two checks have the name "a"'),
        ("[[stack]]\nbranch='a'\n[[stack]]\nbranch='a'", 'two stacks have the branch "a"'),
        ("[[stack]]\n[[stack]]", "two stacks have the branch the default branch"),
        ("[promotion]\nmove='pull-request'\n[[stack]]\nstrategy='merge'", "can't go with strategy"),
        ("[promotion]\nmove='force'", "move"),
        ("[[stack]]\nbranch='a..b'", "no branch can have this name"),
        ("[[stack]]\nbranch='patch-app/x'", "lies under patch-app/"),
        ("[branches]\nprefix='refs/x'", "a prefix is one or two parts"),
        ("[promotion]\nrequired_checks=['a','a']", 'the check "a" is required twice'),
        (
            "[promotion]\nrequired_checks=[{name='a', creator='github-actions[bot]'}]",
            "proves nothing, since every workflow may set it",
        ),
        (
            "[promotion]\nrequired_checks=[{name='a', creator='GitHub-Actions'}]",
            "proves nothing, since every workflow may set it",
        ),
        (
            "[promotion]\nrequired_checks=[{name='a', creator='bob', app='x'}]",
            'the check "a" has a creator, as statuses have, and an app or workflow',
        ),
        ("upstream = 3", "must be a table, written [upstream]"),
        ("[check]\nname='a'", "must be a list of tables, each written [[check]]"),
        ("stack = ['a']", "must be a list of tables, each written [[stack]]"),
        ("[upstream\n", "line 1: this is no TOML"),
        ("a = 1\nb = [", "line 2: this is no TOML"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("# " + "x" * 70_000, "the file has more than 65536 bytes"),
        (
            "[[stack]]\nbranch='b'\n" + "".join(f"[[stack]]\nbranch='b{n}'\n" for n in range(20)),
            "more than 20 entries",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_what_is_allowed(text: str, said: str) -> None:
    assert said in "\n".join(problems(text))


def test_all_problems_are_said_at_once_in_the_order_of_lines() -> None:
    found = problems("[upstream]\na=1\ntags=3\n[promotion]\nb=1")
    assert [one.split(":")[0] for one in found] == ["line 2", "line 3", "line 5"]


def test_checks_too_large_for_a_dispatch_are_refused() -> None:
    text = "".join(f"[[check]]\nname='c{n}'\nrun='{'x' * 3900}'\n" for n in range(10))
    assert "all checks together are larger" in problems(text)[0]


def test_a_stack_named_twice_in_two_ways_is_one_stack() -> None:
    found = parse("[[stack]]\n[[stack]]\nbranch='main'\n[[stack]]\nbranch='dev'")
    assert [one.branch for one in stacks(found, "main")] == ["main", "dev"]


def test_lines_of_odd_but_valid_documents_are_found() -> None:
    text = 'a."b.c" = 1\n"d" = [\n  1,\n]\n[x.y]\nz = {k = 1}\r\n'
    text += '[[l]]\nm = """\n[[l]]\n"""\n[[l]]\n[l.n]\no = 2\n'
    found = toml_lines.lines(text)
    assert found[("a", "b.c")] == 1
    assert found[("d", 0)] == 2
    assert found[("x", "y", "z", "k")] == 6
    assert found[("l", 0, "m")] == 8
    assert found[("l", 1, "n", "o")] == 13


@given(st.integers(0, 10**8))
def test_a_duration_in_words_is_read_back(seconds: int) -> None:
    assert duration(in_words(seconds)) == seconds


@given(st.text(alphabet="[]{}=\"'#\n ab.1,stackchek_", max_size=80))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    try:
        found: Configuration | None = parse(text)
    except ConfigurationError as error:
        found, said = None, error.problems
    assert found is not None or (said and all(one.message for one in said))


def test_the_example_is_the_defaults_with_and_without_its_comments() -> None:
    text = (ROOT / "workflow-templates" / "patch-app.toml").read_text()
    assert parse(text) == Configuration()
    # what is commented out is valid, and there is no key that it leaves out
    shown = tomllib.loads(re.sub(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE))
    shown["stack"][0]["strategy"] = "patches"  # which alone knows the key of that name
    Configuration.model_validate({**shown, "upstream": {**shown["upstream"], "repository": "o/n"}})
    for name in Configuration.model_fields:
        table = shown[name][0] if isinstance(shown[name], list) else shown[name]
        if name == "channels":
            for channel in Channels.model_fields:
                known = configuration_reference.table(f"channels.{channel}").model_fields
                assert set(table[channel]) == set(known)
            continue
        assert set(table) == set(configuration_reference.table(name).model_fields)


def test_the_schema_takes_what_we_take_and_refuses_unknown_keys() -> None:
    schema = json.loads(configuration_reference.schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(tomllib.loads(WHOLE))
    assert not validator.is_valid(tomllib.loads("[upstream]\nfoo = 1"))
    assert not validator.is_valid(tomllib.loads("[[check]]\nname = 'a'\nrun = 'b'\ntimeout = '1w'"))


def test_key_of_a_thousand_dots_is_a_problem_and_no_crash() -> None:
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        parse("a." * 5000 + "b = 1")
