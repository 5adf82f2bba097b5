"""A draft: what was said so far. Its secrets are in memory only, until it is switched on."""

import secrets as random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from roomkeeper.configuration import env
from roomkeeper.configuration.config import Config
from roomkeeper.configuration.loading import load
from roomkeeper.connectors import CATALOG
from roomkeeper.setup.asking import Seen
from roomkeeper.setup.choices import ADMIN_SECRET, API_KEY, Job, Room, Service, Setup, yaml_of
from roomkeeper.setup.offered import CRMS, HELPDESKS
from roomkeeper.setup.written import made


@dataclass
class Draft:
    """What was said so far, for the file that is to be."""

    file: Path
    listen: str
    url: str = ""
    seen: Seen | None = None
    groups: dict[str, str] | None = None
    jobs: Sequence[Job] = ()
    rooms: dict[str, Room] = field(default_factory=dict)
    crm: str = ""
    helpdesk: str = ""
    #: What is said of a service, by its type and the setting: its address, too.
    said: dict[tuple[str, str], str] = field(default_factory=dict)
    invited: Sequence[str] = ()
    public_url: str | None = None
    #: What was given, by the names that the configuration has for it.
    secrets: dict[str, str] = field(default_factory=dict)
    #: Secrets that were typed beside an answer that would not do: nobody is to type them twice.
    typed: dict[str, str] = field(default_factory=dict)
    #: What is ours to make, or nobody's to give; it is forgotten where somebody is to give it after all.
    invented: dict[str, str] = field(default_factory=dict)

    def copy(self) -> "Draft":
        """Give one like it: answers are taken into a copy, which is kept if all of them will do.

        What was typed is shared with it: that stays either way.
        """
        return replace(
            self,
            rooms=dict(self.rooms),
            said=dict(self.said),
            secrets=dict(self.secrets),
            invented=dict(self.invented),
        )

    @property
    def services(self) -> list[Service]:
        """The services that the chosen jobs need."""
        chosen = [CRMS[self.crm]] if "archive" in self.jobs and self.crm else []
        return chosen + ([HELPDESKS[self.helpdesk]] if "rooms" in self.jobs and self.helpdesk else [])

    @property
    def has_services(self) -> bool:
        """Whether all that the services need was given, and somebody is invited where rooms are made."""
        return self._asked <= set(self.secrets) and ("rooms" not in self.jobs or bool(self.invited))

    def knows(self, secret: str) -> bool:
        """Whether it was given, or typed at least."""
        return secret in self.secrets or secret in self.typed

    @property
    def has_password(self) -> bool:
        """Whether somebody will be able to log in."""
        return ADMIN_SECRET in self.secrets

    def hook(self, service: Service) -> str | None:
        """Give the address that its deliveries go to; None if it is asked for events instead."""
        return service.hook(self.public_url, self.listen)

    def asked_secrets(self, service: Service) -> dict[str, str]:
        """Name the secrets of a service that somebody has to give, by their settings.

        Where nothing is delivered, no delivery is trusted by one.
        """
        trusted = () if self.hook(service) is not None else CATALOG.connectors[service.type].trusted_by
        return {setting: name for setting, name in service.secrets.items() if setting not in trusted}

    @property
    def _asked(self) -> set[str]:
        return {name for one in self.services for name in self.asked_secrets(one).values()}

    def all_secrets(self) -> dict[str, str]:
        """Give all that the configuration asks for: what was given, and for the rest what is made, once."""
        asked = self._asked
        for name in env.asked_for(self.text()):
            if name not in self.secrets and name not in self.invented and name not in asked:
                self.invented[name] = made(name) or random.token_urlsafe(24)
        return {name: one for name, one in self.invented.items() if name not in asked} | self.secrets

    def text(self, *, only: Sequence[Job] | None = None) -> str:
        """Write the configuration; `only` some jobs, whatever else was chosen."""
        jobs = self.jobs if only is None else only
        crm = CRMS[self.crm] if "archive" in jobs else None
        helpdesk = HELPDESKS[self.helpdesk] if "rooms" in jobs else None
        return yaml_of(
            Setup(
                url=self.url,
                listen=self.listen,
                public_url=self.public_url,
                jobs=jobs,
                client=self.rooms.get("client"),
                internal=self.rooms.get("internal"),
                archive=self.rooms.get("archive"),
                crm=crm,
                crm_url=self.said.get((self.crm, "url"), ""),
                helpdesk=helpdesk,
                helpdesk_url=self.said.get((self.helpdesk, "url"), ""),
                email=self.said.get((self.helpdesk, "email"), ""),
                invited=self.invited,
                given=self.said,
            )
        )

    def config(self, *, only: Sequence[Job] | None = None) -> Config:
        """Check what was said as the configuration that it would be; for `only` some jobs, much may lack.

        Raises ConfigError.
        """
        is_whole = only is None
        given = self.all_secrets() if is_whole else self.secrets
        return load(self.file, CATALOG, text=self.text(only=only), secrets=given, secrets_required=is_whole)

    def take_key(self, url: str, key: str, seen: Seen, groups: dict[str, str] | None) -> None:
        """Take the portal, once it was tried; rooms of another one are forgotten."""
        if url != self.url:
            self.rooms.clear()
        self.url, self.seen, self.groups = url, seen, groups
        self.secrets[API_KEY] = key
