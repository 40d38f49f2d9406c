from __future__ import annotations

import httpx
import pytest

from patch_app.github.deliveries import deliveries_since, read_delivery, redeliver
from patch_app.github.errors import Bug, NotFound
from patch_app.github.setup import convert_code, manifest, registration_url


def row(number: int, at: str, **more):
    return {
        "id": number,
        "guid": f"g{number}",
        "delivered_at": at,
        "redelivery": False,
        "status": "OK",
        "status_code": 202,
        "event": "push",
        "action": None,
        "installation_id": 5,
        "repository_id": 7,
        **more,
    }


async def test_deliveries_come_oldest_first_and_end_where_we_were(app, fake, clock):
    pages = {
        None: ([row(9, "2025-10-09T08:53:20Z"), row(8, "2025-10-09T08:52:20.5Z")], "c"),
        "c": ([row(7, "2025-10-09T08:51:30Z", status_code=502), row(6, "2025-10-09T08:00:00Z")], "d"),
    }

    def page(request: httpx.Request) -> httpx.Response:
        rows, cursor = pages[request.url.params.get("cursor")]
        link = f'<{request.url.copy_set_param("cursor", cursor)}>; rel="next"'
        if request.headers.get("if-none-match") == "w1":
            return httpx.Response(304)
        return httpx.Response(200, json=rows, headers={"link": link, "etag": "w1"})

    fake.on("GET /app/hook/deliveries", page)
    found = await deliveries_since(app.jwt_client(), clock.time)
    assert found is not None
    assert [d.id for d in found.deliveries] == [7, 8, 9]
    assert [d.succeeded for d in found.deliveries] == [False, True, True]
    assert (found.etag, found.cut) == ("w1", False)
    newest = await deliveries_since(app.jwt_client(), 0, limit=1)
    assert newest is not None
    assert ([d.id for d in newest.deliveries], newest.cut) == ([9], True)
    asked = fake.count("GET /app/hook/deliveries")
    assert await deliveries_since(app.jwt_client(), clock.time, etag="w1") is None
    assert fake.count("GET /app/hook/deliveries") == asked + 1


async def test_a_list_of_deliveries_that_is_none_is_no_silence(app, fake):
    fake.on("GET /app/hook/deliveries", {"message": "no list"})
    with pytest.raises(Bug):
        await deliveries_since(app.jwt_client(), 0)


async def test_a_delivery_is_read_whole_and_asked_for_again(app, fake):
    fake.on(
        "GET /app/hook/deliveries/9",
        row(
            9,
            "2025-10-09T08:53:20Z",
            request={"headers": {"X-GitHub-Event": "push"}, "payload": {"ref": "x"}},
        ),
    )
    fake.on("POST /app/hook/deliveries/9/attempts", httpx.Response(202, json={}))
    full = await read_delivery(app.jwt_client(), 9)
    assert (full.delivery.guid, full.payload) == ("g9", {"ref": "x"})
    assert full.headers == {"X-GitHub-Event": "push"}
    await redeliver(app.jwt_client(), 9)
    with pytest.raises(NotFound):
        await read_delivery(app.jwt_client(), 10)
    fake.on("GET /app/hook/deliveries/9", {"id": 1})
    with pytest.raises(Bug):
        await read_delivery(app.jwt_client(), 9)


async def test_a_manifests_code_becomes_credentials_that_dont_show(app, fake):
    answer = {
        "id": 1,
        "slug": "s",
        "client_id": "Iv1",
        "client_secret": "hush-a",
        "webhook_secret": None,
        "pem": "hush-b",
        "html_url": "u",
    }
    fake.on("POST /app-manifests/abc/conversions", httpx.Response(201, json=answer))
    credentials = await convert_code(app.token_client(None), "abc")
    assert credentials.webhook_secret is None
    assert credentials.private_key.get_secret_value() == "hush-b"
    assert "hush" not in repr(credentials)
    assert "authorization" not in fake.seen[-1].headers
    with pytest.raises(Bug):
        await convert_code(app.token_client(None), "../x")
    with pytest.raises(NotFound):
        await convert_code(app.token_client(None), "old")


def test_the_manifest_points_at_this_server_and_asks_for_the_least():
    found = manifest("https://me.example/", name="mine")
    assert found["name"] == "mine"
    assert found["hook_attributes"] == {"url": "https://me.example/webhooks/github", "active": True}
    assert found["redirect_url"] == "https://me.example/setup/callback"
    assert found["public"] is False
    assert found["default_permissions"]["metadata"] == "read"
    assert "administration" not in found["default_permissions"]
    assert found["setup_url"] == "https://me.example/"
    hidden = manifest("http://127.0.0.1:3000", reachable=False)
    assert hidden["hook_attributes"] == {"url": "https://patch-app.invalid/webhooks/github", "active": True}
    assert hidden["redirect_url"] == "http://127.0.0.1:3000/setup/callback"
    assert "setup_url" not in hidden
    assert "127.0.0.1" not in hidden["url"]
    assert (
        registration_url("https://github.com/", "s&t") == "https://github.com/settings/apps/new?state=s%26t"
    )
    assert "/organizations/acme/settings" in registration_url("https://github.com", "s", organization="acme")
