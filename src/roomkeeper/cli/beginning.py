"""`init`: from an address and a key to a configuration that works."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from roomkeeper.automations.config import load
from roomkeeper.cli.options import USAGE
from roomkeeper.cli.printing import err, escaped, out, stop
from roomkeeper.cli.webhooks import add_to_env, ensure_secret, webhooks_register
from roomkeeper.connectors import CATALOG
from roomkeeper.docspace import Budget, Limits, Portal
from roomkeeper.docspace.budget import LocalTally
from roomkeeper.docspace.models import Folder, Key
from roomkeeper.docspace.wire import same_title, sanitise_title
from roomkeeper.errors import Forbidden, RoomkeeperError, Unauthorized
from roomkeeper.setup import CRMS, HELPDESKS, JOBS, Job, Room, Setup, secrets_of, yaml_of

_KEY = "DOCSPACE_API_KEY"
_SHOWN = 20  # rooms that are listed to pick from
_MAKE_ONE = "On the portal: Developer Tools, API keys; best with an account of its own, a room admin in these rooms."


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write roomkeeper.yaml and .env.")] = Path(),
    url: Annotated[str | None, typer.Option(help="The portal's address.")] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help=f"A file that holds the API key; or set {_KEY}.", metavar="FILE")
    ] = None,
    job: Annotated[list[str] | None, typer.Option(help=f"What to do: {', '.join(JOBS)}; may be repeated.")] = None,
    client: Annotated[str | None, typer.Option("--from", help="copy: the room clients upload to, id or title.")] = None,
    internal: Annotated[str | None, typer.Option("--to", help="copy: the room that gets the copies.")] = None,
    archive: Annotated[str | None, typer.Option("--archive", help="archive: the room that holds the archive.")] = None,
    crm: Annotated[str | None, typer.Option(help=f"archive: {', '.join(CRMS)}.")] = None,
    crm_url: Annotated[str, typer.Option(help="archive: the CRM's address.")] = "",
    helpdesk: Annotated[str | None, typer.Option(help=f"rooms: {', '.join(HELPDESKS)}.")] = None,
    helpdesk_url: Annotated[str, typer.Option(help="rooms: the helpdesk's address.")] = "",
    public_url: Annotated[str | None, typer.Option(help="How the portal reaches this machine.")] = None,
    poll: Annotated[bool, typer.Option("--poll", help="Ask for events; no address of ours is needed.")] = False,
    listen: Annotated[str, typer.Option(help="Address and port to listen on.")] = "127.0.0.1:8080",
    register: Annotated[bool | None, typer.Option(help="Register the webhook now.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a roomkeeper.yaml that is there.")] = False,
) -> None:
    """Write a first configuration: asks what is not said by a flag, checks the key, lets you pick rooms by name."""
    file = folder / "roomkeeper.yaml"
    if file.exists() and not force:
        stop(f"{file} is there already", "Edit it, choose another folder, or give --force to replace it.", USAGE)
    url = (url or _asked("The portal's address, such as https://acme.onlyoffice.com", "--url")).rstrip("/")
    secret = _key(api_key_file)
    key, rooms = _looked_at(url, secret)
    who = key.create_by.display_name or key.create_by.id
    out.print(f"[green]The key works[/green]: it acts as {escaped(who)}, who sees {len(rooms)} rooms.")
    jobs = _jobs(job)
    if public_url is None and not poll:
        public_url = _public_url()
    picked = _Picking(rooms)
    setup = Setup(
        url=url,
        listen=listen,
        public_url=public_url.rstrip("/") if public_url else None,
        jobs=jobs,
        client=picked.room(client, "The room that clients upload to", "--from") if "copy" in jobs else None,
        internal=picked.room(internal, "The room that gets the copies", "--to") if "copy" in jobs else None,
        archive=picked.room(archive, "The room that holds the archive", "--archive") if "archive" in jobs else None,
        crm=_one_of(crm, "Which CRM", CRMS, "--crm") if "archive" in jobs else CRMS[0],
        crm_url=crm_url,
        helpdesk=_one_of(helpdesk, "Which helpdesk", HELPDESKS, "--helpdesk") if "rooms" in jobs else HELPDESKS[0],
        helpdesk_url=helpdesk_url,
    )
    missing = _write(file, setup, secret)
    _say_next(file, setup, missing)
    if setup.public_url is not None and not missing and _wants_registration(register):
        _register(file)


def _looked_at(url: str, secret: str) -> tuple[Key, Sequence[Folder]]:
    """Try the key, and list the rooms it sees. Raises RemoteError."""

    async def look() -> tuple[Key, Sequence[Folder]]:
        portal = Portal(url, secret, budget=Budget(Limits(), LocalTally()), timeout=30.0)
        try:
            return await portal.people.key(), await portal.rooms.all()
        finally:
            await portal.close()

    if not url.startswith(("http://", "https://")):
        stop(f"{url!r} is not an address", "Write it with https:// (or http:// on your own network).", USAGE)
    try:
        return asyncio.run(look())
    except (Unauthorized, Forbidden) as error:
        error.remedy = f"Give another key. {_MAKE_ONE}"
        raise
    except RoomkeeperError as error:
        error.remedy = f"Correct the address ({url}), or see that the portal is up; then try again."
        raise


def _key(file: Path | None) -> str:
    """Take the API key from where it does not show: a file, the environment, or a question without an echo."""
    if file is not None:
        try:
            return file.read_text("utf-8").strip()
        except OSError as error:
            stop(f"{file} cannot be read: {error.strerror}", "Give a file that holds the key, and nothing else.", USAGE)
    if found := os.environ.get(_KEY, "").strip():
        return found
    return _asked("The API key (it is not shown)", f"{_KEY} in the environment, or --api-key-file", hidden=True)


def _jobs(given: Sequence[str] | None) -> list[Job]:
    known = {name: name for name in JOBS}
    if given:
        for one in given:
            if one not in known:
                raise typer.BadParameter(f"{one!r} is none of: {', '.join(JOBS)}", param_hint="--job")
        return [name for name in JOBS if name in given]
    _need_a_terminal("--job")
    for at, (name, what) in enumerate(JOBS.items(), start=1):
        out.print(f"  {at}  {name}: {what}")
    while True:
        words = _asked("Which of these, by number or name (several with commas)", "--job").replace(",", " ").split()
        numbered = [_numbered(word) for word in words]
        if numbered and all(one in known for one in numbered):
            return [name for name in JOBS if name in numbered]
        err.print("There are 1, 2 and 3.")


def _numbered(word: str) -> str:
    """Read a job's number as its name."""
    names = list(JOBS)
    return names[int(word) - 1] if word.isdecimal() and 0 < int(word) <= len(names) else word


class _Picking:
    """Rooms are picked by id, by title, or by their number in a list."""

    def __init__(self, rooms: Sequence[Folder]) -> None:
        self._rooms = rooms

    def room(self, given: str | None, question: str, flag: str) -> Room:
        if given is not None:
            fitting = self._fitting(given)
            if len(fitting) == 1:
                return Room(fitting[0].id, fitting[0].title)
            which = ", ".join(f"{one.id} {one.title!r}" for one in fitting) or "none"
            stop(f"{flag} {given!r} should mean one room, and means {which}", "Give the id of one of them.", USAGE)
        _need_a_terminal(flag)
        shown = list(self._rooms[:_SHOWN])
        while True:
            out.print(f"[bold]{question}[/bold]")
            for at, one in enumerate(shown, start=1):
                out.print(f"  {at:2}  {escaped(one.title)} ({one.id})")
            if len(shown) < len(self._rooms):
                out.print(f"  …  {len(self._rooms) - len(shown)} more: type a part of the title")
            word = _asked("Its number in this list, its id, or a part of its title", flag)
            if word.isdecimal() and 0 < int(word) <= len(shown):
                return Room(shown[int(word) - 1].id, shown[int(word) - 1].title)
            fitting = self._fitting(word) or [one for one in self._rooms if word.casefold() in one.title.casefold()]
            if len(fitting) == 1:
                return Room(fitting[0].id, fitting[0].title)
            err.print("Several fit." if fitting else "No room fits.")
            shown = fitting[:_SHOWN] or list(self._rooms[:_SHOWN])

    def _fitting(self, word: str) -> list[Folder]:
        stored = sanitise_title(word)
        return [one for one in self._rooms if word == str(one.id) or same_title(one.title, stored)]


def _public_url() -> str | None:
    if not sys.stdin.isatty():
        stop("It is not said how events arrive", "Give --public-url https://…, or --poll.", USAGE)
    out.print("How does the portal reach this machine? With nothing here, Roomkeeper asks for events itself.")
    return typer.prompt("Public address (https://…), or just Enter", default="", show_default=False) or None


def _one_of(given: str | None, question: str, known: Sequence[str], flag: str) -> str:
    if given is not None and given not in known:
        raise typer.BadParameter(f"{given!r} is none of: {', '.join(known)}", param_hint=flag)
    if given is not None:
        return given
    _need_a_terminal(flag)
    while (word := _asked(f"{question}: {', '.join(known)}", flag)) not in known:
        err.print(f"There is: {', '.join(known)}.")
    return word


def _asked(question: str, flag: str, *, hidden: bool = False) -> str:
    _need_a_terminal(flag)
    return str(typer.prompt(question, hide_input=hidden)).strip()


def _need_a_terminal(flag: str) -> None:
    if not sys.stdin.isatty():
        stop("There is nobody to ask", f"Give {flag}.", USAGE)


def _write(file: Path, setup: Setup, secret: str) -> list[str]:
    """Write the configuration and the secrets; gives those that are still to be filled in."""
    text = yaml_of(setup)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")
    env = file.parent / ".env"
    if env.exists():
        shutil.copy2(env, env.with_suffix(".before"))
        env.unlink()
    add_to_env(env, _KEY, secret)
    if "DOCSPACE_WEBHOOK_SECRET" in secrets_of(text):
        ensure_secret(file, "portal")
    missing = [name for name in secrets_of(text) if name not in {_KEY, "DOCSPACE_WEBHOOK_SECRET"}]
    for name in missing:
        add_to_env(env, name, "")
    load(file, CATALOG, secrets_required=False)
    out.print(f"[green]Written[/green]: {escaped(str(file))}, and {escaped(str(env))} with the secrets (mode 600).")
    return missing


def _say_next(file: Path, setup: Setup, missing: Sequence[str]) -> None:
    where = "" if file.parent == Path() else f" -c {file}"
    steps = []
    if missing:
        steps.append(f"Fill in {', '.join(missing)} in {file.parent / '.env'}; docs/how-to says where to find them.")
    steps.append(f"roomkeeper serve{where}      runs it; leave it running, and go on in another terminal")
    if setup.public_url is not None:
        steps.append(f"roomkeeper webhooks register{where}      tells the portal where to deliver to")
    steps.append(f"roomkeeper doctor{where}      tries everything, and says what is missing")
    if "copy" in setup.jobs and setup.client is not None:
        steps.append(f"Upload a file into {setup.client.title!r}; roomkeeper runs list{where} shows what became of it.")
    out.print("\n[bold]Next:[/bold]")
    for at, one in enumerate(steps, start=1):
        out.print(f"  {at}. {escaped(one)}")


def _wants_registration(given: bool | None) -> bool:
    if given is not None:
        return given
    question = "Is `roomkeeper serve` running already, so that the webhook can be registered now?"
    return sys.stdin.isatty() and typer.confirm(question, default=False)


def _register(file: Path) -> None:
    register: Callable[..., None] = webhooks_register
    try:
        register(None, file, False)
    except RoomkeeperError as error:
        err.print(f"[yellow]The webhook is not registered yet: {escaped(error.message)}[/yellow]")
        err.print(f"    → {escaped(error.remedy)}")
