"""What an administrator of HubSpot does there. The paths are from `facts/vendors.md`, 4."""

from roomkeeper.contract.instruction import Instruction

INSTRUCTIONS = (
    Instruction(
        "Where the room is",
        "In HubSpot, *Settings*, *Properties*, deal properties: make two single-line properties, `docspace_room_id` "
        "and `docspace_guest_id`. Whoever makes a client's room writes its id (the number in the room's address) and "
        "the guest's e-mail address into the deal.",
    ),
    Instruction(
        "The app",
        "Make an app (*Development*, or a legacy private app) with the scopes `crm.objects.deals.read`, "
        "`crm.objects.deals.write`, `crm.objects.companies.read`, `crm.objects.contacts.read`, "
        "`crm.objects.contacts.write`. It shows its access token, and its client secret.",
    ),
    Instruction(
        "The webhook",
        "In the app: target URL `{hook}`; subscribe to *deal, property changed, `dealstage`*, and to *deal created* "
        "(a deal can be made as won).",
        is_for_deliveries=True,
    ),
)
