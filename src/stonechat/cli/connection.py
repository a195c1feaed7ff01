"""The options of commands that talk to a server."""

from __future__ import annotations

from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:7181"
Url = Annotated[str, typer.Option(help="Server to talk to.", envvar="STONECHAT_URL")]
AccessToken = Annotated[
    str | None,
    typer.Option("--token", help="Token; a server on this machine is asked for its own.", envvar="STONECHAT_TOKEN"),
]
Destructive = Annotated[bool, typer.Option("--allow-destructive-operations", help="Let the deployment delete data.")]
