"""Read act's `--json` log of one job: its result, steps, annotations, summary, and a log fit to be shown.

It refuses to let a secret through: the job's token (plain, and in the base64 forms that git and HTTP send)
and what `::add-mask::` names are masked in everything that leaves. It refuses to grow without bound: a long
log keeps its head and its tail.
"""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from patch_app.forge.actions.workflow import Step
from patch_app.forge.actions_api import Annotation, AnnotationLevel, Conclusion, StepResult

# Characters kept of a log: the first and the last so many.
HEAD_CHARS = 200_000
TAIL_CHARS = 300_000
SUMMARY_CHARS = 1_048_576
# https://docs.github.com/en/actions/reference/limits: annotations a step and level, and a job
_PER_STEP = 10
_PER_JOB = 50
_LEVELS = {
    "notice": AnnotationLevel.NOTICE,
    "warning": AnnotationLevel.WARNING,
    "error": AnnotationLevel.FAILURE,
}
_RESULTS = {
    "success": Conclusion.SUCCESS,
    "failure": Conclusion.FAILURE,
    "skipped": Conclusion.SKIPPED,
    "cancelled": Conclusion.CANCELLED,
}
_EXIT = re.compile(r"exit status (\d+)")


class Masks:
    """The secrets of one job."""

    def __init__(self, token: str) -> None:
        self._secrets: set[str] = set()
        self.add(token)
        if token:
            for plain in (token, f"x-access-token:{token}"):
                self._secrets |= _base64_forms(plain)

    def add(self, secret: str) -> None:
        """Mask a text, each of its lines by itself too."""
        self._secrets |= {part for part in (secret, *secret.splitlines()) if part.strip()}

    def clean(self, text: str) -> str:
        """The text with every secret as `***`."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def found_in(self, text: str) -> bool:
        """Whether a text holds a secret."""
        return any(secret in text for secret in self._secrets)


def _base64_forms(plain: str) -> set[str]:
    """How a text looks within base64, wherever it starts: the part that doesn't depend on its neighbours."""
    forms = {base64.b64encode(plain.encode()).decode()}
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + plain.encode()).decode().rstrip("=")
        # the first group holds the padding in front, the last character may hold bits of what follows
        forms.add(coded[4 if shift else 0 : -1])
    return {form for form in forms if len(form) >= 8}


class BoundedText:
    """A text that keeps its head and its tail."""

    def __init__(self, head: int, tail: int) -> None:
        self._head_room, self._tail_limit = head, tail
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._dropped = 0

    def add(self, text: str) -> None:
        """Append."""
        if self._head_room > 0:
            self._head.append(text[: self._head_room])
            text, self._head_room = text[self._head_room :], self._head_room - len(text)
        if text:
            self._tail.append(text)
            self._tail_size += len(text)
        while self._tail_size > self._tail_limit:
            first = self._tail.popleft()
            excess = self._tail_size - self._tail_limit
            gone = min(excess, len(first))
            if gone < len(first):
                self._tail.appendleft(first[gone:])
            self._tail_size -= gone
            self._dropped += gone

    def text(self) -> str:
        """Head, a note on what was left out, tail."""
        note = f"\n[... {self._dropped} characters left out ...]\n" if self._dropped else ""
        return "".join(self._head) + note + "".join(self._tail)


class JobLog:
    """Feed it act's output line by line."""

    def __init__(self, *, job_key: str, token: str) -> None:
        self._job_key = job_key
        self.masks = Masks(token)
        self._log = BoundedText(HEAD_CHARS, TAIL_CHARS)
        self._summary = BoundedText(SUMMARY_CHARS, 0)
        self._has_summary = False
        # step id -> (name as act evaluated it, result or None while it runs)
        self._steps: dict[str, tuple[str, Conclusion | None]] = {}
        # of which step, whether it tells of the step's end, and what it is
        self._annotations: list[tuple[str, bool, Annotation]] = []
        self._counts: dict[tuple[str, AnnotationLevel], int] = {}
        self._stray = BoundedText(20_000, 20_000)
        # success, failure, ... as act says it; None when it never got that far
        self.result: Conclusion | None = None

    def feed(self, line: str) -> None:
        """One line of output. What isn't JSON is act's own complaint and is kept."""
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            # act's closing line repeats what the job's result says
            if line.strip() and not line.startswith("Error: Job '"):
                self._stray.add(line.rstrip("\n") + "\n")
            return
        if event.get("jobID") == self._job_key:
            self._event(event)
        elif "jobID" not in event and event.get("level") in {"error", "fatal"}:
            self._stray.add(f"{event.get('msg', '')}\n")

    def say(self, text: str) -> None:
        """A line of ours in the job's log."""
        self._write(f"{text}\n")

    def annotate(self, level: AnnotationLevel, message: str, *, title: str = "") -> None:
        """An annotation of ours."""
        made = Annotation(level=level, message=self.masks.clean(message), title=self.masks.clean(title))
        self._annotations.append(("", True, made))

    def _write(self, text: str) -> None:
        # masked here too, not only at the end: the bound may cut a secret in two
        self._log.add(self.masks.clean(text))

    def _event(self, event: Mapping[str, Any]) -> None:
        step_id = [str(part) for part in event.get("stepID") or []]
        if "jobResult" in event:
            self.result = _RESULTS.get(event["jobResult"], Conclusion.FAILURE)
            return
        if "command" in event:
            self._command(event, step_id[0] if step_id else "")
            return
        message = str(event.get("msg", ""))
        if event.get("raw_output"):
            self._write(message if message.endswith("\n") else f"{message}\n")
            return
        if len(step_id) == 1 and event.get("stage") == "Main":
            self._step_event(event, step_id[0], message)
        elif event.get("level") in {"error", "fatal"}:
            self._write(f"##[error]{message}\n")

    def _step_event(self, event: Mapping[str, Any], step_id: str, message: str) -> None:
        name = str(event.get("step", ""))
        if step_id not in self._steps and message.startswith("⭐"):
            self._steps[step_id] = (name, None)
            self._write(f"##[group]Run {name.strip()}\n##[endgroup]\n")
        if "stepResult" in event:
            self._steps[step_id] = (name, _RESULTS.get(event["stepResult"], Conclusion.FAILURE))
        elif event.get("level") == "error":
            exited = _EXIT.fullmatch(message.strip())
            text = f"Process completed with exit code {exited.group(1)}." if exited else message
            self._write(f"##[error]{text}\n")
            self._keep(step_id, Annotation(level=AnnotationLevel.FAILURE, message=text), is_end=True)

    def _command(self, event: Mapping[str, Any], step_id: str) -> None:
        command, argument = event["command"], str(event.get("arg", ""))
        raw = str(event.get("raw", "")).rstrip("\n")
        match command:
            case "notice" | "warning" | "error":
                self._write(f"##[{command}]{argument}\n")
                self._keep(step_id, _annotation(_LEVELS[command], argument, event.get("kvPairs") or {}))
            case "add-mask":
                self.masks.add(argument)
                self._write("***\n")
            case "summary":
                self._has_summary = True
                self._summary.add(self.masks.clean(str(event.get("content", ""))))
            case "group":
                self._write(f"##[group]{argument}\n")
            case "endgroup":
                self._write("##[endgroup]\n")
            case "debug":
                pass
            case _ if raw:
                self._write(f"{raw}\n")

    def _keep(self, step_id: str, annotation: Annotation, *, is_end: bool = False) -> None:
        slot = (step_id, annotation.level)
        self._counts[slot] = self._counts.get(slot, 0) + 1
        if self._counts[slot] <= _PER_STEP and len(self._annotations) < _PER_JOB:
            self._annotations.append((step_id, is_end, annotation))

    def annotations(self) -> list[Annotation]:
        """Masked, in the order they were made.

        A step's end comes after what it said: act may hand on a last line after the exit status.
        """
        clean = self.masks.clean
        steps = list(dict.fromkeys(step for step, _, _ in self._annotations))
        ordered = sorted(self._annotations, key=lambda one: (steps.index(one[0]), one[1]))
        return [
            Annotation(
                level=item.level,
                message=clean(item.message),
                title=clean(item.title),
                path=clean(item.path),
                start_line=item.start_line,
                end_line=item.end_line,
            )
            for _, _, item in ordered
        ]

    def steps(self, declared: Sequence[Step], tolerated: Sequence[bool]) -> list[StepResult]:
        """GitHub's list: "Set up job", the file's steps, "Complete job".

        `tolerated` says for each step whether `continue-on-error` makes its failure a success. A step that
        was cut short is cancelled, one that never began is skipped.
        """
        started = bool(self._steps) or self.result is Conclusion.SUCCESS
        rows = [("Set up job", Conclusion.SUCCESS if started else Conclusion.FAILURE)]
        for step, is_tolerated in zip(declared, tolerated, strict=True):
            seen = self._steps.get(step.id)
            if seen is None:
                rows.append((step.title, Conclusion.SKIPPED))
                continue
            conclusion = seen[1] or Conclusion.CANCELLED
            if conclusion is Conclusion.FAILURE and is_tolerated:
                conclusion = Conclusion.SUCCESS
            rows.append((seen[0].strip() if step.name is not None else step.title, conclusion))
        if self.result is not None:
            rows.append(("Complete job", Conclusion.SUCCESS))
        return [
            StepResult(number=number, name=self.masks.clean(name), conclusion=conclusion)
            for number, (name, conclusion) in enumerate(rows, start=1)
        ]

    def text(self) -> str:
        """The whole log, masked: the steps' output, the job's summary, what act complained of."""
        parts = [self._log.text()]
        if self._has_summary:
            parts.append(f"##[group]Job summary\n{self._summary.text()}\n##[endgroup]\n")
        if self.result is not Conclusion.SUCCESS and (stray := self._stray.text()):
            parts.append(stray)
        return self.masks.clean("".join(parts))


def _annotation(level: AnnotationLevel, message: str, given: Mapping[str, Any]) -> Annotation:
    start = _line(given.get("line"), 1)
    return Annotation(
        level=level,
        message=message,
        title=str(given.get("title", "")),
        path=str(given.get("file", "")) or ".github",
        start_line=start,
        end_line=max(start, _line(given.get("endLine"), start)),
    )


def _line(given: Any, fallback: int) -> int:
    try:
        return max(1, int(str(given)))
    except ValueError:
        return fallback
