"""`init`: from an address and a key to a configuration that works."""

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from roomkeeper.automations.address import listening
from roomkeeper.cli.options import USAGE
from roomkeeper.cli.printing import PROGRAM, err, escaped, out, stop
from roomkeeper.cli.webhooks import webhooks_register
from roomkeeper.configuration import env
from roomkeeper.connectors import CATALOG
from roomkeeper.contract.instruction import followed
from roomkeeper.contract.naming import called
from roomkeeper.docspace.models import Folder
from roomkeeper.docspace.wire import portal_address
from roomkeeper.errors import Forbidden, RemoteError, RoomkeeperError, ScopeMissing, Unauthorized
from roomkeeper.setup import asking
from roomkeeper.setup.asking import MAKE_A_KEY, Seen, is_address
from roomkeeper.setup.choices import ADMIN, ADMIN_SECRET, API_KEY, JOBS, Job, Room, Service, Setup, yaml_of
from roomkeeper.setup.offered import CRMS, HELPDESKS
from roomkeeper.setup.written import write
from roomkeeper.web.passwords import hashed

_SHOWN = 20  # rooms that are listed to pick from


def init(
    folder: Annotated[Path, typer.Argument(help="Where to write roomkeeper.yaml and .env.")] = Path(),
    url: Annotated[str | None, typer.Option(help="The portal's address.")] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help=f"A file that holds the API key; or set {API_KEY}.", metavar="FILE")
    ] = None,
    job: Annotated[list[str] | None, typer.Option(help=f"What to do: {', '.join(JOBS)}; may be repeated.")] = None,
    client: Annotated[str | None, typer.Option("--from", help="copy: the room clients upload to, id or title.")] = None,
    internal: Annotated[str | None, typer.Option("--to", help="copy: the room that gets the copies.")] = None,
    archive: Annotated[str | None, typer.Option("--archive", help="archive: the room that holds the archive.")] = None,
    crm: Annotated[str | None, typer.Option(help=f"archive: {', '.join(CRMS)}.")] = None,
    crm_url: Annotated[str, typer.Option(help="archive: the CRM's address.")] = "",
    helpdesk: Annotated[str | None, typer.Option(help=f"rooms: {', '.join(HELPDESKS)}.")] = None,
    helpdesk_url: Annotated[str, typer.Option(help="rooms: the helpdesk's address.")] = "",
    helpdesk_email: Annotated[str, typer.Option(help="rooms: the e-mail address of its agent.")] = "",
    invite: Annotated[
        list[str] | None,
        typer.Option(help="rooms: a group of the portal, or an e-mail address, to invite; may be repeated."),
    ] = None,
    public_url: Annotated[str | None, typer.Option(help="How the portal reaches this machine.")] = None,
    poll: Annotated[bool, typer.Option("--poll", help="Ask for events; no address of ours is needed.")] = False,
    listen: Annotated[str | None, typer.Option(help="Address and port to listen on.")] = None,
    register: Annotated[bool | None, typer.Option(help="Register the webhook now.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a roomkeeper.yaml that is there.")] = False,
) -> None:
    """Write a first configuration: asks what is not said by a flag, checks the key, lets you pick rooms by name."""
    file = folder / "roomkeeper.yaml"
    _may_be_written(file, listen, force=force)
    url, secret, seen = _let_in(url, api_key_file)
    out.print(f"[green]The key works[/green]: {escaped(seen.said)}.")
    jobs = _jobs(job)
    _all_of_use(
        jobs,
        copy={"--from": client, "--to": internal},
        archive={"--archive": archive, "--crm": crm, "--crm-url": crm_url},
        rooms={
            "--helpdesk": helpdesk,
            "--helpdesk-url": helpdesk_url,
            "--helpdesk-email": helpdesk_email,
            "--invite": invite,
        },
    )
    if not seen.rooms and jobs != ["rooms"]:
        stop(f"{seen.who} sees no room", "Invite this account into the rooms first, as room manager.", USAGE)
    if public_url is None and not poll:
        public_url = _public_url()
    elif public_url is not None:
        public_url = _address(public_url, "The public address", "--public-url")
    sales = CRMS[_one_of(crm, "Which CRM", list(CRMS), "--crm")] if "archive" in jobs else None
    support = HELPDESKS[_one_of(helpdesk, "Which helpdesk", list(HELPDESKS), "--helpdesk")] if "rooms" in jobs else None
    if sales is not None and sales.needs_address:
        crm_url = _address(crm_url or None, f"The address of {sales.type}", "--crm-url")
    if support is not None and support.needs_address:
        helpdesk_url = _address(helpdesk_url or None, f"The address of {support.type}", "--helpdesk-url")
    if support is not None and support.needs_email:
        who = f"The e-mail address of the agent at {support.type}"
        helpdesk_email = helpdesk_email or _asked(who, "--helpdesk-email")
    given = _examples([one for one in (sales, support) if one is not None])
    invited = _invited(url, secret, invite) if "rooms" in jobs else []
    picked = _Picking(seen.rooms)
    setup = Setup(
        url=url,
        listen=listen or _listening(public_url),
        public_url=public_url.rstrip("/") if public_url else None,
        jobs=jobs,
        client=picked.room(client, "The room that clients upload to", "--from") if "copy" in jobs else None,
        internal=picked.room(internal, "The room that gets the copies", "--to") if "copy" in jobs else None,
        archive=picked.room(archive, "The room that holds the archive", "--archive") if "archive" in jobs else None,
        crm=sales,
        crm_url=crm_url,
        helpdesk=support,
        helpdesk_url=helpdesk_url,
        email=helpdesk_email,
        invited=invited,
        given=given,
    )
    if setup.client is not None and setup.client == setup.internal:
        stop(f"{setup.client.title!r} is both the source and the target", "Choose two different rooms.", USAGE)
    missing = _write(file, setup, secret)
    _say_next(file, setup, missing)
    if setup.public_url is not None and not missing and _wants_registration(register):
        _register(file)


def _may_be_written(file: Path, listen: str | None, *, force: bool) -> None:
    """Refuse, before anything is asked, what could not be written at the end."""
    if file.exists() and not force:
        stop(f"{file} is there already", "Edit it, choose another folder, or give --force to replace it.", USAGE)
    if listen is not None and listening(listen) is None:
        stop(f"--listen {listen} is not an address and a port", "Write it as 127.0.0.1:8080.", USAGE)


def _examples(services: Sequence[Service]) -> dict[tuple[str, str], str]:
    """Ask for what stands in a service's settings as an example; where nobody can be asked, that stays."""
    asked = [(one.type, name, about) for one in services for name, about in one.examples.items()]
    if not sys.stdin.isatty():
        return {}
    return {(type_, name): _asked(f"{type_}: {name} ({about})", "") for type_, name, about in asked}


def _invited(url: str, secret: str, given: Sequence[str] | None) -> list[str]:
    """Say who is invited into new rooms, as the portal writes its groups: without anybody, nobody could enter them."""
    groups = asyncio.run(asking.groups(url, secret))
    if groups is None:
        err.print("The key may not list the portal's groups (accounts:read), so names of groups are taken as they are.")
    while True:
        words = list(given) if given else _several("Who works in such rooms? Groups, or e-mail addresses", "--invite")
        wrong = [one for one in words if "@" not in one and groups is not None and one.casefold() not in groups]
        if words and not wrong:
            return [one if "@" in one else (groups or {}).get(one.casefold(), one) for one in words]
        what = f"There is no group {', '.join(map(repr, wrong))} on the portal" if wrong else "Nobody could enter them"
        remedy = f"There is: {', '.join((groups or {}).values()) or 'none'}. Or give e-mail addresses."
        if given:
            stop(f"--invite: {what}", remedy, USAGE)
        err.print(f"[red]{escaped(what)}[/red]. {escaped(remedy)}")


def _several(question: str, flag: str) -> list[str]:
    return [part for one in _asked(f"{question} (several with commas)", flag).split(",") if (part := one.strip())]


def _address(given: str | None, question: str, flag: str) -> str:
    """Take an address; at a terminal one that is none is asked for again. What may be a key is not repeated."""
    while True:
        said = given if given is not None else _asked(question, flag)
        if is_address(said):
            return said.rstrip("/")
        what = "this looks like a key" if said.startswith("sk-") else f"{said!r} is not an address"
        remedy = "Write it with https:// (or http:// on your own network), and without a user in it."
        if given is not None:
            stop(f"{flag}: {what}", remedy, USAGE)
        err.print(f"[red]{escaped(what)}[/red]. {remedy}")


def _listening(public_url: str | None) -> str:
    """Say where to listen: where a public address on this very machine points to, else the usual port."""
    parts = urlsplit(public_url or "")
    is_here = parts.hostname in {"127.0.0.1", "localhost"} and parts.port is not None
    return f"127.0.0.1:{parts.port if is_here else 8080}"


def _let_in(given: str | None, file: Path | None) -> tuple[str, str, Seen]:
    """Take the address and the key, and try them; what was typed at a terminal may be typed again."""
    url, secret = _portal_s(given), _key(file)
    while True:
        try:
            return url, secret, asyncio.run(asking.look(url, secret))
        except RemoteError as error:
            is_the_key = isinstance(error, Unauthorized | Forbidden | ScopeMissing)
            was_typed = not (file or os.environ.get(API_KEY)) if is_the_key else given is None
            if not was_typed:
                raise
            err.print(f"[red]{escaped(error.message)}[/red]. {escaped(error.remedy)}")
        if is_the_key:
            secret = _key(file)
        else:
            url = _portal_s(given)


def _portal_s(given: str | None) -> str:
    return portal_address(_address(given, "The portal's address, such as https://acme.onlyoffice.com", "--url"))


def _all_of_use(jobs: Sequence[Job], **flags: Mapping[str, object]) -> None:
    """Refuse what is said about a job that is not to be done: it would be forgotten without a word."""
    for job, said in flags.items():
        if job not in jobs and (named := [flag for flag, value in said.items() if value]):
            what = (
                f"{' and '.join(named)} belong{'s' if len(named) == 1 else ''} to the job {job!r}, which was not chosen"
            )
            stop(what, f"Add --job {job}; or leave out {' and '.join(named)}.", USAGE)


def _key(file: Path | None) -> str:
    """Take the API key from where it does not show: a file, the environment, or a question without an echo.

    At a terminal what can be no key is asked for again.
    """
    if file is not None:
        if str(file).startswith("sk-"):
            stop("--api-key-file wants a file, and got what looks like the key itself", "Write it into a file.", USAGE)
        try:
            found = file.read_text("utf-8-sig").strip()
        except (OSError, ValueError) as error:
            stop(f"{file} cannot be read: {error}", "Give a file that holds the key, and nothing else.", USAGE)
    else:
        found = os.environ.get(API_KEY, "").strip()
    remedy = f"It begins with sk- and has letters and digits. {MAKE_A_KEY}"
    if file is None and not found:
        instead = f"{API_KEY} in the environment, or --api-key-file"
        while not asking.may_be_key(found := _asked("The API key (it is not shown)", instead, hidden=True)):
            err.print(f"[red]That is no API key[/red]. {escaped(remedy)}")
    if not asking.may_be_key(found):
        stop("That is no API key", remedy, USAGE)
    return found


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
            fitting = called(self._rooms, given, asking.same_stored_title)
            if len(fitting) == 1:
                return Room(fitting[0].id, fitting[0].title)
            listed = fitting or self._rooms[:_SHOWN]
            seen = ", ".join(f"{one.id} {one.title!r}" for one in listed)
            what = f"{flag} {given!r} means {'several rooms' if fitting else 'no room that this account sees'}"
            stop(what, f"Give one of: {seen}; or invite the account into the room that is meant.", USAGE)
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
            fitting = called(self._rooms, word, asking.same_stored_title)
            if len(fitting) == 1:
                return Room(fitting[0].id, fitting[0].title)
            err.print("Several fit." if fitting else "No room fits.")
            shown = fitting[:_SHOWN] or list(self._rooms[:_SHOWN])


def _public_url() -> str | None:
    if not sys.stdin.isatty():
        stop("It is not said how events arrive", "Give --public-url https://…, or --poll.", USAGE)
    out.print("How does the portal reach this machine? With nothing here, Roomkeeper asks for events itself.")
    while True:
        said = typer.prompt("Public address (https://…), or just Enter", default="", show_default=False).strip()
        if not said or is_address(said):
            return said.rstrip("/") or None
        err.print(f"[red]{escaped(said)} is not an address[/red]: it begins with https://.")


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
    """Write the configuration and the secrets; gives those to be filled in."""
    given = {API_KEY: secret}
    if ADMIN_SECRET not in env.known(file.parent / ".env"):
        given[ADMIN_SECRET] = hashed(password := secrets.token_urlsafe(12))
        out.print(
            f"The pages will be at http://{escaped(setup.listen)}: log in as [bold]{ADMIN}[/bold], with the password"
        )
        out.print(f"  [bold]{escaped(password)}[/bold]")
        out.print("It is shown this once, and only its hash is kept; `roomkeeper password` makes another.")
    written = write(file, yaml_of(setup), given, replaces=True)
    if written.before is not None:
        out.print(f"What was there is in {escaped(str(written.before))}.")
    where = escaped(str(file.parent / ".env"))
    out.print(f"[green]Written[/green]: {escaped(str(file))}, and {where} with the secrets (mode 600).")
    return written.missing


def _say_next(file: Path, setup: Setup, missing: Sequence[str]) -> None:
    where = "" if file.parent == Path() else f" -c {file}"
    steps = []
    for service in (setup.crm, setup.helpdesk):
        if service is not None:
            _tell_of(service, service.hook(setup.public_url, setup.listen))
    if missing:
        steps.append(f"Fill in {', '.join(missing)} in {file.parent / '.env'}, as is said above.")
    steps.append(f"{PROGRAM} serve{where}      runs it; leave it running, and go on in another terminal")
    if setup.public_url is not None:
        steps.append(f"{PROGRAM} webhooks register{where}      tells the portal where to deliver to")
    steps.append(f"{PROGRAM} doctor{where}      tries everything, and says what is missing")
    if "copy" in setup.jobs and setup.client is not None:
        steps.append(f"Upload a file into {setup.client.title!r}; {PROGRAM} runs list{where} shows what became of it.")
    out.print("\n[bold]Next:[/bold]")
    for at, one in enumerate(steps, start=1):
        out.print(f"  {at}. {escaped(one)}")


def _tell_of(service: Service, hook: str | None) -> None:
    """Tell what is to be done at a service, as its page does."""
    connector = CATALOG.connectors[service.type]
    out.print(f"\n[bold]{escaped(connector.name)}:[/bold]")
    for at, one in enumerate(followed(connector.instructions, hook), start=1):
        out.print(f"  {at}. {escaped(one.title)}: {escaped(one.text)}")
        if one.paste:
            out.print(escaped(one.paste), soft_wrap=True)


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
