"""What an administrator of Salesforce does there. The paths are from `facts/vendors.md`, 6."""

from roomkeeper.contract.instruction import Instruction

INSTRUCTIONS = (
    Instruction(
        "Where the room is",
        "In Salesforce, *Object Manager*, *Opportunity*, *Fields*: make two text fields, `DocSpace_Room` and "
        "`DocSpace_Guest` (their API names end in `__c`).",
    ),
    Instruction(
        "The app",
        "Make a connected app (*External Client App*) with OAuth and the *client credentials flow*; its run-as user "
        "may read opportunities, accounts and users, and create tasks. Its consumer key is the client id, its consumer "
        "secret the client secret.",
    ),
    Instruction("The organization", "*Setup*, *Company Information*: the organization id; a sandbox has its own."),
    Instruction(
        "The message",
        "Invent a long random webhook token, of letters and digits. *Setup*, *Outbound Messages*: object Opportunity, "
        "endpoint `{hook}?token=<the webhook token>`, fields `Id`, `Name`, `StageName`, `IsClosed`, `IsWon`. Leave "
        "*Send Session ID* off: it is a live credential (if it comes, it is not kept).",
        is_for_deliveries=True,
    ),
    Instruction(
        "The flow",
        "A record-triggered flow on Opportunity, *updated*, entry condition `ISCHANGED(StageName) && IsClosed`, with "
        "the action *Outbound Message*.",
        is_for_deliveries=True,
    ),
)
