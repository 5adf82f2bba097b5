"""Roomkeeper keeps ONLYOFFICE DocSpace rooms in step with a CRM and a helpdesk."""

__version__ = "0.1.0"
