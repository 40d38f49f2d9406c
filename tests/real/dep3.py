"""Reads the headers that Debian's patches begin with (DEP-3, or what `git format-patch` writes)."""

from __future__ import annotations

import re
from email.errors import MessageError
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.utils import parseaddr, parsedate_to_datetime
from typing import NamedTuple

BODY = re.compile(rb"^(?:---|diff |Index: |\+\+\+ )", re.MULTILINE)
NOBODY = ("Debian Maintainers", "maintainers@example.org")
MADE_BY_TOOLS = re.compile(r"\[PATCH[^\]]*\]\s*")


class Header(NamedTuple):
    """What a commit is made with. `date` in Git's raw form, or None where the patch has none."""

    name: str
    email: str
    date: str | None
    message: str


def read(content: bytes, file_name: str) -> Header:
    """Header of a patch. Where it says nothing, its file name is the subject, and the author nobody."""
    found = BODY.search(content)
    text = content[: found.start() if found else len(content)]
    fields = BytesHeaderParser().parsebytes(text)
    # a subject's lines are one line folded, as in a mail; a description's first line stands alone
    told = " ".join(_field(fields["Subject"]).split()) or _field(fields["Description"])
    rest = str(fields.get_payload() or "").strip()
    if not fields.keys():
        told, rest = "", text.decode("utf-8", "replace").strip()
    subject, _, more = told.partition("\n")
    subject = MADE_BY_TOOLS.sub("", subject).strip() or file_name
    who = " ".join((_field(fields["From"]) or _field(fields["Author"])).split())
    name, email = parseaddr(who)
    author = (name or email.partition("@")[0], email) if "@" in email else (who or NOBODY[0], NOBODY[1])
    kept = [
        f"{key}: {_field(value)}"
        for key, value in fields.items()
        if key.lower() not in ("subject", "description", "from", "author", "date")
    ]
    parts = [subject, "\n".join(line.strip() for line in more.split("\n")).strip(), rest, "\n".join(kept)]
    return Header(*author, _date(fields["Date"]), "\n\n".join(part for part in parts if part) + "\n")


def _field(value: object) -> str:
    if value is None:
        return ""
    try:
        return str(make_header(decode_header(str(value))))
    except (MessageError, LookupError, UnicodeError):
        return str(value)


def _date(value: object) -> str | None:
    try:
        date = parsedate_to_datetime(str(value))
    except (ValueError, TypeError):
        return None
    return f"{int(date.timestamp())} {date.strftime('%z') or '+0000'}"
