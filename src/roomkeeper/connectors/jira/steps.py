"""`note_on_ticket` for Jira: the comment, and a link beside the issue that a repetition only updates."""

from roomkeeper.connectors.jira.client import JiraClient
from roomkeeper.contract.step import StepContext, StepKind
from roomkeeper.errors import Forbidden, NotFound, Rejected
from roomkeeper.vendors.notes import URL, Noted, NoteOnTicket, note_on_ticket, write_on_ticket

_WITHOUT_LINK = note_on_ticket("jira")


async def _apply(params: NoteOnTicket, context: StepContext) -> Noted:
    """Write the comment, then the link to its first address. Raises StepFailed."""
    noted = await write_on_ticket(params, context)
    address = URL.search(params.text)
    jira: JiraClient = context.client
    if address is not None:
        name = f"roomkeeper&id={noted.marker.rpartition('-')[2]}"
        title = params.text.strip().splitlines()[0].replace(address[0], "").strip(" :") or "DocSpace"

        async def link() -> None:
            await jira.link_ticket(noted.subject, url=address[0], title=title[:255], name=name)

        try:
            await context.call(link)
        except (
            Forbidden,
            NotFound,
            Rejected,
        ) as error:  # issue linking may be switched off; the comment has the address
            return noted.model_copy(update={"because": f"the link beside the issue was refused: {error.message}"})
    return noted


NOTE_ON_TICKET = StepKind(
    name=_WITHOUT_LINK.name,
    summary=_WITHOUT_LINK.summary,
    params=_WITHOUT_LINK.params,
    result=_WITHOUT_LINK.result,
    plan=_WITHOUT_LINK.plan,
    apply=_apply,
    connection_type="jira",
)
