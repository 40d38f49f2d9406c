"""What the pages for people share: their frame, who is signed in, and text as GitHub shows it.

Refuses to draw HTML that somebody wrote, but for the few tags that fold and fit text.
"""

from __future__ import annotations

import html
import re

from markdown_it import MarkdownIt
from starlette.requests import Request
from starlette.responses import HTMLResponse

from patch_app.forge.auth import Caller, authenticate
from patch_app.forge.core import Core
from patch_app.forge.rest import ApiError

_STYLE = """:root{color-scheme:light dark}
body{font:16px/1.5 system-ui;max-width:36rem;margin:3rem auto;padding:0 1rem;overflow-wrap:anywhere}
body.wide{max-width:58rem}li.choice{list-style:none}
button{font:inherit;padding:.4rem 1rem}
table{border-collapse:collapse;display:block;overflow-x:auto;overflow-wrap:normal}
td,th{border:1px solid #8886;padding:.2rem .6rem;text-align:left}
pre{overflow-x:auto;background:#8882;padding:.6rem}code{font-size:.9em}
article{border:1px solid #8886;border-radius:.4rem;padding:.2rem 1rem;margin:1rem 0}
.state{border-radius:1rem;padding:.2rem .8rem;color:#fff;background:#1a7f37}
.merged{background:#8250df}.closed{background:#cf222e}"""
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"&lt;(/?(?:details|summary|sub|sup|kbd|br))&gt;")
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def page(title: str, body: str, status: int = 200, *, wide: bool = False) -> HTMLResponse:
    """A whole page around HTML."""
    title = html.escape(title)
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8>"
        f'<meta name=viewport content="width=device-width"><title>{title}</title><style>{_STYLE}</style>'
        f"<body{' class=wide' if wide else ''}><h1>{title}</h1>{body}</html>",
        status,
        {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:"},
    )


def markdown(text: str) -> str:
    """HTML of what somebody wrote."""
    # a fold's summary is a line of HTML, and Markdown goes on after it
    lines = _COMMENT.sub("", text).replace("</summary>", "</summary>\n")
    return _TAG.sub(r"<\1>", _MARKDOWN.render(lines))


def browses(request: Request) -> bool:
    """Whether a person looks: no token, and HTML is asked for."""
    by_token = request.headers.get("authorization") is not None
    return not by_token and "text/html" in request.headers.get("accept", "")


def person(core: Core, request: Request) -> Caller:
    """Who acts: the token's person, else the first person. Errors: ApiError 401 where there is none."""
    caller = authenticate(core.state, request.headers.get("authorization"), core.now())
    if caller.kind == "person":
        return caller
    people = [a.login for a in core.state.accounts.values() if a.type == "User" and a.login != "github"]
    if not people:
        raise ApiError(401, "Requires authentication")
    return Caller(kind="person", login=people[0])
