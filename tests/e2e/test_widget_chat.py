"""The chat widget in a real browser: every state, and that nothing is lost or doubled whatever happens to the page."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.widget_bench import ANNA, BEN, VISITOR, Visit, visit
from tests.eventually import eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(loop_scope="module")
async def shop(chromium: Browser) -> AsyncIterator[Visit]:
    async with visit(chromium) as made:
        yield made


async def write(page: Page, text: str) -> None:
    """Send one message."""
    await page.locator(".composer textarea").fill(text)
    await page.locator(".composer textarea").press("Enter")


def texts(shop: Visit) -> list[str]:
    """Messages of the transcript, in its order."""
    return [event["text"] for event in shop.chat.events if event["type"] == "message"]


async def test_nothing_is_loaded_until_it_shows(shop: Visit):
    page = await shop.open()
    await eventually(lambda: len(shop.chat.sockets) == 1)
    assert await page.locator("foyer-chat").count() == 0


async def test_launcher_shows_where_the_site_wants_it(shop: Visit):
    shop.chat.settings = {"launcher": True, "online": False}
    page = await shop.open()
    await page.get_by_role("button", name="Open chat, We are offline").click()
    await expect(page.get_by_role("heading", name="Nobody can answer")).to_be_visible()


async def test_request_wait_chat_end_and_rating(shop: Visit):
    chat = shop.chat
    chat.settings = {"online": True, "form": {"email": "required", "skills": [{"skill": "sales", "name": "Sales"}]}}
    page = await shop.asked()
    await page.get_by_role("button", name="Start chat").click()
    await expect(page.get_by_label("Name")).to_be_focused()
    assert await page.get_by_label("Name").get_attribute("aria-invalid") == "true"
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_label("Topic").select_option("sales")
    await page.get_by_label("Your question").fill("Help")
    await page.get_by_role("button", name="Start chat").click()
    await eventually(lambda: len(chat.of_type("chat.request")) == 1)
    asked = chat.of_type("chat.request")[0]
    assert {**asked, "id": ""} == {
        "type": "chat.request",
        "id": "",
        "name": "Ada",
        "email": "ada@example.com",
        "text": "Help",
        "skill": "sales",
    }
    await chat.become("requested", position=2, wait_s=None)
    await expect(page.get_by_text("You are number 2 in the queue.")).to_be_visible()
    await expect(page.get_by_text("We cannot tell how long it will take.")).to_be_visible()
    await chat.become("requested", position=1, wait_s=90)
    await expect(page.get_by_text("Estimated wait: about 2 min.")).to_be_visible()
    await chat.happen("started", ANNA)
    await chat.become("chatting", operators=[ANNA])
    await expect(page.get_by_role("heading", name="Anna Weber")).to_be_visible()
    await write(page, "Hello")
    await expect(page.get_by_text("Delivered")).to_be_visible()
    await chat.say({"type": "chat.read", "by": ANNA, "seq": 99})
    await expect(page.locator(".meta.read")).to_contain_text("Read")
    await page.get_by_role("button", name="End chat").first.click()
    await page.get_by_role("group", name="End chat").get_by_role("button", name="End chat").click()
    await eventually(lambda: len(chat.of_type("chat.end")) == 1)
    await chat.happen("ended", VISITOR, reason="by_visitor")
    await chat.become("chat_end")
    await page.get_by_role("radio", name="4").check()
    await page.get_by_label("Comment").fill("Good")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("Thank you for your feedback!")).to_be_visible()
    rated = chat.of_type("chat.rate")[0]
    assert (rated["score"], rated["comment"]) == (4, "Good")


async def test_invitation_is_accepted_with_a_name(shop: Visit):
    page = await shop.open()
    await eventually(lambda: len(shop.chat.sockets) == 1)
    await page.locator("#before").focus()
    await shop.chat.invite()
    card = page.get_by_role("status").filter(has_text="Anna Weber invites you to a chat")
    await expect(card.get_by_text("Hello, can I help you")).to_be_visible()
    assert await page.evaluate("document.activeElement.id") == "before", "an invitation must not take the focus"
    await card.get_by_role("button", name="Start chat").click()
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Start chat").click()
    await eventually(lambda: [m["name"] for m in shop.chat.of_type("invite.accept")] == ["Ada"])
    await shop.chat.become("accepted", operators=[ANNA])
    await expect(page.get_by_text("Anna Weber is joining…")).to_be_visible()


async def test_invitation_is_declined_or_withdrawn(shop: Visit):
    page = await shop.open()
    await eventually(lambda: len(shop.chat.sockets) == 1)
    await shop.chat.invite()
    await page.get_by_role("button", name="No, thanks").click()
    await eventually(lambda: len(shop.chat.of_type("invite.decline")) == 1)
    await expect(page.locator(".card")).to_have_count(0)
    await shop.chat.invite()
    await expect(page.locator(".card")).to_have_count(1)
    await shop.chat.say({"type": "invite.gone", "reason": "withdrawn"})
    await expect(page.locator(".card")).to_have_count(0)


async def test_invitation_survives_a_page_change(shop: Visit):
    page = await shop.open()
    await eventually(lambda: len(shop.chat.sockets) == 1)
    await shop.chat.invite()
    await page.locator(".card").wait_for()
    await shop.open(page, "/next")
    await page.locator(".card").wait_for()


async def test_chat_goes_on_after_a_reload_open_as_it_was_with_its_draft(shop: Visit):
    await shop.chat.begin()
    page = await shop.open()
    await page.get_by_role("button", name="Open chat").click()
    await write(page, "before")
    await expect(page.get_by_text("Delivered")).to_be_visible()
    await page.locator(".composer textarea").fill("half a sen")
    await page.reload()
    await expect(page.get_by_text("before", exact=True)).to_be_visible()
    assert await page.locator(".composer textarea").input_value() == "half a sen"
    await shop.chat.happen("message", ANNA, id="m1", text="after")
    await expect(page.get_by_text("after", exact=True)).to_be_visible()
    assert await page.locator(".bubble").all_inner_texts() == ["Does the plan include support?", "before", "after"]


async def test_two_tabs_show_one_chat(shop: Visit):
    await shop.chat.begin()
    first = await shop.open()
    await first.get_by_role("button", name="Open chat").click()
    second = await shop.open()
    await expect(second.locator(".composer")).to_be_visible()
    await write(first, "from the first")
    await write(second, "from the second")
    for page in (first, second):
        await expect(page.locator(".bubble")).to_have_count(3)
    assert await first.locator(".bubble").all_inner_texts() == await second.locator(".bubble").all_inner_texts()
    await first.keyboard.press("Escape")
    await expect(second.locator(".panel")).to_be_hidden()


async def test_lost_answer_does_not_double_a_message(shop: Visit):
    await shop.chat.begin()
    shop.chat.silent = {"chat.send"}
    page = await shop.open()
    await page.get_by_role("button", name="Open chat").click()
    await write(page, "once")
    await eventually(lambda: shop.chat.repeats > 0, within_s=15)
    shop.chat.silent = set()
    assert texts(shop) == ["once"]
    await expect(page.get_by_text("once", exact=True)).to_have_count(1)


async def test_message_written_without_connection_arrives_once(shop: Visit):
    await shop.chat.begin()
    page = await shop.open()
    await page.get_by_role("button", name="Open chat").click()
    await expect(page.locator(".composer")).to_be_visible()
    shop.chat.broken = True
    for socket in shop.chat.sockets:
        await socket.close()
    await write(page, "into the void")
    await expect(page.get_by_text("Sending…")).to_be_visible()
    await expect(page.get_by_text("No connection. We keep trying…")).to_be_visible(timeout=15_000)
    shop.chat.broken = False
    await eventually(lambda: texts(shop) == ["into the void"], within_s=30)
    await expect(page.get_by_text("Delivered")).to_be_visible(timeout=15_000)
    await expect(page.get_by_text("No connection. We keep trying…")).to_be_hidden()


async def test_message_that_was_not_acknowledged_goes_along_to_the_next_page(shop: Visit):
    await shop.chat.begin()
    page = await shop.open()
    await page.get_by_role("button", name="Open chat").click()
    await expect(page.locator(".composer")).to_be_visible()
    shop.chat.broken = True
    for socket in shop.chat.sockets:
        await socket.close()
    await write(page, "take me along")
    shop.chat.broken = False
    await shop.open(page, "/next")
    await eventually(lambda: texts(shop) == ["take me along"], within_s=15)
    await expect(page.get_by_text("take me along", exact=True)).to_have_count(1)


async def test_whole_chat_over_http(shop: Visit):
    chat = shop.chat
    chat.live = False
    page = await shop.asked()
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Start chat").click()
    await eventually(lambda: len(chat.of_type("chat.request")) == 1, within_s=15)
    await chat.begin()
    await expect(page.get_by_text("Anna Weber has joined the chat.")).to_be_visible(timeout=15_000)
    await write(page, "one")
    await write(page, "two")
    await eventually(lambda: texts(shop) == ["one", "two"], within_s=15)
    await chat.happen("message", ANNA, id="m1", text="three")
    await expect(page.get_by_text("three", exact=True)).to_be_visible(timeout=15_000)
    await expect(page.locator(".bubble")).to_have_count(4)
    assert set(chat.tokens) == {"Bearer t"}
    assert not any("token" in address or "Bearer" in address for address in chat.addresses)


async def test_conference_hand_over_away_back_and_kick(shop: Visit):
    chat = shop.chat
    await chat.begin()
    page = await shop.open()
    await page.get_by_role("button", name="Open chat").click()
    await chat.happen("forwarded", ANNA, operator=BEN)
    await expect(page.get_by_text("Anna Weber is handing you over to Ben Ode.")).to_be_visible()
    await chat.happen("joined", BEN)
    await chat.become("conference", operators=[ANNA, BEN])
    await expect(page.get_by_role("heading", name="Anna Weber, Ben Ode")).to_be_visible()
    await chat.happen("away", BEN)
    await expect(page.get_by_text("Ben Ode has lost the connection.")).to_be_visible()
    await chat.happen("back", BEN)
    await expect(page.get_by_text("Ben Ode is back.")).to_be_visible()
    await chat.say({"type": "chat.typing", "by": BEN, "on": True})
    await expect(page.get_by_text("Ben Ode is typing…")).to_be_visible()
    await chat.happen("left", ANNA)
    await chat.happen("kicked", BEN, reason="Please be polite.")
    await chat.become("kicked")
    await expect(page.get_by_role("heading", name="The operator has closed this chat.")).to_be_visible()
    await expect(page.get_by_text("Please be polite.")).to_be_visible()


async def test_offline_form_keeps_what_was_typed(shop: Visit):
    page = await shop.asked()
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_label("Your question").fill("Help")
    await page.get_by_role("button", name="Start chat").click()
    await eventually(lambda: len(shop.chat.of_type("chat.request")) == 1)
    await shop.chat.become("redirected")
    await expect(page.get_by_label("Your message")).to_have_value("Help")
    await page.get_by_label("E-mail").fill("ada@example.com")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_text("Thank you! We have received your message.")).to_be_visible()
    sent = shop.chat.of_type("offline.send")[0]
    assert (sent["name"], sent["email"], sent["text"]) == ("Ada", "ada@example.com", "Help")


async def test_typing_and_preview_are_told_only_where_the_site_allows_it(shop: Visit):
    await shop.chat.begin()
    page = await shop.open()
    await page.get_by_role("button", name="Open chat").click()
    await page.locator(".composer textarea").press_sequentially("abc")
    await eventually(lambda: len(shop.chat.of_type("chat.typing")) == 1)
    assert "preview" not in shop.chat.of_type("chat.typing")[0]
    await expect(page.get_by_text("The operator sees what you type")).to_be_hidden()
    shop.chat.settings = {"preview": True}
    await page.reload()
    await expect(page.get_by_text("The operator sees what you type")).to_be_visible()
    await page.locator(".composer textarea").fill("")
    await page.locator(".composer textarea").press_sequentially("I think")
    await eventually(lambda: shop.chat.of_type("chat.typing")[-1].get("preview") == "I think")
    await eventually(lambda: shop.chat.of_type("chat.typing")[-1]["on"] is False, within_s=10)


async def test_unread_messages_are_marked_until_they_are_seen(shop: Visit):
    await shop.chat.begin()
    page = await shop.open()
    await page.get_by_role("button", name="Open chat").wait_for()
    await shop.chat.happen("message", ANNA, id="m1", text="Are you there?")
    await expect(page).to_have_title("● Shop")
    await page.get_by_role("button", name=re.compile("1.* unread")).click()
    await expect(page).to_have_title("Shop")
    await eventually(lambda: shop.chat.of_type("chat.read")[-1]["seq"] == len(shop.chat.events))


async def test_refused_message_can_be_tried_again(shop: Visit):
    await shop.chat.begin()
    page = await shop.open()
    await page.get_by_role("button", name="Open chat").click()
    shop.chat.refuse = {"chat.send": "not_in_chat"}
    await write(page, "again")
    await expect(page.get_by_text("Not sent.")).to_be_visible()
    shop.chat.refuse = {}
    await page.get_by_role("button", name="Try again").click()
    await eventually(lambda: texts(shop) == ["again"])
    await expect(page.get_by_text("Not sent.")).to_have_count(0)


async def test_gap_in_the_transcript_is_mended(shop: Visit):
    await shop.chat.begin()
    page = await shop.open()
    await page.get_by_role("button", name="Open chat").click()
    sockets, shop.chat.sockets = shop.chat.sockets, []
    await shop.chat.happen("message", ANNA, id="m1", text="missed")
    shop.chat.sockets = sockets
    await shop.chat.happen("message", ANNA, id="m2", text="heard")
    await expect(page.get_by_text("missed", exact=True)).to_be_visible(timeout=10_000)
    assert (await page.locator(".bubble").all_inner_texts())[-2:] == ["missed", "heard"]
