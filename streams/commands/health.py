"""`plg health`: asks a running process whether it is ready; what a container's health check runs."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.commands.common import console


def health(
    url: Annotated[
        str, typer.Option("--url", help="The process, such as http://127.0.0.1:9464; PLG_HEALTH without it.")
    ] = "",
    live: Annotated[bool, typer.Option("--live", help="Ask whether it lives, not whether it is ready.")] = False,
) -> None:
    """Ask a worker or a sink whether it is ready: ends with 0 for yes and 1 for no, and says why in one line."""
    from streams.asking import ask, own_url
    from streams.settings import read_settings

    is_well, said = ask(url or own_url(read_settings().health), "live" if live else "ready")
    console.print(said, markup=False, soft_wrap=True)
    raise typer.Exit(0 if is_well else 1)
