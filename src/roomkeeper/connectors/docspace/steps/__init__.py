"""What automations can have done on a portal: each step in the file of its name."""

from roomkeeper.connectors.docspace.steps.archive_files import ARCHIVE_FILES
from roomkeeper.connectors.docspace.steps.archive_room import ARCHIVE_ROOM
from roomkeeper.connectors.docspace.steps.backup import BACKUP
from roomkeeper.connectors.docspace.steps.comment_on_file import COMMENT_ON_FILE
from roomkeeper.connectors.docspace.steps.copy_files import COPY_FILES
from roomkeeper.connectors.docspace.steps.create_folders import CREATE_FOLDERS
from roomkeeper.connectors.docspace.steps.create_room import CREATE_ROOM
from roomkeeper.connectors.docspace.steps.create_user import CREATE_USER
from roomkeeper.connectors.docspace.steps.disable_people import DISABLE_PEOPLE
from roomkeeper.connectors.docspace.steps.invite import INVITE
from roomkeeper.connectors.docspace.steps.ip_allowlist import IP_ALLOWLIST
from roomkeeper.connectors.docspace.steps.join_room import JOIN_ROOM
from roomkeeper.connectors.docspace.steps.list_files import LIST_FILES
from roomkeeper.connectors.docspace.steps.list_members import LIST_MEMBERS
from roomkeeper.connectors.docspace.steps.list_people import LIST_PEOPLE
from roomkeeper.connectors.docspace.steps.list_rooms import LIST_ROOMS
from roomkeeper.connectors.docspace.steps.move_files import MOVE_FILES
from roomkeeper.connectors.docspace.steps.read_activity import READ_ACTIVITY
from roomkeeper.connectors.docspace.steps.read_table import READ_TABLE
from roomkeeper.connectors.docspace.steps.read_usage import READ_USAGE
from roomkeeper.connectors.docspace.steps.reassign import REASSIGN
from roomkeeper.connectors.docspace.steps.rename_file import RENAME_FILE
from roomkeeper.connectors.docspace.steps.restore_files import RESTORE_FILES
from roomkeeper.connectors.docspace.steps.revoke_guest import REVOKE_GUEST
from roomkeeper.connectors.docspace.steps.save_file import SAVE_FILE
from roomkeeper.connectors.docspace.steps.set_access import SET_ACCESS
from roomkeeper.connectors.docspace.steps.share_link import SHARE_LINK
from roomkeeper.connectors.docspace.steps.tag_room import TAG_ROOM
from roomkeeper.contract.step import StepKind

#: In the order in which they are described.
STEPS: tuple[StepKind, ...] = (
    LIST_FILES,
    LIST_ROOMS,
    READ_TABLE,
    COPY_FILES,
    MOVE_FILES,
    RENAME_FILE,
    COMMENT_ON_FILE,
    SAVE_FILE,
    ARCHIVE_FILES,
    RESTORE_FILES,
    READ_ACTIVITY,
    READ_USAGE,
    BACKUP,
    IP_ALLOWLIST,
    LIST_PEOPLE,
    LIST_MEMBERS,
    SET_ACCESS,
    CREATE_USER,
    DISABLE_PEOPLE,
    REASSIGN,
    REVOKE_GUEST,
    ARCHIVE_ROOM,
    CREATE_ROOM,
    CREATE_FOLDERS,
    TAG_ROOM,
    JOIN_ROOM,
    INVITE,
    SHARE_LINK,
)
