"""A typed, asynchronous client of one ONLYOFFICE DocSpace portal.

It knows the portal as its source code has it, nothing of automations. It never retries: an error says whether
the call may be repeated, after how long, and whether it may have taken effect all the same.
"""

from roomkeeper.docspace.budget import Budget, Limits
from roomkeeper.docspace.models import Account, EntryId, File, Folder, Operation, PathPart, entry_id
from roomkeeper.docspace.portal import Portal

__all__ = ["Account", "Budget", "EntryId", "File", "Folder", "Limits", "Operation", "PathPart", "Portal", "entry_id"]
