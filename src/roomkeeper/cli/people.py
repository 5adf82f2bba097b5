"""`password`, `link`: what opens the pages."""

import re
import sys
from typing import Annotated

import typer

from roomkeeper.automations.address import reached
from roomkeeper.cli.options import DEFAULT, FAILED, ConfigFile, loaded_for_reading, store_of
from roomkeeper.cli.printing import escaped, out, stop
from roomkeeper.configuration import env as secrets_file
from roomkeeper.web import sessions
from roomkeeper.web.passwords import SHORTEST, hashed


def password(
    name: Annotated[str | None, typer.Argument(help="Write it into .env under this name.", metavar="[NAME]")] = None,
    config: ConfigFile = DEFAULT,
) -> None:
    """Make the hash of a password, for `dashboard: users`; the password itself is kept nowhere."""
    if name is not None and not re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,99}", name):
        raise typer.BadParameter("letters, digits and _ only, such as ANNS_PASSWORD", param_hint="NAME")
    if sys.stdin.isatty():
        asked = f"Password ({SHORTEST} characters or more)"
        given = str(typer.prompt(asked, hide_input=True, confirmation_prompt=True))
    else:
        given = sys.stdin.readline().rstrip("\n")
    if len(given) < SHORTEST:
        raise typer.BadParameter(f"the password must have {SHORTEST} characters or more", param_hint="password")
    made = hashed(given)
    if name is None:
        typer.echo(made)
        return
    env = config.parent / ".env"
    secrets_file.put(env, name, made)
    out.print(f"Written into {escaped(str(env))}. In the configuration, under `dashboard: users`:")
    out.print(escaped(f"    - {{name: …, password: !env {name}, role: operator}}      # or viewer, who may only look"))
    out.print("Then start the service anew.")


def link(config: ConfigFile = DEFAULT) -> None:
    """Print a link that opens the pages once, within a quarter of an hour, where nobody can log in."""
    loaded = loaded_for_reading(config)
    here = loaded.public_url or reached(loaded.host, loaded.port)
    if loaded.dashboard.has_login:
        stop("People log in to these pages with their names", f"Open {here} and log in.", FAILED)
    typer.echo(f"{here}{sessions.link(store_of(loaded))}")
