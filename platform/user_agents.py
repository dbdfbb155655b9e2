"""What a User-Agent string says: browser, operating system, device, and whether a person is likely behind it.

In: distinct strings. Out: one `UserAgent` each, a pure function of the string and of the versions of ua-parser and its rules.
`is_bot` comes with its reason; what names itself a browser passes for one, since nothing here looks at behaviour.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import NamedTuple
from uuid import UUID, uuid5

from ua_parser import parse

NAMESPACE = UUID("5d0f21f5-2b3c-5d3a-9d0c-5d2c6f3a7b10")
"""user_agent_id = uuid5 of this and the string."""

# Part of the version, since a new rule makes new rows. Raise the number when a rule below changes.
_RULES = 1
PARSER_VERSION = f"{version('ua-parser')}/{version('ua-parser-builtins')}/{_RULES}"

_SPIDER = re.compile(
    r"bot\b|bot[/_-]|crawl|spider|slurp|archiver|facebookexternalhit|monitor(ing)?\b|uptime|pingdom|lighthouse", re.I
)
_HEADLESS = re.compile(r"headless|phantomjs|electron|selenium|puppeteer|playwright", re.I)
_HTTP_CLIENT = re.compile(
    r"^(curl|wget|python|java|go-http|okhttp|apache-httpclient|libwww|ruby|php|node|axios|aiohttp|httpx|postman|insomnia|perl|scrapy|dart)",
    re.I,
)
_TABLET = re.compile(r"ipad|tablet|kindle|silk|playbook", re.I)
_MOBILE = re.compile(r"mobi|iphone|ipod|android|phone", re.I)
_TELEVISION = re.compile(r"\btv\b|smart-?tv|appletv|googletv|crkey|roku|web0s|tizen.*tv", re.I)


class UserAgent(NamedTuple):
    """A row of EVENTS.USER_AGENTS. `device_type` is desktop, mobile, tablet, tv, bot or NULL (not known)."""

    user_agent_id: str
    user_agent: str
    browser_name: str | None
    browser_version: str | None
    browser_major: str | None
    os_name: str | None
    os_version: str | None
    device_type: str | None
    device_model: str | None
    device_vendor: str | None
    is_bot: bool
    bot_reason: str | None
    parser_version: str


def parse_user_agent(text: str) -> UserAgent:
    """Parse one User-Agent string."""
    parsed = parse(text)
    browser, system, device = parsed.user_agent, parsed.os, parsed.device
    reason = _bot_reason(text, device.family if device else None)
    return UserAgent(
        user_agent_id=str(uuid5(NAMESPACE, text)),
        user_agent=text,
        browser_name=browser.family if browser else None,
        browser_version=_dotted(browser.major, browser.minor, browser.patch, browser.patch_minor) if browser else None,
        browser_major=browser.major if browser else None,
        os_name=system.family if system else None,
        os_version=_dotted(system.major, system.minor, system.patch, system.patch_minor) if system else None,
        device_type="bot" if reason else _device_type(text, system.family if system else None),
        device_model=device.model if device else None,
        device_vendor=device.brand if device else None,
        is_bot=reason is not None,
        bot_reason=reason,
        parser_version=PARSER_VERSION,
    )


def parse_all(texts: Iterable[str]) -> list[UserAgent]:
    """Parse each string, in the order given."""
    return [parse_user_agent(text) for text in texts]


def _bot_reason(text: str, device_family: str | None) -> str | None:
    if device_family == "Spider" or _SPIDER.search(text):
        return "spider"
    if _HEADLESS.search(text):
        return "headless_browser"
    if _HTTP_CLIENT.search(text):
        return "http_client"
    return None


def _device_type(text: str, system: str | None) -> str | None:
    if _TELEVISION.search(text):
        return "tv"
    # Android without "Mobile" is how tablets say that they are tablets.
    if _TABLET.search(text) or (system == "Android" and "mobile" not in text.lower()):
        return "tablet"
    if _MOBILE.search(text):
        return "mobile"
    return "desktop" if system else None


def _dotted(*parts: str | None) -> str | None:
    return ".".join(part for part in parts if part) or None
