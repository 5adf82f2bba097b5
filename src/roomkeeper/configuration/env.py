"""The `.env` beside the configuration: the secrets, for this user alone."""

import os
import re
from pathlib import Path

from dotenv import dotenv_values, set_key

_LONGEST = 4000  # characters of a secret; keys of services are shorter (ours)
#: What the system, Python and the libraries read from the environment, such as where calls go to.
_OF_THE_SYSTEM = re.compile(
    r"PATH|HOME|SHELL|USER|TZ|TMP|TEMP|TMPDIR|LANG|LC_ALL|NOTIFY_SOCKET|HOSTALIASES|LOCALDOMAIN|RES_OPTIONS|KRB5_CONFIG"
    r"|(HTTP|HTTPS|ALL|NO|FTP)_PROXY|SSL_CERT_FILE|SSL_CERT_DIR|SSLKEYLOGFILE|(REQUESTS|CURL)_CA_BUNDLE|GLIBC_TUNABLES"
    r"|OPENSSL_(CONF|MODULES|ENGINES)|PROMETHEUS_MULTIPROC_DIR|PG(HOST|PORT|USER|DATABASE|SERVICE|SERVICEFILE|OPTIONS)"
    r"|(LD|GCONV|MALLOC|OTEL|DBOS)_\w{1,60}|PYTHON[A-Z]{1,40}"
)
_ASKED_FOR = re.compile(r"!env\s+([^\W\d]\w*)")


def asked_for(text: str) -> list[str]:
    """List the names of the secrets that a configuration asks the environment for, but for those in its comments."""
    said = [line.partition(" #")[0] for line in text.split("\n") if not line.lstrip().startswith("#")]
    return list(dict.fromkeys(name for line in said for name in _ASKED_FOR.findall(line)))


def why_not_named(env: Path, name: str) -> str:
    """Say why no secret can be put in by this name; empty if one can."""
    if not (name.isidentifier() and name.isascii()):
        return "A name has letters, digits and _, and begins with no digit, such as HUBSPOT_TOKEN."
    if _OF_THE_SYSTEM.fullmatch(name.upper()):
        return f"{name} is no secret: programs read it, and do otherwise by it. Take another name for the secret."
    if is_outside(env, name):
        return f"The service has {name} from its environment, which goes before the file: change it there."
    return ""


def why_not(secret: str) -> str:
    """Say why this cannot be put in; empty if it can."""
    if not secret:
        return "It is empty."
    if len(secret) > _LONGEST or not secret.isprintable():
        return f"It is one line of at most {_LONGEST:,} characters."
    return ""


def is_outside(env: Path, name: str) -> bool:
    """Whether the service has it from elsewhere; what the file says is in its environment, too."""
    return bool(os.environ.get(name)) and os.environ.get(name) != known(env).get(name)


def put(env: Path, name: str, secret: str) -> None:
    """Set a secret in a file of them; it is readable for this user alone before anything stands in it."""
    if not env.exists():
        os.close(os.open(env, os.O_WRONLY | os.O_CREAT, 0o600))
    env.chmod(0o600)
    set_key(env, name, secret, quote_mode="auto")
    env.chmod(0o600)


def is_set(env: Path, name: str) -> bool:
    """Whether a secret is there: in the environment, or in the file."""
    return bool(os.environ.get(name)) or name in known(env)


def known(env: Path) -> dict[str, str]:
    """Give the secrets that are in it and are not empty."""
    return {name: value for name, value in dotenv_values(env, interpolate=False).items() if value}
