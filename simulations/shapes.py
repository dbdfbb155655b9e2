"""The shapes of the traffic: quantiles and weights, after the published figures of the Coveo data set.

The data set's authors and its users report, for 36,079,307 browsing events: 4,934,699 sessions of 1 to 206 events
(quartiles 2, 3 and 8, ninth decile 17, 95th percentile 27, mean 7.3); 28.9 % of the events concern a product
(9,707,890 details, 329,557 adds, 316,316 removes, 77,848 purchases); 66.1 % of the sessions look at a product's page,
4.35 % add one to the cart, 1.16 % take one out, 1.08 % buy; 57,483 products; prices in ten quantile buckets. The hour
and weekday curves are those of a European and American shop seen in UTC. No row of the data set is in here.
"""

from __future__ import annotations

from collections.abc import Sequence

# (shares, values): what share of the draws lies below a value.
Shape = tuple[Sequence[float], Sequence[float]]

SESSION_LENGTH: Shape = (  # hits
    (0.0, 0.18, 0.26, 0.48, 0.57, 0.75, 0.90, 0.95, 0.99, 0.999, 1.0),
    (1.0, 2.0, 2.5, 3.0, 4.0, 8.3, 17.1, 27.1, 50.0, 105.0, 207.0),
)
GAP_S: Shape = (  # seconds between two hits of a visit; a pause of 30 minutes makes it two sessions
    (0.0, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 0.996, 1.0),
    (0.4, 8.0, 22.0, 55.0, 150.0, 480.0, 1200.0, 1750.0, 2900.0),
)
HOUR_WEIGHTS = (
    2.2, 1.6, 1.2, 0.9, 0.8, 1.0, 1.6, 2.6, 3.9, 4.8, 5.3, 5.5,
    5.6, 5.7, 5.8, 5.9, 6.0, 6.1, 6.4, 6.9, 7.0, 6.2, 4.7, 3.3,
)  # fmt: skip
WEEKDAY_FACTORS = (1.06, 1.03, 1.02, 1.01, 0.96, 0.89, 1.03)  # Monday first

ORDER_PRODUCTS: Shape = ((0.0, 0.72, 0.88, 0.95, 0.99, 1.0), (1.0, 2.0, 3.0, 4.0, 6.0, 15.0))
RETRY_DELAY_S: Shape = ((0.0, 0.5, 0.7, 0.85, 0.95, 1.0), (1.0, 10.0, 60.0, 3600.0, 14000.0, 70000.0))
RELOAD_DELAY_S: Shape = ((0.0, 0.6, 0.85, 1.0), (3.0, 60.0, 1700.0, 10800.0))
QUEUE_S: Shape = ((0.0, 0.5, 0.9, 1.0), (1.0, 60.0, 3600.0, 14400.0))
DELIVERY_LAG_MIN: Shape = ((0.0, 0.6, 0.9, 1.0), (20.0, 90.0, 480.0, 1435.0))

# The chance that a visit of so many hits (1, 2, 3, 4 to 7, 8 and more) looks at a product's page, ...
DETAIL_BY_LENGTH = (0.45, 0.62, 0.72, 0.86, 0.96)
# ... puts something into the cart (given that it looked), and buys (given the cart), when it is long enough.
ADD_CHANCE, ADD_MIN_HITS = 0.112, 4
BUY_CHANCE, BUY_MIN_HITS = 0.33, 6
REMOVE_CHANCE = 0.37  # of visits with a cart
DETAIL_SHARE = 0.26  # of the other hits of a visit that looks at products

# What the remaining hits are: a page, a list of products, a page with promotions, then events of several sorts.
OTHER_HITS = {
    "page": 0.60,
    "product_list": 0.14,
    "promotions": 0.03,
    "event": 0.135,
    "click": 0.04,
    "promotion_click": 0.01,
    "timing": 0.03,
    "exception": 0.005,
    "social": 0.01,
}

PRODUCTS = 57_483
# Popularity falls with rank about as 1 / (rank + 60): a tenth of the products draws two thirds of the looks.
POPULARITY_OFFSET = 60

# Upper limits of the ten price buckets, in hundredths of the common currency.
PRICE_BUCKETS = (0, 399, 799, 1299, 1999, 2999, 4499, 6999, 11_999, 24_999, 129_999)
