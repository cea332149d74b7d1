"""Puts the page into the wheel: what ``make web`` has built, or else built now by npm."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGE = Path("src/clearcall/web/static")
WITHOUT_PAGE = "CLEARCALL_WITHOUT_PAGE"


class PageBuildHook(BuildHookInterface[Any]):
    """Builds the page where it isn't built; an editable install does without (``make web`` builds it there)."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before files are gathered."""
        root = Path(self.root)
        if version == "editable" or (root / PAGE / "index.html").is_file() or os.environ.get(WITHOUT_PAGE):
            return
        npm = shutil.which("npm")
        if npm is None:
            raise SystemExit(
                "The page in the browser is built by npm, which is not installed: install Node.js 20 or newer, "
                f"or set {WITHOUT_PAGE}=1 to do without the page."
            )
        for command in (["ci"], ["run", "build"]):
            subprocess.run([npm, *command], cwd=root / "web", check=True)
