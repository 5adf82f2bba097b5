"""Where people, or their programs, are told something: Slack-compatible webhooks, e-mail, plain webhooks."""

from roomkeeper.connectors.notify import slack, smtp, webhook

CONNECTORS = [slack.CONNECTOR, smtp.CONNECTOR, webhook.CONNECTOR]
