"""Recipes: what is tested and can be used at once, with one's own rooms put in."""

import asyncio
from collections.abc import Mapping, Sequence

from starlette.requests import Request

from roomkeeper.configuration import recipes
from roomkeeper.configuration.recipes import Open, Recipe
from roomkeeper.contract.catalog import NamedRoom
from roomkeeper.contract.instruction import followed
from roomkeeper.contract.naming import one_called, written
from roomkeeper.errors import NotThere, OrderRefused, RemoteError
from roomkeeper.outside import one_line
from roomkeeper.web.access import Who
from roomkeeper.web.desk import Desk
from roomkeeper.web.pages import configuration
from roomkeeper.web.rendering import Shown

_NO_ROOMS = "The rooms cannot be listed, so nothing was changed: {}"


async def index(request: Request, _desk: Desk, _who: Who) -> Shown:
    """List them, or those that have a word in them."""
    word = one_line(request.query_params.get("word", ""))
    groups: dict[str, list[Recipe]] = {}
    for recipe in recipes.all_of_them().values():
        if word.casefold() in recipe.text.casefold():
            groups.setdefault(recipe.group, []).append(recipe)
    return Shown("Recipes", "recipes.html", {"groups": groups, "word": word}, is_live=False)


async def one(request: Request, desk: Desk, _who: Who) -> Shown:
    """Show one, and ask for its rooms."""
    recipe = _recipe(request.path_params["name"])
    return await _asked(desk, recipe)


async def use(request: Request, desk: Desk, who: Who, form: Mapping[str, str]) -> Shown | str:
    """Put it into the text of the configuration, which is checked, and published only after that."""
    recipe = _recipe(request.path_params["name"])
    try:
        rooms = await _rooms(desk)
    except RemoteError as error:
        return await _asked(desk, recipe, form, rooms=[], trouble=_NO_ROOMS.format(error.message))
    if len(portals := sorted({room.connection for room in rooms})) > 1:
        what = f"There are several portals ({', '.join(portals)}), and a recipe does not say which one it is for"
        raise OrderRefused(what, remedy="Copy its text into the configuration, with `from:` and `via:` for yours.")
    found, wrong, types = {}, {}, _types(desk)
    for place in recipe.places:
        try:
            room = one_called(rooms, form.get(place.mark, "").strip(), _same_title)
        except LookupError as error:
            wrong[place.mark] = str(error)
        else:
            found[place.mark] = (room.id, room.title)
    texts = {place: given for place in recipe.texts(types) if (given := form.get(place.mark, "").strip())}
    wrong |= {place.mark: why for place, given in texts.items() if (why := place.why_not(given))}
    if wrong:
        return await _asked(desk, recipe, form, wrong, rooms)
    current = await asyncio.to_thread(configuration.in_file, desk.config)
    text = recipes.put_into(current, recipe, found, types, {place.mark: given for place, given in texts.items()})
    return await configuration.order(
        request, desk, who, {"text": text, "base": current, "why": f"recipe {recipe.name}"}
    )


async def _asked(
    desk: Desk,
    recipe: Recipe,
    form: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
    rooms: Sequence[NamedRoom] | None = None,
    *,
    trouble: str = "",
) -> Shown:
    if rooms is None:
        try:
            rooms = await _rooms(desk)
        except RemoteError as error:
            rooms, trouble = [], _NO_ROOMS.format(error.message)
    data = {
        "recipe": recipe,
        "fields": [
            *(_room_field(place, rooms) for place in recipe.places),
            *map(_text_field, recipe.texts(_types(desk))),
        ],
        "filled": form or {},
        "wrong": wrong or {},
        "trouble": trouble,
        "guides": _guides(desk, recipe),
    }
    return Shown(recipe.title, "recipe.html", data, status=422 if wrong else 200, is_live=False)


def _room_field(place: Open, rooms: Sequence[NamedRoom]) -> dict[str, object]:
    label, options = place.about[:1].upper() + place.about[1:], [(written(room), "") for room in rooms]
    return {"name": place.mark, "label": label, "kind": "text", "options": options, "is_needed": True}


def _text_field(place: Open) -> dict[str, object]:
    return {"name": place.mark, "label": f"Instead of {place.mark}", "kind": "text", "hint": place.about}


def _types(desk: Desk) -> dict[str, str]:
    return {name: connection.type for name, connection in desk.config.connections.items()}


def _guides(desk: Desk, recipe: Recipe) -> list[dict[str, object]]:
    """Say what is to be clicked at its services: those that would be added, and those that are there already."""
    types = _types(desk)
    us = "" if desk.config.public_url else "https://…"  # who reads this knows it better than the request does
    return [
        {
            "where": connector.name or type_,
            "instructions": followed(connector.instructions, us + desk.config.hook_of(recipe.called(name, types))),
            "is_there": recipe.instead_of(name, types) is not None,
        }
        for name, type_ in recipe.types.items()
        if (connector := desk.config.catalog.connectors[type_]).instructions
    ]


async def _rooms(desk: Desk) -> list[NamedRoom]:
    """List the rooms that Roomkeeper's accounts see, by title. Raises RemoteError."""
    return sorted(await desk.rooms(), key=lambda room: room.title.casefold())


def _same_title(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _recipe(name: str) -> Recipe:
    found = recipes.all_of_them().get(name)
    if found is None:
        raise NotThere(f"There is no recipe {name!r}", remedy="The page Recipes lists them.")
    return found
