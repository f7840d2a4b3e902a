"""The handset page in a real browser, on a running service: what a visitor of the demo does, also by keyboard."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, ViewportSize, async_playwright, expect

from telco.kernel.i18n import Language
from telco.lab.cards import CardTray
from telco.lab.user import User
from telco.lab.web import LabServer, create_app
from tests.acceptance.operator import Operator

pytestmark = pytest.mark.asyncio(loop_scope="session")

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script> {0} %s'


def chromium() -> str:
    """Return the path of a Chromium; without one the tests are skipped, or fail where a browser is required."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    reason = "no Chromium on this machine (Debian: apt-get install chromium)"
    if os.environ.get("BROWSER_REQUIRED") == "1":
        pytest.fail(f"{reason}, and BROWSER_REQUIRED=1")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def executable() -> str:
    """Looked for before anything is started, so that a skip costs nothing."""
    return chromium()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(executable: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def users(executable: str, operator: Operator) -> list[User]:
    """Three phones alone on the page: two brands, three languages, and money on the second."""
    for phone in operator.network.phones:
        operator.network.detach(phone.number)
    return [
        await operator.new_user("kcell-free", Language.KK),
        await operator.new_user("activ-simple", Language.RU, balance="1000.00"),
        await operator.new_user("kcell-free", Language.EN),
    ]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def address(operator: Operator, users: list[User]) -> AsyncIterator[str]:
    """The page's address; two cards are in the drawer."""
    cards = [await operator.print_card(value) for value in ("1000.00", "5000.00")]
    tray = CardTray(operator.network.feed, cards)
    operator.network.accounts.card_used = tray.mark_used
    server = LabServer(create_app(operator.network, tray, {"metrics": "/metrics"}), "127.0.0.1", 0)
    yield await server.start()
    await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, address: str, users: list[User]) -> AsyncIterator[Page]:
    """The page in English on a desktop; no error and no request to another machine may come of the test."""
    async for opened in _open(browser, address, DESKTOP, users):
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def narrow(browser: Browser, address: str, users: list[User]) -> AsyncIterator[Page]:
    """The page on a small screen."""
    async for opened in _open(browser, address, NARROW, users):
        yield opened


async def _open(browser: Browser, address: str, viewport: ViewportSize, users: list[User]) -> AsyncIterator[Page]:
    for user in users:
        user.put_away()
        user.network.hang_up(user.number)
    context = await browser.new_context(viewport=viewport, reduced_motion="reduce")
    context.set_default_timeout(15_000)
    page = await context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if _is_fault(message) else None)
    page.on("request", lambda request: None if request.url.startswith(address) else wrong.append(request.url))
    await page.goto(f"{address}?lang=en")
    await expect(page.locator(".phone")).to_have_count(3)
    yield page
    await context.close()
    assert wrong == []


def _is_fault(message: ConsoleMessage) -> bool:
    """Tell an error of the page from the browser's note that a request was refused, as some tests want it to be."""
    return message.type == "error" and "responded with a status of 4" not in message.text


def _phone(page: Page, place: int) -> Locator:
    return page.locator(".phone").nth(place)


async def test_ussd_by_the_keypad_and_the_dialogue(page: Page) -> None:
    phone = _phone(page, 2)
    for key in "*111#":
        await phone.get_by_role("button", name=key, exact=True).click()
    await phone.get_by_role("button", name="Call or send the code").click()
    dialogue = phone.get_by_role("dialog")
    await expect(dialogue.locator(".said")).to_contain_text("1 Balance")
    await dialogue.get_by_label("Your answer").fill("1")
    await page.keyboard.press("Enter")
    await expect(dialogue.locator(".said")).to_contain_text("Balance: 0 KZT")
    await dialogue.get_by_role("button", name="OK").click()
    await expect(dialogue).to_be_hidden()


async def test_the_whole_way_by_keyboard(page: Page) -> None:
    phone = _phone(page, 2)
    digits = phone.get_by_label("Number or USSD code")
    await digits.focus()
    await page.keyboard.type("*111#")
    await page.keyboard.press("Enter")
    answer = phone.get_by_label("Your answer")
    await expect(answer).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(phone.get_by_role("dialog")).to_be_hidden()
    await expect(digits).to_be_focused()
    await phone.get_by_role("tab", name="Dial").focus()
    await page.keyboard.press("ArrowRight")
    await expect(phone.get_by_role("tab", name="SMS")).to_be_focused()
    await expect(phone.get_by_label("Message", exact=True)).to_be_visible()
    await page.keyboard.press("End")
    await expect(phone.get_by_role("heading", name="Payment cards")).to_be_visible()


async def test_a_message_is_charged_and_arrives_as_it_was_written(page: Page, users: list[User]) -> None:
    sender, reader = _phone(page, 1), _phone(page, 0)
    balance = await sender.locator(".sum").first.text_content()
    await sender.get_by_role("tab", name="SMS").click()
    await sender.get_by_label("To", exact=True).fill(users[0].number)
    await sender.get_by_label("Message", exact=True).fill(HOSTILE)
    await sender.get_by_role("button", name="Send").click()
    await expect(sender.locator(".sms.mine .tail").last).to_contain_text("Sent · 20 KZT")
    await expect(reader.get_by_role("tab", name="SMS").locator(".badge")).to_be_visible()
    await reader.get_by_role("tab", name="SMS").click()
    await expect(reader.locator(".sms .bubble").last).to_have_text(HOSTILE)
    await expect(sender.locator(".balance .sum")).not_to_have_text(balance or "")
    await expect(sender.locator(".lines li").first).to_contain_text("SMS")
    await expect(sender.locator(".lines li").first).to_contain_text("20 KZT")
    assert await page.title() == "telco lab"


async def test_a_message_that_cannot_be_paid_says_so(page: Page, users: list[User]) -> None:
    sender = _phone(page, 2)
    await sender.get_by_role("tab", name="SMS").click()
    await sender.get_by_label("To", exact=True).fill(users[0].number)
    await sender.get_by_label("Message", exact=True).fill("Hi")
    await sender.get_by_label("Message", exact=True).press("Enter")
    await expect(sender.locator(".sms.mine .tail").last).to_have_text("Not sent: not enough money")


async def test_a_wrong_number_is_complained_about(page: Page) -> None:
    phone = _phone(page, 0)
    await phone.get_by_label("Number or USSD code").fill("12")
    await phone.get_by_label("Number or USSD code").fill("+")
    await phone.get_by_role("button", name="Call or send the code").click()
    await expect(page.get_by_role("alert")).to_contain_text("cannot be sent")


async def test_a_scratched_card_tops_up_and_is_used_up(page: Page) -> None:
    phone = _phone(page, 0)
    await expect(phone.locator(".balance .sum")).to_have_text("0 KZT")
    await phone.get_by_role("tab", name="Top up").click()
    card = phone.locator(".scratch").first
    await expect(card.get_by_role("button", name="Top up")).to_be_disabled()
    await card.get_by_role("button", name="Scratch card").click()
    await card.get_by_role("button", name="Top up").click()
    await expect(phone.locator(".said")).to_contain_text("1 000 ₸")
    await phone.get_by_role("button", name="OK").click()
    await expect(phone.locator(".balance .sum")).to_have_text("1,000 KZT")
    await expect(phone.locator(".lines li").first).to_contain_text("Payment card")
    await expect(phone.locator(".scratch.used")).to_contain_text("Used")


async def test_data_and_a_call_show_what_they_cost(page: Page) -> None:
    phone = _phone(page, 1)
    await phone.get_by_role("tab", name="Internet").click()
    await phone.get_by_label("Volume").select_option("10")
    await phone.get_by_role("radio", name="3G").check()
    await phone.get_by_role("button", name="Start").click()
    await expect(phone.locator(".use .cost")).to_have_text("Done · 150 KZT")  # 10 MB at 15
    await expect(phone.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "100")
    await phone.get_by_role("tab", name="Dial").click()
    await phone.get_by_label("Talk time").select_option("60")
    await phone.get_by_label("Number or USSD code").fill("+7 705 123 45 67")
    await phone.get_by_role("button", name="Call or send the code").click()
    call = phone.get_by_role("dialog")
    await expect(call.locator(".state")).to_have_text("Call ended")
    await expect(call.locator(".timer")).to_have_text("1:00")
    await expect(call.locator(".cost")).to_have_text("Cost 22 KZT")
    await call.get_by_role("button", name="Close").click()
    await expect(call).to_be_hidden()


@pytest.mark.parametrize(("button", "language", "tab"), [("Қаз", "kk", "Теру"), ("Рус", "ru", "Набор")])
async def test_the_page_speaks_three_languages(page: Page, button: str, language: str, tab: str) -> None:
    await page.get_by_role("button", name=button).click()
    await expect(page.locator("html")).to_have_attribute("lang", language)
    await expect(_phone(page, 0).get_by_role("tab", name=tab)).to_be_visible()
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("lang", "en")  # the address asks for it
    await page.get_by_role("button", name="Eng").click()


async def test_a_narrow_screen_shows_one_phone_at_a_time(narrow: Page) -> None:
    assert await narrow.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    await expect(_phone(narrow, 0)).to_be_visible()
    await expect(_phone(narrow, 1)).to_be_hidden()
    await narrow.locator("#switcher").get_by_role("button").nth(1).click()
    await expect(_phone(narrow, 1)).to_be_visible()
    await expect(_phone(narrow, 0)).to_be_hidden()
    for name in ("SMS", "Internet", "Top up"):
        await _phone(narrow, 1).get_by_role("tab", name=name).click()
        assert await narrow.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


async def test_nothing_jumps_when_something_happens(page: Page) -> None:
    phone = _phone(page, 2)
    before = [await phone.locator(part).bounding_box() for part in (".device", ".money", ".owner")]
    await phone.get_by_role("button", name="Menu").click()
    await phone.get_by_role("button", name="Call or send the code").click()
    await expect(phone.get_by_role("dialog").locator(".said")).to_contain_text("1 Balance")
    assert [await phone.locator(part).bounding_box() for part in (".device", ".money", ".owner")] == before
    await phone.get_by_role("dialog").get_by_role("button", name="Cancel").click()


async def test_every_control_has_a_name(page: Page) -> None:
    nameless = await page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, [role=dialog], [role=progressbar]")]
            .filter((element) => element.checkVisibility())
            .filter((element) => !(element.textContent.trim() || element.getAttribute("aria-label")
                || element.getAttribute("aria-labelledby") || element.labels?.length))
            .map((element) => element.outerHTML)"""
    )
    assert nameless == []


async def test_the_page_says_when_the_lab_is_gone_and_comes_back_with_it(
    browser: Browser, operator: Operator, users: list[User]
) -> None:
    def serve(port: int) -> LabServer:
        return LabServer(create_app(operator.network, CardTray(operator.network.feed), {}), "127.0.0.1", port)

    server = serve(0)
    address = await server.start()
    context = await browser.new_context(viewport=DESKTOP)
    page = await context.new_page()
    await page.goto(f"{address}?lang=en")
    await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    await server.stop()
    await expect(page.get_by_role("status").filter(has_text="No connection")).to_be_visible()
    operator.network.phone(users[0].number).owner = "renamed meanwhile"
    server = serve(int(address.rstrip("/").rpartition(":")[2]))
    await server.start()
    await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible(timeout=20_000)
    await expect(_phone(page, 0).get_by_role("heading", level=2)).to_have_text("renamed meanwhile")
    await context.close()
    await server.stop()
