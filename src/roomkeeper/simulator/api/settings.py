"""What the portal says of itself: version, policies, quota, audit (recorded: settings.version, quota.usage,
audit.events)."""

import re
from collections.abc import Callable, Sequence
from typing import Any

from roomkeeper.simulator import dto
from roomkeeper.simulator.api.request import Api, Reply, Routes
from roomkeeper.simulator.history import ACTIONS, Entry
from roomkeeper.simulator.problems import unauthorised
from roomkeeper.simulator.world import ARCHIVE_ROOT, TRASH_ROOT

VERSION = "3.7.2"
NOBODY = "00000000-0000-0000-0000-000000000000"
LONG_AGO = "0001-01-01T00:00:00.0000000Z"
#: The expressions behind the password policy.
EXPRESSIONS = {
    "allowedCharactersRegexStr": "[\\x21-\\x7E]",
    "digitsRegexStr": "(?=.*\\d)",
    "upperCaseRegexStr": "(?=.*[A-Z])",
    "specSymbolsRegexStr": "(?=.*[\\x21-\\x2F\\x3A-\\x40\\x5B-\\x60\\x7B-\\x7E])",
}
SHOWN_TO_ANYBODY: dict[str, Any] = {  # recorded: settings.version
    "trustedDomainsType": 0,
    "culture": "en-US",
    "utcOffset": "00:00:00",
    "utcHoursOffset": 0,
    "greetingSettings": "Web Office",
    "ownerId": NOBODY,
    "enabledJoin": False,
    "enableAdmMess": False,
    "thirdpartyEnable": False,
    "docSpace": True,
    "standalone": True,
    "isAmi": False,
    "baseDomain": "localhost",
    "passwordHash": {"size": 256, "iterations": 100000, "salt": "00"},
    "version": VERSION,
    "recaptchaType": 0,
    "recaptchaPublicKey": "",
    "debugInfo": False,
    "tenantStatus": 0,
    "tenantAlias": "localhost",
    "displayAbout": True,
    "cookieSettingsEnabled": False,
    "limitedAccessSpace": False,
    "limitedAccessDevToolsForUsers": False,
    "displayBanners": False,
    "userNameRegex": "^[\\p{L}\\p{M}' \\-]+$",
    "maxImageUploadSize": 25 * 1024 * 1024,
    "deepLink": {},
    "logoText": "ONLYOFFICE",
    "externalResources": {},
    "externalDbEnabled": False,
    "aiEnabled": False,
    "defaultFolderType": 0,
}
SHOWN_TO_PEOPLE: dict[str, Any] = {  # recorded: settings.version
    "timezone": "UTC",
    "trustedDomains": [],
    "nameSchemaId": "Common",
    "firebase": {"apiKey": "", "projectId": ""},
    "debugInfo": True,
    "socketUrl": "/socket.io",
    "domainValidator": {"regex": "", "minLength": 3, "maxLength": 63},
}


def portal_settings(api: Api) -> Any:
    now = {"tenantStatus": api.portal.tenant_status}
    if api.user is api.world.anonymous:
        return SHOWN_TO_ANYBODY | now
    kept = {"passwordHash", "enabledJoin", "thirdpartyEnable", "recaptchaPublicKey"}
    shown = {name: value for name, value in SHOWN_TO_ANYBODY.items() if name not in kept}
    return shown | SHOWN_TO_PEOPLE | {"ownerId": api.world.owner.id} | now


def password_policy(api: Api) -> Any:
    return api.portal.webhooks.policy | EXPRESSIONS


def used_space(api: Api) -> Any:
    _for_administrators(api)
    world = api.world
    roots = {"trashUsedSpace": ("Trash", TRASH_ROOT), "archiveUsedSpace": ("Archive", ARCHIVE_ROOT)}
    out = {name: {"title": title, "usedSpace": world.used(kind)} for name, (title, kind) in roots.items()}
    return out | {"roomsUsedSpace": {"title": "Rooms", "usedSpace": world.used(world.rooms_root.kind)}}


def users_count(api: Api) -> Any:
    _for_administrators(api)
    return len(api.world.users)


def quota(api: Api) -> Any:
    _for_administrators(api)
    most = 2**31 - 1
    counts = {"countUser": most, "countRoomAdmin": most, "usersInRoom": most, "countRoom": api.world.room_limit or most}
    return {
        "tenantId": -1,
        "name": "default",
        "price": 0.0,
        "maxFileSize": 100 * 1024**3,
        "maxTotalSize": api.world.space_limit or 2**63 - 1,
        "audit": api.world.has_audit,
    } | counts


def audit_events(api: Api) -> Any:
    """Newest first; without the audit in the tariff the last twenty, whatever is asked (SecurityController.cs)."""
    _for_administrators(api)
    newest = _page(api, api.portal.history.entries)
    shown = [
        {
            "id": one.id,
            "date": dto.moment(one.at),
            "user": one.actor.name,
            "userId": one.actor.id,
            "action": _said(one),
            "actionId": ACTIONS[one.action],
            "ip": "127.0.0.1",
            "country": "",
            "city": "",
            "browser": "Other",
            "platform": "Other",
            "page": "",
            "actionType": 1,
            "product": 2,
            "location": 27,
            "target": [str(one.data.get("id", ""))],
            "entries": [],
            "context": _where(api, one),
        }
        for one in newest
    ]
    return Reply(shown)


def _said(entry: Entry) -> str:
    """Say it as the portal does: `File Uploaded: a.docx` (recorded: audit.events)."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", entry.action)
    title = entry.data.get("title") or entry.data.get("newTitle")
    return f"{words}: {title}" if title and entry.action.startswith(("File", "Folder")) else words


def _where(api: Api, entry: Entry) -> str:
    """Name the room: `Rooms: Acme` (recorded: audit.events)."""
    above = [api.world.folders[one] for one in entry.folders if one in api.world.folders]
    return next((f"Rooms: {one.title}" for one in above if one.room_type is not None), "")


def login_events(api: Api) -> Any:
    """Newest first, cut into pages before anything is filtered (LoginEventsRepository.cs)."""
    _for_administrators(api)
    shown = [
        {
            "id": number,
            "date": dto.moment(at),
            "user": user.name,
            "userId": user.id,
            "action": "Successful Login via API",
            "actionId": 1010,  # recorded: audit.events
            "ip": "127.0.0.1",
        }
        for number, user, at in _page(api, api.world.logins)
    ]
    return Reply(shown)


def _page(api: Api, entries: Sequence[Any]) -> Sequence[Any]:
    if not api.world.has_audit:
        return entries[::-1][:20]
    count, start = api.number("count", 100, most=100), api.number("startIndex", 0)
    return entries[::-1][start : start + count]


def _for_administrators(api: Api) -> None:
    if not api.user.is_admin:
        raise unauthorised()


def said(answer: Any, *, to_administrators: bool = False, count: int | None = None) -> Callable[[Api], Any]:
    """What is always the same, for everybody or for administrators."""

    def saying(api: Api) -> Any:
        if to_administrators:
            _for_administrators(api)
        return Reply(answer, count=count)

    return saying


capabilities = said({"ldapEnabled": False, "providers": [], "ssoLabel": "", "oauthEnabled": True, "ssoUrl": ""})
build_version = said({"docSpace": VERSION, "documentServer": "9.0.4"})
invitation_settings = said({"allowInvitingMembers": True, "allowInvitingGuests": True})
cultures = said(["de", "en-GB", "en-US", "es", "fr", "it", "ja-JP", "pt-BR", "zh-CN"])
# recorded: settings.version
file_settings = said({"extsImagePreviewed": [".png"], "extsWebPreviewed": [".docx"], "chunkUploadSize": 10 * 1024**2})
# recorded: quota.usage
tariff = {"openSource": True, "enterprise": False, "developer": False, "id": 0, "state": 1, "dueDate": LONG_AGO}
PORTAL = {  # recorded: settings.version
    "tenantAlias": "localhost",
    "tenantId": 1,
    "language": "en-US",
    "name": "Web Office",
    "status": 0,
    "timeZone": "UTC",
}

ROUTES: Routes = [  # recorded: settings.version, envelope.anonymous
    ("GET", "/settings", portal_settings, "*"),
    ("GET", "/settings/version/build", build_version, ""),
    ("GET", "/capabilities", capabilities, ""),
    ("GET", "/settings/invitationsettings", invitation_settings, ""),
    ("GET", "/settings/cultures", cultures, ""),
    ("GET", "/files/settings", file_settings, ""),
    ("GET", "/settings/security/password", password_policy, ""),
    ("GET", "/settings/devtoolsaccess", said({"limitedAccessForUsers": False}), "*"),
    ("GET", "/portal", said(PORTAL), "*"),
    ("GET", "/portal/tariff", said(tariff), "*"),
    ("GET", "/modules", said([""]), "*"),
    ("GET", "/portal/quota", quota, "*"),
    ("GET", "/portal/quota/right", said(None, to_administrators=True, count=0), "*"),
    ("GET", "/portal/usedspace", said(0, to_administrators=True), "*"),
    ("GET", "/portal/userscount", users_count, "*"),
    ("GET", "/files/filesusedspace", used_space, "*"),
    (
        "GET",
        "/settings/userquotasettings",
        said({"enableQuota": False, "defaultQuota": -2}, to_administrators=True),
        "*",
    ),
    ("GET", "/settings/statistics/spaceusage/{id}", said([], to_administrators=True), "*"),
    ("GET", "/security/audit/events/last", audit_events, "*"),
    ("GET", "/security/audit/events/filter", audit_events, "*"),
    ("GET", "/security/audit/login/filter", login_events, "*"),
    ("GET", "/security/audit/login/last", said([], to_administrators=True), "*"),
    ("GET", "/security/audit/types", said({"actions": sorted(ACTIONS)}, to_administrators=True), "*"),
    ("GET", "/security/audit/settings/lifetime", said({"auditTrailLifeTime": 180}, to_administrators=True), "*"),
]
ANONYMOUS = {portal_settings, build_version, capabilities, invitation_settings, cultures, file_settings}
