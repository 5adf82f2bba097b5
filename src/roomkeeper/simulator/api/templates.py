"""Templates of rooms, and rooms made from them: one job on the whole portal at a time (recorded: templates)."""

import asyncio
from typing import Any

from roomkeeper.simulator.api.request import Api, Routes, lacking
from roomkeeper.simulator.api.rooms import LIFETIME, TITLE_LIMIT, made_room
from roomkeeper.simulator.problems import forbidden

SECONDS = 0.3  # a room of the recording took less than the second between two questions (recorded: templates)
WATERMARK = ("additions", "text", "rotate", "imageScale", "imageUrl", "imageHeight", "imageWidth")  # WatermarkDto.cs
NOTHING = "Object reference not set to an instance of an object."


def template_make(api: Api) -> Any:
    room = api.world.folder(api.body.get("roomId"))
    if room is None or not api.world.may_manage(api.user, room):
        raise forbidden()
    title, tags = str(api.body.get("title")), [str(one) for one in api.body.get("tags") or []]
    job: dict[str, Any] = {"templateId": -1, "progress": 0, "error": "", "isCompleted": False}
    api.portal.template_made = job

    async def work() -> None:
        await asyncio.sleep(SECONDS)
        template = api.world.add_template(title, room.room_type or 0, [one.title for one in room.children.values()])
        template.tags, template.created_by = tags, api.user
        template.lifetime, template.watermark = room.lifetime, room.watermark  # CreateRoomTemplateAsync
        job.update(progress=100, isCompleted=True, templateId=template.id)

    api.portal.jobs.add(asyncio.get_running_loop().create_task(work()))
    return dict(job)


def template_made_status(api: Api) -> Any:
    return api.portal.template_made


def room_from_template(api: Api) -> Any:
    """While one runs, another is dropped without a word; whatever is wrong is said only in the status."""
    if "templateId" not in api.body:
        raise lacking("CreateRoomFromTemplateDto", "templateId")
    title = api.title(TITLE_LIMIT, "CreateRoomFromTemplateDto")
    job = api.portal.template_job
    if job is not None and not job["isCompleted"]:
        return dict(job)
    template = api.world.templates.get(int(api.body.get("templateId") or 0))
    tags = [str(one) for one in api.body.get("tags") or []]
    job = {"roomId": -1, "progress": 0, "error": "", "isCompleted": False}
    api.portal.template_job = job

    async def work() -> None:
        await asyncio.sleep(SECONDS / 2)
        if template is None or not api.user.may_manage_rooms:
            job.update(isCompleted=True, error=NOTHING)
            return
        room = made_room(api, title, template.room_type or 0, tags)
        # Of the template's settings these come with it; the others are what was asked for (FileStorageService.cs,
        # CreateRoomFromTemplateAsync, InternalCreateFolderAsync).
        room.is_indexed, room.deny_download = template.is_indexed, template.deny_download
        room.lifetime, room.watermark = _given(api, "lifetime", LIFETIME), _given(api, "watermark", WATERMARK)
        if room.watermark and "://" not in str(room.watermark.get("imageUrl") or "://"):
            room.watermark = None  # it names a file that is gone by now, and that is swallowed (RoomLogoManager.cs)
        room.colour, room.cover = api.body.get("color") or room.colour, api.body.get("cover") or ""
        job.update(roomId=room.id)  # long before it is whole (recorded: templates)
        await asyncio.sleep(SECONDS / 2)
        for one in template.children.values():
            api.world.add_folder(room, one.title, api.user)
        for file in template.contents.values():
            # What cannot be copied is only logged (CreateRoomFromTemplateOperation.cs).
            if api.user.id not in file.restricted:
                api.world.add_file(room, file.title, file.current.content, api.user)
        job.update(progress=100, isCompleted=True)

    api.portal.jobs.add(asyncio.get_running_loop().create_task(work()))
    return dict(job)


def _given(api: Api, name: str, fields: tuple[str, ...]) -> dict[str, Any] | None:
    told = api.body.get(name)
    return {field: told[field] for field in fields if field in told} if told else None


def room_template_status(api: Api) -> Any:
    return api.portal.template_job


ROUTES: Routes = [
    ("POST", "/files/roomtemplate", template_make, "rooms"),
    ("GET", "/files/roomtemplate/status", template_made_status, "rooms"),
    ("POST", "/files/rooms/fromTemplate", room_from_template, "rooms"),
    ("GET", "/files/rooms/fromTemplate/status", room_template_status, "rooms"),
]
