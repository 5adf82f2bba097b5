"""What an event says of the file, folder or room that it is about, whoever told of it: a delivery or a record. Pure."""

from typing import Any

from roomkeeper.docspace.titles import extension

_WITH_ENDING = frozenset({"file", "form"})


def of_entry(noun: str, number: object, title: str | None, folder: object, **more: object) -> dict[str, Any]:
    """Give its fields, as far as they are known: `folder` is the one that it lies in, of a room the room itself."""
    told = {"id": number, "title": title, "folder": folder if isinstance(folder, int | str) else None, **more}
    if noun in _WITH_ENDING and title is not None:
        told["extension"] = extension(title)
    return {name: value for name, value in told.items() if value is not None}
