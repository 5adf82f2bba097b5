"""What an administrator of Jira does there. The paths are from `facts/vendors.md`, 3."""

from roomkeeper.contract.instruction import Instruction

INSTRUCTIONS = (
    Instruction(
        "The account",
        "In Jira, make an agent of the service project for Roomkeeper alone. In the cloud: log in as this agent at "
        "`id.atlassian.com`, *Security*, *Create API token* (one without scopes: the site takes no other); the e-mail "
        "address is the agent's.",
    ),
    Instruction(
        "The webhook",
        "As an administrator: *System*, *WebHooks*: `{hook}`, JQL `project = SUP` with your project's key, event "
        "*Issue created*, and a secret: that is the webhook secret. In the cloud the address must be https, with a "
        "public certificate.",
        is_for_deliveries=True,
    ),
)
