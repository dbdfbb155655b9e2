"""What a hit says beyond who sent it and from where, by kind: its type, its event, its products.

Each function gives the parameters as a stretch of a JSON object, with a comma at its end.
"""

from __future__ import annotations

from collections.abc import Callable

from simulations.audience import SHOPS, money
from simulations.catalog import BRANDS
from simulations.plan import IMPRESSIONS, KINDS, PROMOTIONS, REFUND_LINES, shown
from simulations.shapes import PRODUCTS
from simulations.wording import VisitText, Wording, text

Content = Callable[[Wording, VisitText, int, int], str]  # wording, visit, row, the hit's luck

_EVENTS = (
    '"t":"event","ec":"video","ea":"play","el":"How it is made","ev":"0",',
    '"t":"event","ec":"newsletter","ea":"subscribe","ev":"1",',
    '"t":"event","ec":"search","ea":"submit","el":"Winter Boots",',
    '"t":"event","ec":"filter","ea":"set","el":"Größe: 42","ev":"42","ni":"1",',
    '"t":"event","ec":"scroll","ea":"75%",',
)


def _constant(content: str) -> Content:
    return lambda wording, visit, row, luck: content


def _product(hit: str, action: str, more: str = "") -> Content:
    def content(wording: Wording, visit: VisitText, row: int, luck: int) -> str:
        product = wording.product(int(wording.plan.hits.product[row]), visit.currency)
        quantity = more.replace("{quantity}", str(1 + luck % 3))
        return f'{hit}"pa":"{action}","cu":"{visit.currency}",{product}{quantity}'

    return content


def _product_event(action: str, more: str = "") -> Content:
    return _product(f'"t":"event","ec":"ecommerce","ea":"{action}",', action, more)


def _product_list(wording: Wording, visit: VisitText, row: int, luck: int) -> str:
    first = int(wording.plan.hits.product[row])
    numbers = ((first + 7919 * k) % PRODUCTS for k in range(shown(IMPRESSIONS, luck)))
    products = "".join(
        f'"il1pi{i}id":"SKU-{number:05d}","il1pi{i}br":"{BRANDS[number % 8]}","il1pi{i}ps":"{i - 1}",'
        for i, number in enumerate(numbers, 1)
    )
    return f'"t":"pageview","cu":"{visit.currency}","il1nm":"Recommended",{products}'


def _promotion(i: int, luck: int) -> str:
    name = ("Winter sale", "Free shipping", "Neu: Zelte")[(luck + i) % 3]
    return f'"promo{i}id":"P{(luck + i) % 3}","promo{i}nm":"{name}","promo{i}cr":"banner","promo{i}ps":"slot{i}",'


def _promotions(wording: Wording, visit: VisitText, row: int, luck: int) -> str:
    return '"t":"pageview",' + "".join(_promotion(i, luck) for i in range(1, shown(PROMOTIONS, luck) + 1))


def _promotion_click(wording: Wording, visit: VisitText, row: int, luck: int) -> str:
    return '"t":"event","ec":"promotions","ea":"click","promoa":"click",' + _promotion(1, luck)


def _checkout_option(wording: Wording, visit: VisitText, row: int, luck: int) -> str:
    option = ("card", "invoice", "PayPal")[luck % 3]
    return f'"t":"event","ec":"ecommerce","ea":"option","pa":"checkout_option","cos":"2","col":"{option}",'


def _purchase(wording: Wording, visit: VisitText, row: int, luck: int) -> str:
    hits, currency = wording.plan.hits, visit.currency
    order, reload = wording.plan.orders[int(hits.origin[row])], int(hits.reload[row])
    ti = order.transaction_id
    if ti is not None and reload:
        # Shops do not always trim an order's number.
        ti = (ti, f" {ti} ", f"{ti}  ")[reload % 3]
    products = "".join(
        f'{wording.product(number, currency, i)}"pr{i}qt":"{quantity}",'
        for i, (number, quantity) in enumerate(order.lines, 1)
    )
    return (
        ('"t":"pageview",' if luck % 4 else '"t":"event","ec":"ecommerce","ea":"purchase","ni":"1",')
        + f'"pa":"purchase","cu":"{currency}",'
        + (f'"ti":"{ti}",' if ti else "")
        + f'"ta":{text(SHOPS[visit.shop].name)},"tr":"{money(order.revenue, currency)}",'
        + f'"tt":"{money(order.tax, currency)}","ts":"{money(order.shipping, currency)}",'
        + (f'"tcc":"{order.coupon}",' if order.coupon else "")
        + products
    )


def _refund(wording: Wording, visit: VisitText, row: int, luck: int) -> str:
    part = f'"pr1id":"SKU-{luck % PRODUCTS:05d}","pr1qt":"1",' if shown(REFUND_LINES, luck) else ""
    return f'"t":"event","ec":"ecommerce","ea":"refund","ni":"1","pa":"refund","ti":"Old-{luck % 10**9:09d}",{part}'


def _event(wording: Wording, visit: VisitText, row: int, luck: int) -> str:
    return _EVENTS[luck % len(_EVENTS)]


def _timing(wording: Wording, visit: VisitText, row: int, luck: int) -> str:
    return f'"t":"timing","utc":"load","utv":"first paint","utt":"{luck % 3001}","plt":"{luck % 7001}",'


def _exception(wording: Wording, visit: VisitText, row: int, luck: int) -> str:
    return f'"t":"exception","exd":"TypeError: x is undefined","exf":"{luck % 2}",'


_BY_KIND: dict[str, Content] = {
    "page": _constant('"t":"pageview",'),
    "screen": _constant('"t":"screenview",'),
    "product_list": _product_list,
    "promotions": _promotions,
    "promotion_click": _promotion_click,
    "detail_page": _product('"t":"pageview",', "detail"),
    "detail_event": _product_event("detail"),
    "click": _product_event("click", '"pal":"Search results","pr1ps":"0",'),
    "add": _product_event("add", '"pr1qt":"{quantity}",'),
    "remove": _product_event("remove", '"pr1qt":"{quantity}",'),
    "checkout": _product('"t":"pageview","cos":"1",', "checkout", '"pr1qt":"1",'),
    "checkout_option": _checkout_option,
    "purchase": _purchase,
    "refund": _refund,
    "event": _event,
    "timing": _timing,
    "exception": _exception,
    "social": _constant('"t":"social","sn":"pinterest","sa":"pin","st":"/magazine/How-to-wax-a-jacket",'),
}
CONTENT = [_BY_KIND[kind] for kind in KINDS]
