"""What an administrator of Zendesk does there. The paths are from `facts/vendors.md`, 1, and Zendesk's own pages."""

from roomkeeper.contract.instruction import Instruction

_BODY = """\
{
 "ticket_id": "{{ticket.id}}",
 "subject": "{{ticket.title}}",
 "url": "{{ticket.link}}",
 "requester_name": "{{ticket.requester.name}}",
 "requester_email": "{{ticket.requester.email}}",
 "priority": "{{ticket.priority}}",
 "created_at": "{{ticket.created_at_with_timestamp}}"
}"""

INSTRUCTIONS = (
    Instruction(
        "The agent",
        "In Zendesk, make an agent for Roomkeeper alone. *Admin Center*, *Apps and integrations*, *APIs*: add an API "
        "token. The e-mail address is the agent's.",
    ),
    Instruction(
        "The webhook",
        "*Admin Center*, *Apps and integrations*, *Webhooks*, *Create*: *Trigger or automation*; endpoint `{hook}`, "
        "POST, JSON. Create it, then *Show secret*: that is the webhook secret.",
        is_for_deliveries=True,
    ),
    Instruction(
        "The trigger",
        "*Admin Center*, *Objects and rules*, *Triggers*: condition *Ticket | Is | Created*, action *Notify active "
        "webhook*, with this body:",
        paste=_BODY,
        is_for_deliveries=True,
    ),
)
