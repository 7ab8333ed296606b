"""`plg config`: the config as it is in force, and its JSON Schema for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.commands.common import ConfigOption, console
from streams.settings import read_settings

app = typer.Typer(
    help="The config: what is in force, and what may stand in it. `plg check` looks for mistakes.", no_args_is_help=True
)


@app.command("show")
def show(config: ConfigOption = None) -> None:
    """
    Write every key with its value, and the default beside what differs from it.

    The output is a config itself, with the same meaning and the same hash.
    """
    from streams.config_shown import shown
    from streams.config_source import load_config

    print(shown(load_config(config or read_settings().config)), end="")


@app.command("publish")
def publish(config: ConfigOption = None) -> None:
    """
    Put a config in force now, whatever the workers' files say, until one of those changes again.

    For files that come with an image, and where a worker says `config.older`: its file changed before another one's.
    Ends with 2 if the config has mistakes, or changes what cannot change live.
    """
    from streams.config_source import load_config
    from streams.configs import publish_now
    from streams.reach import require_broker

    settings = read_settings()
    loaded = load_config(config or settings.config)
    require_broker(settings)
    publish_now(loaded, settings)
    console.print(f"config {loaded.hash} is published; the next tick puts it in force", soft_wrap=True, markup=False)


@app.command("schema")
def schema(
    out: Annotated[Path | None, typer.Option("--out", help="A file; without it, standard output.")] = None,
) -> None:
    """
    Write the JSON Schema of the config file: editors then complete keys, explain them and underline mistakes.

    An editor with a YAML language server finds it by the first line of the config:
    # yaml-language-server: $schema=<the file>
    """
    from signals.errors import ConfigError
    from streams.config_schema import schema_text

    text = schema_text()
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror}") from None
    console.print(f"{out}: written", soft_wrap=True, markup=False)
