"""Receivers of mails and webhooks over HTTP; a webhook's secret is shown once."""

from __future__ import annotations

from shared.storage.clients import Clients
from tests.gateway_api import serving

HOOK = "https://hooks.example/in"


async def test_receivers_are_stored_and_a_secret_is_shown_once_and_kept(clients: Clients) -> None:
    async with serving(clients) as api:
        site = await api.site()
        token = await api.login(await api.operator(site, "admin"))
        path = f"/api/v1/sites/{site.site}/notifications"
        body = {"message_emails": ["a@x.example", "a@x.example"], "webhooks": [{"url": HOOK}]}
        made = (await api.call("PUT", path, token, body)).json
        assert made["message_emails"] == ["a@x.example"]
        secret = made["webhooks"][0]["secret"]
        assert len(secret) >= 40
        again = (await api.call("PUT", path, token, body)).json
        assert again["webhooks"] == [{"url": HOOK}]
        assert (await api.call("GET", path, token)).json["webhooks"] == [{"url": HOOK}]
        stored = await api.store.site(site.site)
        assert stored is not None
        assert [hook.secret for hook in stored.notifications.webhooks] == [secret]
        seen = await api.call("GET", f"/api/v1/sites/{site.site}", token)
        assert secret not in repr(seen.json)
        for wrong in ({"webhooks": [{"url": "ftp://x.example/in"}]}, {"message_emails": ["nobody"]}, {"more": 1}):
            assert (await api.call("PUT", path, token, wrong)).status == 422
