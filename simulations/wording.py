"""The texts that many hits share: a visit's, a page's, a product's; each made when first needed, then kept."""

from __future__ import annotations

import json
from typing import NamedTuple

from simulations import audience
from simulations.audience import SHOPS, exchange, money
from simulations.catalog import PAGES, product
from simulations.config import HOSTNAME
from simulations.plan import DayPlan

# A JSON string, as the collector writes it.
text = json.JSONEncoder(ensure_ascii=False).encode


class VisitText(NamedTuple):
    """What all lines of a visit share; `agent` to `device` are the stretches between what differs from hit to hit."""

    shop: int
    currency: str
    user_agent: str
    agent: str
    client: str
    request: str
    device: str
    campaign_query: str  # added to the address of the first page, empty for most
    referrer: str  # of the first page, empty for most


class PageText(NamedTuple):
    """A page: its address as JSON, and the parameters of a hit sent from it."""

    address: str
    parameters: str


class Wording:
    """The shared texts of one plan."""

    def __init__(self, plan: DayPlan) -> None:
        self.plan = plan
        self._client_ids = audience.client_ids(plan.people)
        self._traits = audience.traits(plan.visits.person)
        self._users = audience.user_numbers(plan.visits.person, plan.visits.luck, plan.visits.bot).tolist()
        self.visits: dict[int, VisitText] = {}
        self.pages: dict[tuple[int, int], PageText] = {}
        self._products: dict[tuple[int, str], str] = {}

    def visit(self, number: int) -> VisitText:
        """What the lines of a visit share."""
        visits, traits = self.plan.visits, self._traits
        luck = int(visits.luck[number])
        shop_number, is_bot = int(visits.shop[number]), bool(visits.bot[number])
        shop = SHOPS[shop_number]

        user = self._users[number]
        uid = f'"user-{user:010x}"' if user >= 0 else ""
        cid, tid = self._client_ids[number], shop.tracking_id(self.plan.live)
        agent = self._agent(number, luck)
        is_pixel = luck % 12 == 0
        content_type = "" if is_pixel else '"content-type":"application/json",'
        screen, viewport, colours = audience.SCREENS[traits.screen[number]]
        language = audience.LANGUAGES[traits.language[number]]
        campaign, query = self._campaign(number, luck)
        outside = ""
        if luck // 5 % 3 == 0 and not shop.is_app and not is_bot:
            outside = text(audience.REFERRERS[luck // 7 % len(audience.REFERRERS)])

        visit = self.visits[number] = VisitText(
            shop=shop_number,
            currency=visits.currency(number),
            user_agent=agent,
            agent=(
                f'","service":{{"id":"api.collect"}},"context":{{"user_ip":"{audience.address(traits.address[number])}",'
                f'"user_agent":{text(agent)},"document_location":'
            ),
            client=f',"client_id":"{cid}","user_id":{uid or "null"},"tracking_id":"{tid}"}},"request":{{"id":"',
            request=(
                f',"hostname":"{HOSTNAME}","path":"/collect","method":"{"GET" if is_pixel else "POST"}",'
                f'"headers":{{{content_type}"user-agent":{text(agent)}}},"body":{{"v":"1","tid":"{tid}","cid":"{cid}",'
                + (f'"uid":{uid},' if uid else "")
            ),
            device=f'"ul":"{language}","sr":"{screen}","vp":"{viewport}","de":"UTF-8","sd":"{colours}",{campaign}',
            campaign_query=query,
            referrer=outside,
        )
        return visit

    def _campaign(self, number: int, luck: int) -> tuple[str, str]:
        """A campaign as parameters of every hit, or as a query of the first page's address."""
        campaign = self.plan.visits.campaign[number]
        if campaign < 0:
            return "", ""
        name, source, medium = audience.CAMPAIGNS[campaign]
        if luck % 2:
            return f'"cn":{text(name)},"cs":{text(source)},"cm":{text(medium)},', ""
        return "", f"utm_source={source}&utm_medium={medium}&utm_campaign={name.replace(' ', '+')}"

    def _agent(self, number: int, luck: int) -> str:
        visits = self.plan.visits
        if visits.bot[number]:
            return audience.BOT_AGENTS[luck % len(audience.BOT_AGENTS)] if luck else audience.MONITOR_AGENT
        return audience.APP_AGENT if SHOPS[visits.shop[number]].is_app else audience.AGENTS[self._traits.agent[number]]

    def page(self, shop_number: int, location: int) -> PageText:
        """A page of a shop, or a screen of its app."""
        shop = SHOPS[shop_number]
        if location < len(PAGES):
            path, title = PAGES[location]
        else:
            article = product(location - len(PAGES))
            path, title = f"/p/{article.sku}/{article.name.replace(' ', '-')}", article.name
        if shop.is_app:
            page = PageText("null", f'"an":{text(shop.name)},"av":"4.2.1","cd":{text(title)},')
        else:
            address = text(f"https://{shop.host}{path}")
            page = PageText(address, f'"dl":{address},"dt":{text(f"{title} | {shop.name}")},')
        self.pages[shop_number, location] = page
        return page

    def product(self, number: int, currency: str, index: int = 1) -> str:
        """The parameters of a product, as the `index`-th of its hit."""
        if index == 1:
            known = self._products.get((number, currency))
            if known is not None:
                return known
        article = product(number)
        pr = f'"pr{index}'
        parameters = (
            f'{pr}id":"{article.sku}",{pr}nm":{text(article.name)},{pr}br":{text(article.brand)},'
            f'{pr}ca":{text(article.category)},{pr}va":"{article.variant}",'
            f'{pr}pr":"{money(exchange(article.cents, currency), currency)}",'
        )
        if index == 1:
            self._products[number, currency] = parameters
        return parameters


def landing(page: PageText, query: str) -> PageText:
    """A page whose address ends in a campaign's query; a screen has no address."""
    if page.address == "null":
        return page
    address = f'{page.address[:-1]}{"&" if "?" in page.address else "?"}{query}"'
    return PageText(address, page.parameters.replace(page.address, address, 1))
