"""Mails and webhooks: what is sent to whom, and the workers that send it, beside the partition loop."""
