"""The whole rendered configuration, file by file, as a server would get it.

A change of a template shows here as the diff that an operator would see; `--rewrite-golden` accepts it.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from posthouse.resources import Blueprint
from posthouse.site.model import Site
from posthouse.site.release import Ground, Release
from posthouse.stack import assemble

GOLDEN = Path(__file__).parent / "golden"


def _rendered(blueprint: Blueprint) -> dict[str, str]:
    """Every file by its path, and `BLUEPRINT` for all that is not a file's content."""
    files = {str(file.path).lstrip("/"): file.content for file in blueprint.files}
    rest = dataclasses.asdict(blueprint)
    for file in rest["files"]:
        del file["content"], file["origins"]
    files["BLUEPRINT.json"] = json.dumps(rest, indent=1, default=str) + "\n"
    return files


def test_configuration(platform: tuple[str, Release, Ground], site: Site, rewrite: bool) -> None:
    name, release, ground = platform
    folder = GOLDEN / name
    rendered = _rendered(assemble(site, release, ground, {}))
    if rewrite:
        shutil.rmtree(folder, ignore_errors=True)
        for path, text in rendered.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        pytest.skip("written anew")
    golden = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    assert sorted(rendered) == sorted(golden)
    for path, text in rendered.items():
        assert text == golden[path], f"{path}: see `pytest tests/stack --rewrite-golden`"
