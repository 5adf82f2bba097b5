"""`password`: what a login needs."""

import sys
from typing import Annotated

import argon2
import typer

from roomkeeper.cli.options import DEFAULT, ConfigFile
from roomkeeper.cli.printing import escaped, out
from roomkeeper.cli.webhooks import set_in_env

_SHORTEST = 12  # characters


def password(
    name: Annotated[str | None, typer.Argument(help="Write it into .env under this name.", metavar="[NAME]")] = None,
    config: ConfigFile = DEFAULT,
) -> None:
    """Make the hash of a password, for `dashboard: users`; the password itself is kept nowhere."""
    if sys.stdin.isatty():
        asked = f"Password ({_SHORTEST} characters or more)"
        given = str(typer.prompt(asked, hide_input=True, confirmation_prompt=True))
    else:
        given = sys.stdin.readline().rstrip("\n")
    if len(given) < _SHORTEST:
        raise typer.BadParameter(f"the password must have {_SHORTEST} characters or more", param_hint="password")
    made = hashed(given)
    if name is None:
        typer.echo(made)
        return
    env = config.parent / ".env"
    set_in_env(env, name, made)
    out.print(f"Written into {escaped(str(env))}. In the configuration, under `dashboard: users`:")
    out.print(escaped(f"    - {{name: …, password: !env {name}, role: operator}}      # or viewer, who may only look"))
    out.print("Then start the service anew.")


def hashed(given: str) -> str:
    """Give what is kept of a password."""
    return argon2.PasswordHasher().hash(given)
