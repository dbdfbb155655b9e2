"""Sends events to the collector at argv[1] with ga4mp, Segment's and RudderStack's libraries, unchanged but for the host.

A program of its own: RudderStack's library reads `.env` when it is imported, and all of them send from threads that outlive a test.
Prints what Google's validation would have said of the first event. An event that a library gives up on ends it with an error.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from datetime import datetime, timedelta

import rudderstack.analytics as rudder
from ga4mp import FirebaseMP, GtagMP
from segment.analytics.client import Client

PRODUCT = {"product_id": "SKU1", "price": 12.5, "quantity": 1}
ORDER = {"order_id": "T1", "total": 12.5, "currency": "EUR", "products": [PRODUCT]}
failures: list[object] = []


def purchase(library: GtagMP) -> dict[str, object]:
    event = library.create_new_event("purchase")
    for name, value in {"transaction_id": "T1", "value": 12.5, "currency": "EUR", "items": []}.items():
        event.set_event_param(name, value)
    item = event.create_new_item(item_id="SKU1")
    item.set_parameter("price", 12.5)
    item.set_parameter("quantity", 1)
    event.add_item_to_event(item)
    return event


def ga4(to: str) -> None:
    site = GtagMP(api_secret="secret", measurement_id="G-1", client_id="g1")
    app = FirebaseMP(api_secret="secret", firebase_app_id="1:2:web:3", app_instance_id="f1")
    for library in (site, app):
        library._base_domain = f"{to}/mp/collect"
        library._validation_domain = f"{to}/debug/mp/collect"
    site.store.set_user_property("user_id", "ann")
    answers: list[bytes] = []
    urlopen = urllib.request.urlopen

    def heard(*arguments, **named):  # type: ignore[no-untyped-def]
        answer = urlopen(*arguments, **named)
        answers.append(answer.read())
        return answer

    urllib.request.urlopen = heard
    site.send([purchase(site)], validation_hit=True)
    urllib.request.urlopen = urlopen
    print(json.dumps(json.loads(answers[0])))
    site.send([purchase(site)])
    # More than a request takes: sent as two.
    site.send([{"name": "scroll", "params": {"n": number}} for number in range(30)])
    site.send([{"name": "dated", "params": {}}], date=datetime.now() - timedelta(hours=1))
    # The library's postponed events are an object where the protocol has a list.
    site.send([{"name": "postponed", "params": {}}], postpone=True)
    site.postponed_send()
    app.send([{"name": "screen_view", "params": {"screen_name": "Home"}}])


def segment(to: str) -> None:
    for number, gzip in enumerate((False, True)):
        client = Client("segment", host=to, gzip=gzip, on_error=lambda error, batch: failures.append(error))
        client.page(anonymous_id=f"s{number}", name="Home", properties={"url": "https://shop.example/"})
        client.identify(user_id="ann", anonymous_id=f"s{number}", traits={"plan": "gold"})
        client.track(anonymous_id=f"s{number}", event="Order Completed", properties=ORDER)
        client.shutdown()


def rudderstack(to: str) -> None:
    rudder.write_key, rudder.dataPlaneUrl = "rudder", to
    rudder.on_error = lambda error, batch: failures.append(error)
    rudder.track(anonymous_id="r1", event="Order Completed", properties=ORDER)
    rudder.page(anonymous_id="r1", name="Home", properties={"url": "https://shop.example/"})
    rudder.screen(anonymous_id="r1", name="Cart")
    rudder.group(user_id="ann", anonymous_id="r1", group_id="g")
    rudder.alias(previous_id="r1", user_id="ann")
    rudder.shutdown()


if __name__ == "__main__":
    for client in (ga4, segment, rudderstack):
        client(sys.argv[1])
    sys.exit(f"{failures}" if failures else 0)
