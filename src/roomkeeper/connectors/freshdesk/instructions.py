"""What an administrator of Freshdesk does there. The paths are from `facts/vendors.md`, 2."""

from roomkeeper.contract.instruction import Instruction

_BODY = """\
{"freshdesk_webhook": {
 "ticket_id": "{{ticket.id}}",
 "ticket_subject": "{{ticket.subject}}",
 "ticket_priority": "{{ticket.priority}}",
 "requester_name": "{{ticket.requester.name}}",
 "requester_email": "{{ticket.requester.email}}",
 "triggered_event": "{{triggered_event}}"
}}"""

INSTRUCTIONS = (
    Instruction(
        "The agent",
        "In Freshdesk, make an agent for Roomkeeper alone (the plan Growth or a higher one; the free plan has no API). "
        "Log in as this agent: the API key is in *Profile settings*.",
    ),
    Instruction("The token", "Invent a long random webhook token, of letters and digits.", is_for_deliveries=True),
    Instruction(
        "The rule",
        "*Admin*, *Workflows*, *Automations*, *Ticket creation*, *New rule*. A rule needs a condition: two that "
        "complement each other, such as *Status is Open* or *Status is not Open*. Action *Trigger webhook*: POST, "
        '`{hook}`, *Add custom headers*: `{"X-Webhook-Token": "<the webhook token>"}`, encoding JSON, content '
        "*Advanced*:",
        paste=_BODY,
        is_for_deliveries=True,
    ),
)
