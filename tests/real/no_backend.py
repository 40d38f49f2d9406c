"""Stands in for the build backends of archives that are only to be downloaded.

pip asks every source archive's backend for its metadata before it hands the archive over. This answers from
the archive's own PKG-INFO, so that no code of the archive and no build tool of it is run or fetched. It
refuses to build: there are no hooks for it.
"""

from __future__ import annotations

import shutil
from pathlib import Path


def get_requires_for_build_wheel(config_settings: object = None) -> list[str]:
    return []


def prepare_metadata_for_build_wheel(directory: str, config_settings: object = None) -> str:
    fields: dict[str, str] = {}
    for line in Path("PKG-INFO").read_text(encoding="utf-8").split("\n\n", 1)[0].split("\n"):
        name, _, value = line.partition(": ")
        fields.setdefault(name, value)
    found = f"{fields['Name'].replace('-', '_')}-{fields['Version']}.dist-info"
    (Path(directory) / found).mkdir()
    shutil.copy("PKG-INFO", Path(directory) / found / "METADATA")
    return found


class __legacy__:  # noqa: N801 - the name that archives without a declared backend are given
    get_requires_for_build_wheel = staticmethod(get_requires_for_build_wheel)
    prepare_metadata_for_build_wheel = staticmethod(prepare_metadata_for_build_wheel)
