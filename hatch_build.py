"""Puts the page into the wheel: what ``make web`` has built, or else built now by npm."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = Path("src/clearcall/web/static")
WITHOUT_NPM = (
    "The page of clearcall serve is left out: npm builds it and is not installed. "
    "For a wheel with the page install Node.js 20 or newer and build again."
)


class PageBuildHook(BuildHookInterface[Any]):
    """Builds the page where it isn't built; an editable install does without (``make web`` builds it there)."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before files are gathered."""
        root = Path(self.root)
        if version == "editable" or (root / PAGE / "index.html").is_file():
            return
        npm = shutil.which("npm")
        if npm is None:
            self.app.display_warning(WITHOUT_NPM)
            return
        for command in (["ci"], ["run", "build"]):
            subprocess.run([npm, *command], cwd=root / "web", check=True)
