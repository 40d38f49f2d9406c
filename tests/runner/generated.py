"""Strategies for plans: what people do to files, and what an upstream does with a fork's patches.

Words and places are few, so that both sides meet often: in the same line, in a file moved, in a patch taken.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from histories import FILE, LINK, PROGRAM, Entry, Made, Plan, State, file, link, program
from hypothesis import strategies as st

LINE = re.compile(rb"[^\n]*\n|[^\n]+")
WORDS = (b"x", b"y", b"    x", b"}", b"")
BLOCK = b"if x {\n    call()\n}\n\n"
FIRST: dict[bytes, Entry] = {
    b"a.txt": file("".join(f"line {n}\n" for n in range(14))),
    b"src/b.c": file(BLOCK + b"one\n" + BLOCK + b"two\n" + BLOCK),
    b"src/c.c": file("".join(f"c {n}\n" for n in range(9)) + "no end"),
    b"src/deep/d.txt": file("".join(f"d {n}\n" for n in range(8))),
    b"run.sh": program("#!/bin/sh\n" + "".join(f"step {n}\n" for n in range(6))),
    b"data.bin": file(bytes(range(12))),
    b"link": link("a.txt"),
}

Step = tuple[str, int, int, int]
Task = tuple[str, int, list[Step]]

TEXT = ("edit", "insert", "remove", "repeat", "indent", "swap-lines")
WHOLE = ("move", "move-and-edit", "move-folder", "delete", "add", "rewrite", "mode", "kind", "swap", "byte")

steps: st.SearchStrategy[Step] = st.tuples(
    st.one_of(st.sampled_from(TEXT), st.sampled_from(TEXT), st.sampled_from(WHOLE)),
    st.integers(0, 7), st.integers(0, 13), st.integers(0, len(WORDS) - 1),
)  # fmt: skip


def stepped(state: State, step: Step) -> State:
    """The state after one thing that a person did; the same where it can't be done."""
    kind, which, at, word = step
    names = sorted(state)
    if not names or kind == "add":
        name = (b"new.txt", b"src/new.c", b"src/deep/new.txt", b"other/new.txt")[which % 4]
        return {**state, name: file(b"new\n" + WORDS[word] + b"\nnew\n")} if name not in state else state
    name = names[which % len(names)]
    entry = state[name]
    rest = {other: state[other] for other in names if other != name}
    if entry.mode == LINK and kind not in ("delete", "move", "move-and-edit", "move-folder", "kind", "swap"):
        return {**rest, name: link(f"elsewhere/{at % 3}")}
    match kind:
        case "delete":
            return rest
        case "move" | "move-and-edit":
            to = (b"moved/" if word % 2 else b"") + name.rpartition(b"/")[2] + (b"" if word % 2 else b".old")
            moved = {**rest, to: entry} if to not in state else dict(state)
            return stepped(moved, ("edit", sorted(moved).index(to), at, word)) if "edit" in kind else moved
        case "move-folder":
            return {re.sub(rb"^src/", b"lib/" if word % 2 else b"src/sub/", p): e for p, e in state.items()}
        case "rewrite":
            return {**rest, name: Entry(FILE, b"".join(b"all new %d\n" % n for n in range(at)))}
        case "mode":
            return {**rest, name: entry._replace(mode=PROGRAM if entry.mode == FILE else FILE)}
        case "kind":
            return {**rest, name: link("run.sh") if entry.mode != LINK else file("a file\n")}
        case "swap":
            other = names[at % len(names)]
            return {**state, name: state[other], other: entry}
        case "byte":
            return {**rest, name: entry._replace(content=entry.content + WORDS[word] + b"\0")}
    return {**rest, name: entry._replace(content=edited(entry.content, kind, at, WORDS[word]))}


def edited(content: bytes, kind: str, at: int, word: bytes) -> bytes:
    """A text after an edit of one line. A binary becomes one."""
    lines = LINE.findall(content)
    if not lines:
        return word + b"\n"
    at %= len(lines)
    match kind:
        case "edit":
            lines[at] = word + b"\n"
        case "insert":
            lines.insert(at, word + b"\n")
        case "remove":
            del lines[at]
        case "repeat":
            lines[at:at] = lines[at : at + 2]
        case "indent":
            lines[at] = b"    " + lines[at]
        case "swap-lines":
            lines[at:] = [*lines[at + 1 : at + 2], lines[at], *lines[at + 2 :]]
    return b"".join(lines).replace(b"\0", b"") or b"\n"


def taken(state: State, old: State, new: State, part: int = 0) -> State:
    """`state` with the change old..new, where that fits. Part 1 and 2 are its first half and the rest."""
    found = dict(state)
    changed = [path for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]
    if part and len(changed) > 1:
        changed = changed[: len(changed) // 2] if part == 1 else changed[len(changed) // 2 :]
        part = 0
    for path in changed:
        was, will, now = old.get(path), new.get(path), state.get(path)
        if part or was != now:
            if was and will and now and LINK not in (was.mode, will.mode, now.mode):
                found[path] = will._replace(content=patched(now.content, was.content, will.content, part))
        elif will is None:
            del found[path]
        else:
            found[path] = will
    return found


def patched(content: bytes, old: bytes, new: bytes, part: int) -> bytes:
    """Those hunks of old..new whose lines are found in the content at one place."""
    lines, was, will = (LINE.findall(text) for text in (content, old, new))
    codes = [
        code for code in difflib.SequenceMatcher(None, was, will, False).get_opcodes() if code[0] != "equal"
    ]
    half = (len(codes) + 1) // 2
    for _, i1, i2, j1, j2 in {0: codes, 1: codes[:half], 2: codes[half:]}[part]:
        wanted = was[max(0, i1 - 1) : i2 + 1]
        places = [n for n in range(len(lines)) if lines[n : n + len(wanted)] == wanted]
        if len(places) == 1:
            at = places[0] + (i1 > 0)
            lines[at : at + i2 - i1] = will[j1:j2]
    return b"".join(lines) or b"\n"


stack_tasks: st.SearchStrategy[Task] = st.tuples(
    st.sampled_from(("steps",) * 6 + ("revert", "empty", "fixup")),
    st.integers(0, 3),
    st.lists(steps, min_size=1, max_size=3),
)
upstream_tasks: st.SearchStrategy[Task] = st.tuples(
    st.sampled_from(("steps",) * 6 + ("take", "reworded", "squash", "split", "take-and-revert", "partly")),
    st.integers(0, 3),
    st.lists(steps, min_size=1, max_size=3),
)


def played(state: State, todo: Sequence[Step]) -> State:
    for step in todo:
        state = stepped(state, step)
    return state


def stacked(first: State, tasks: Sequence[Task]) -> list[State]:
    """States of a stack, the one it begins on first."""
    states, before = [first], list[Step]()
    for kind, which, todo in tasks:
        now = states[-1]
        match kind:
            case "steps":
                before = todo
                states.append(played(now, todo))
            case "fixup":  # the same places again
                states.append(played(now, [(k, w, a, (word + 1) % len(WORDS)) for k, w, a, word in before]))
            case "revert" if len(states) > 1:
                at = 1 + which % (len(states) - 1)
                states.append(taken(now, states[at], states[at - 1]))
            case _:
                states.append(now)
    return states


def upstreamed(first: State, tasks: Sequence[Task], stack: Sequence[State]) -> list[tuple[State, bytes]]:
    """Upstream's states after the first one, each with its commit's message."""
    now, found = first, list[tuple[State, bytes]]()
    for kind, which, todo in tasks:
        number = which % max(1, len(stack) - 1)
        pair = (stack[number], stack[min(number + 1, len(stack) - 1)])
        message = b"ours %d\n" % number
        match kind:
            case "steps":
                new = [played(now, todo)]
            case "take" | "reworded":
                new = [taken(now, *pair)]
            case "squash":
                new = [played(taken(taken(now, *pair), *stack[:2]), todo)]
            case "split":
                half = taken(now, *pair, part=1)
                new = [half, taken(half, *pair, part=2)]
            case "partly":
                new = [taken(now, *pair, part=1)]
            case _:
                new = [taken(now, *pair), now]
        said = message if kind in ("take", "take-and-revert") else b"theirs %d\n" % len(found)
        found += [(state, said) for state in new]
        now = new[-1]
    return found


Tasks = list[Task]
stacks = st.lists(stack_tasks, min_size=1, max_size=4)
upstreams = st.lists(upstream_tasks, min_size=1, max_size=4)


def planned(ours: Tasks, theirs: Tasks) -> Plan:
    """A stack of one to four patches on one shared commit, and what upstream did since."""
    stack = stacked(FIRST, ours)
    upstream = upstreamed(FIRST, theirs, stack)
    return Plan(
        (Made(FIRST, b"first\n"),),
        tuple(Made(state, message) for state, message in upstream),
        tuple(Made(state, b"ours %d\n" % number) for number, state in enumerate(stack[1:])),
    )
