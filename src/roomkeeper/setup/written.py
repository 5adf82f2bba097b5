"""Write the first configuration and its secrets: checked first, and whole or not at all."""

import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from roomkeeper.configuration import env
from roomkeeper.configuration.config import Config
from roomkeeper.configuration.loading import load
from roomkeeper.configuration.schema import json_schema
from roomkeeper.connectors import CATALOG
from roomkeeper.errors import OrderRefused
from roomkeeper.setup.choices import SCHEMA, WEBHOOK_SECRET

_THERE = "is there by now: somebody else wrote it, and it was left as it is"


@dataclass(frozen=True)
class Written:
    """What was written: the configuration, where the one before it is now, and the secrets that are still empty."""

    config: Config
    before: Path | None
    missing: list[str]


def write(file: Path, text: str, given: Mapping[str, str], *, replaces: bool) -> Written:
    """Write both, and what editors need; what stands in `.env` already stays there, but for what is `given`.

    A configuration that is there is kept beside, or nothing is written. Raises ConfigError, OrderRefused.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    config = load(file, CATALOG, text=text, secrets_required=False)
    if file.exists() and not replaces:
        raise OrderRefused(f"{file} {_THERE}")
    secrets = file.parent / ".env"
    for name, secret in given.items():
        env.put(secrets, name, secret)
    for name in [one for one in env.asked_for(text) if not env.is_set(secrets, one)]:
        env.put(secrets, name, made(name))
    file.with_name(SCHEMA).write_text(json.dumps(json_schema(CATALOG), indent=2) + "\n", "utf-8")
    before = None
    if file.exists():
        numbered = (file.with_suffix(f".before-{n}.yaml") for n in itertools.count(1))
        before = next(one for one in numbered if not one.exists())
        file.replace(before)
    # Last, and at once: where there is a configuration, all that it needs is there.
    draft = file.with_suffix(".draft.yaml")
    draft.write_text(text, "utf-8")
    try:
        os.link(draft, file)  # which never takes another's place
    except FileExistsError as error:
        raise OrderRefused(f"{file} {_THERE}") from error
    finally:
        draft.unlink()
    return Written(config, before, [one for one in env.asked_for(text) if not env.is_set(secrets, one)])


def made(name: str) -> str:
    """Make the secret that is ours to make: the portal's webhook is registered with it. Others are the services'."""
    upkeep = CATALOG.connectors["docspace"].upkeep
    return upkeep.secret() if name == WEBHOOK_SECRET and upkeep is not None else ""
