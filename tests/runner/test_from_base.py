"""The fork lacks the release: the bundle starts at the base."""

from __future__ import annotations

import random

from runner_world import World


def test_release_is_packed_as_differences_to_trees_and_files_of_the_base(world: World) -> None:
    rng = random.Random(1)
    files = {
        f"lib/part{n % 3}/file{n}.txt": "".join(f"{rng.getrandbits(64):x}\n" for _ in range(60))
        for n in range(150)
    }
    world.upstream.commit("first", files)
    fork = world.fork_now()
    base = fork.head
    fork.commit("ours", {"ours.txt": "ours\n"})
    for number in range(0, 150, 4):
        name = f"lib/part{number % 3}/file{number}.txt"
        world.upstream.commit(f"upstream {number}", {name: files[name] + "one line more\n"})
    report = world.carry(base=base, bundle_from="base")
    assert report.error is None
    assert report.bundle is not None
    assert report.bundle.prerequisites == (base,)
    assert report.candidate is not None
    assert report.candidate.tree == world.oracle()
