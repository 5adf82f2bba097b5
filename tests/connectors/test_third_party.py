"""Folders of third-party storage, which no listing shows below the first level (ThirdPartyFileDao.cs)."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from roomkeeper.connectors.docspace.files import copying
from roomkeeper.connectors.docspace.files.tree import below
from roomkeeper.docspace import Budget, File, Limits, Portal
from roomkeeper.docspace.budget import LocalTally

FOLDERS = {"sbox-1": ["sbox-1-|Sub"], "sbox-1-|Sub": ["sbox-1-|Sub|Deep"], "sbox-1-|Sub|Deep": []}
FILES = {"sbox-1": ["a.txt"], "sbox-1-|Sub": ["b.txt", "c.txt"], "sbox-1-|Sub|Deep": ["d.txt"]}


class Context:
    """As much of a step's context as a look needs."""

    def __init__(self, client: Portal) -> None:
        self.client = client

    async def call(self, make: Callable[[], Awaitable[Any]]) -> Any:
        return await make()

    async def progress(self, text: str) -> None:
        pass


async def listed(request: Request) -> JSONResponse:
    """Show what lies directly in a folder, whatever is asked for, and count nothing in it."""
    folder = unquote(request.path_params["folder"])
    files = [{"id": f"{folder}|{name}", "title": name, "folderId": folder} for name in FILES[folder]]
    folders = [{"id": one, "title": one, "parentId": folder, "filesCount": 0} for one in FOLDERS[folder]]
    here = {"files": files, "folders": folders, "current": {"id": folder, "title": folder, "filesCount": 0}}
    return JSONResponse({"response": here | {"total": len(files) + len(folders), "count": len(files) + len(folders)}})


async def test_every_level_is_walked() -> None:
    app = Starlette(routes=[Route("/api/2.0/files/{folder:path}", listed)])
    transport = httpx2.ASGITransport(app=app)
    context: Any = Context(Portal("http://portal", "k", budget=Budget(Limits(), LocalTally()), transport=transport))

    tree = await below(context, "sbox-1")

    assert sorted(file.title for file in tree.files.values()) == ["a.txt", "b.txt", "c.txt", "d.txt"]
    assert tree.folders.keys() == {"sbox-1-|Sub", "sbox-1-|Sub|Deep"}
    assert tree.hidden == 0


@pytest.mark.parametrize(("id_", "is_ours"), [("sbox-1-|a.txt", True), (7, False)])
def test_there_who_made_a_copy_is_not_told(id_: int | str, is_ours: bool) -> None:
    """All is shown as the storage owner's (ThirdPartyProviderDao.cs)."""
    made = File.of({"id": id_, "title": "a.txt", "createdBy": {"id": "somebody"}})

    assert copying.may_be_by(made, "me", []) is is_ours
