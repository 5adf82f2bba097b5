"""`reload`: have what runs take over the file as it is now."""

from typing import Annotated, Any

import typer

from roomkeeper.cli.options import DEFAULT, FAILED, AsJson, ConfigFile, caller, loaded_for_reading, store_of
from roomkeeper.cli.printing import err, escaped, out, print_json
from roomkeeper.outside import one_line
from roomkeeper.store import services, texts

_WHY = Annotated[str, typer.Option(help="Why, for those who read the list of versions.")]
_WITHIN = 120.0  # seconds: steps that cannot be interrupted come to their end first


def reload(config: ConfigFile = DEFAULT, why: _WHY = "", as_json: AsJson = False) -> None:
    """Have the running services take over the file and its `.env` as they are now; nothing is missed meanwhile."""
    loaded = loaded_for_reading(config)  # what is wrong with it is said here, and no service is bothered
    store, why = store_of(loaded), one_line(why)
    kept = texts.keep(store, loaded.text, by=caller(), why=why) if why else None
    ordered_at = services.order(store, caller(), why=why)
    told = [_told(one, loaded.digest, ordered_at) for one in services.settled(store, ordered_at, _WITHIN)]
    if as_json:
        print_json(told)
    elif not told:
        out.print("No service runs on this store: the next `roomkeeper serve` reads the file.")
    for one in [] if as_json else told:
        (out if one["took_over"] else err).print(escaped(f"{one['service']} ({one['role']}): {one['said']}"))
    if not services.is_run(store, loaded.digest):
        texts.forget(store, kept)
    if not all(one["took_over"] for one in told):
        raise typer.Exit(FAILED)


def _told(row: Any, digest: str, ordered_at: float) -> dict[str, Any]:  # noqa: ANN401 - a row of `services`
    took_over = row.settled_at >= ordered_at and not row.trouble and row.text == digest
    if took_over:
        said = "took over the file"
    elif row.settled_at < ordered_at:
        said = f"has not answered for {_WITHIN:.0f} s; its log says what keeps it"
    elif row.trouble:
        said = f"goes on as it was: {row.trouble}"
    else:
        said = "took over another text: is it started with this file?"
    return {"service": row.name, "role": row.role, "took_over": took_over, "said": said}
