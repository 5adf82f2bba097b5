"""What happened on a portal: told by its webhooks, found in its histories, and the webhook itself looked after."""
