"""A browser without JavaScript: opens addresses, fills in forms, presses their buttons, and counts that."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType

import httpx


@dataclass
class Form:
    action: str = ""
    method: str = "get"
    fields: list[tuple[str, str]] = field(default_factory=list)
    # texts of its buttons, with what each sends
    buttons: dict[str, tuple[str, str] | None] = field(default_factory=dict)


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.text = ""
        self._words: str | None = None
        self._sends: tuple[str, str] | None = None
        self._href = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        match tag:
            case "form":
                self.forms.append(Form(found.get("action", ""), found.get("method", "get")))
            case "input" if self.forms and "name" in found:
                quiet = found.get("type") in ("checkbox", "radio") and "checked" not in found
                if not quiet:
                    self.forms[-1].fields.append((found["name"], found.get("value", "")))
            case "button" | "a":
                self._words = ""
                self._sends = (found["name"], found.get("value", "")) if "name" in found else None
                self._href = found.get("href", "")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._words is not None:
            self._words += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self.forms and self._words is not None:
            self.forms[-1].buttons[self._words.strip()] = self._sends
        elif tag == "a" and self._words is not None:
            self.links[self._words.strip()] = self._href
        if tag in ("button", "a"):
            self._words = None


class Browser:
    """What a person does is kept in `clicks`, by the words of what they pressed."""

    def __init__(self) -> None:
        self.clicks: list[str] = []
        self._http = httpx.Client(
            trust_env=False, timeout=30, follow_redirects=True, headers={"accept": "text/html"}
        )
        self.answer: httpx.Response | None = None

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def url(self) -> str:
        assert self.answer is not None
        return str(self.answer.url)

    @property
    def page(self) -> _Page:
        assert self.answer is not None
        return _Page(self.answer.text)

    def open(self, url: str) -> None:
        self.answer = self._http.get(url)

    def press(self, button: str, **filled: str) -> None:
        """Press a button by its words, with what was filled in before."""
        form = next((one for one in self.page.forms if button in one.buttons), None)
        assert form is not None, f"no button {button!r} on {self.url}: {self.page.text}"
        self.clicks.append(button)
        sent = [(name, value) for name, value in form.fields if name not in filled] + list(filled.items())
        if (more := form.buttons[button]) is not None:
            sent.append(more)
        target = httpx.URL(self.url).join(form.action)
        # what a browser says of where it comes from
        origin = {"origin": self.url[: -len(httpx.URL(self.url).raw_path.decode())]}
        if form.method.lower() == "post":
            self.answer = self._http.post(target, data=dict(sent), headers=origin)
        else:
            self.answer = self._http.get(target, params=dict(sent))
