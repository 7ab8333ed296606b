"""What the commands share: the two consoles, and the options that several of them take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The config file; PLG_CONFIG, else config/plg.yaml.", show_default=False)
]
ConfigArgument = Annotated[Path, typer.Argument(help="A config file, such as config/plg.yaml.")]
