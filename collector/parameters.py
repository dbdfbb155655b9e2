"""The parameters of Google's Measurement Protocol v1: one row a parameter, by name, meaning, type and longest value.

An underscore in a name stands for an index: `pr_id` is pr1id to pr200id, `il_pi_cd_` is il1pi1cd1 and so on, each index
within the bound of the letters before it (`INDEX_BOUNDS`). Data only; `collector.contract` gives it its meaning. The
protocol lists `ti`, `ta`, `tr`, `ts` and `tt` in two groups, hence 113 entries under 108 names.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What a value has to look like. Values travel as text; a kind says how that text may be read."""

    TEXT = "text"
    INTEGER = "integer"
    CURRENCY = "currency"
    NUMBER = "number"
    BOOLEAN = "boolean"


class Parameter(NamedTuple):
    """One row: `max_bytes` counts UTF-8 bytes, None where the protocol sets no limit."""

    name: str
    meaning: str
    kind: Kind
    max_bytes: int | None = None


TEXT, INTEGER, CURRENCY, NUMBER, BOOLEAN = Kind.TEXT, Kind.INTEGER, Kind.CURRENCY, Kind.NUMBER, Kind.BOOLEAN

PARAMETERS: tuple[Parameter, ...] = (
    Parameter("v", "Protocol Version", TEXT),
    Parameter("tid", "Tracking ID / Web Property ID", TEXT),
    Parameter("aip", "Anonymize IP", BOOLEAN),
    Parameter("ds", "Data Source", TEXT),
    Parameter("qt", "Queue Time", INTEGER),
    Parameter("z", "Cache Buster", TEXT),
    Parameter("cid", "Client ID", TEXT),
    Parameter("uid", "User ID", TEXT),
    Parameter("sc", "Session Control", TEXT),
    Parameter("uip", "IP Override", TEXT),
    Parameter("ua", "User Agent Override", TEXT),
    Parameter("geoid", "Geographical Override", TEXT),
    Parameter("dr", "Document Referrer", TEXT, 2048),
    Parameter("cn", "Campaign Name", TEXT, 100),
    Parameter("cs", "Campaign Source", TEXT, 100),
    Parameter("cm", "Campaign Medium", TEXT, 50),
    Parameter("ck", "Campaign Keyword", TEXT, 500),
    Parameter("cc", "Campaign Content", TEXT, 500),
    Parameter("ci", "Campaign ID", TEXT, 100),
    Parameter("gclid", "Google AdWords ID", TEXT),
    Parameter("dclid", "Google Display Ads ID", TEXT),
    Parameter("sr", "Screen Resolution", TEXT, 20),
    Parameter("vp", "Viewport size", TEXT, 20),
    Parameter("de", "Document Encoding", TEXT, 20),
    Parameter("sd", "Screen Colors", TEXT, 20),
    Parameter("ul", "User Language", TEXT, 20),
    Parameter("je", "Java Enabled", BOOLEAN),
    Parameter("fl", "Flash Version", TEXT, 20),
    Parameter("t", "Hit type", TEXT),
    Parameter("ni", "Non-Interaction Hit", BOOLEAN),
    Parameter("dl", "Document location URL", TEXT, 2048),
    Parameter("dh", "Document Host Name", TEXT, 100),
    Parameter("dp", "Document Path", TEXT, 2048),
    Parameter("dt", "Document Title", TEXT, 1500),
    Parameter("cd", "Screen Name", TEXT, 2048),
    Parameter("cg_", "Content Group", TEXT, 100),
    Parameter("linkid", "Link ID", TEXT),
    Parameter("an", "Application Name", TEXT, 100),
    Parameter("aid", "Application ID", TEXT, 150),
    Parameter("av", "Application Version", TEXT, 100),
    Parameter("aiid", "Application Installer ID", TEXT, 150),
    Parameter("ec", "Event Category", TEXT, 150),
    Parameter("ea", "Event Action", TEXT, 500),
    Parameter("el", "Event Label", TEXT, 500),
    Parameter("ev", "Event Value", INTEGER),
    Parameter("ti", "Transaction ID", TEXT, 500),
    Parameter("ta", "Transaction Affiliation", TEXT, 500),
    Parameter("tr", "Transaction Revenue", CURRENCY),
    Parameter("ts", "Transaction Shipping", CURRENCY),
    Parameter("tt", "Transaction Tax", CURRENCY),
    Parameter("in", "Item Name", TEXT, 500),
    Parameter("ip", "Item Price", CURRENCY),
    Parameter("iq", "Item Quantity", INTEGER),
    Parameter("ic", "Item Code", TEXT, 500),
    Parameter("iv", "Item Category", TEXT, 500),
    Parameter("pr_id", "Product SKU", TEXT, 500),
    Parameter("pr_nm", "Product Name", TEXT, 500),
    Parameter("pr_br", "Product Brand", TEXT, 500),
    Parameter("pr_ca", "Product Category", TEXT, 500),
    Parameter("pr_va", "Product Variant", TEXT, 500),
    Parameter("pr_pr", "Product Price", CURRENCY),
    Parameter("pr_qt", "Product Quantity", INTEGER),
    Parameter("pr_cc", "Product Coupon Code", TEXT, 500),
    Parameter("pr_ps", "Product Position", INTEGER),
    Parameter("pr_cd_", "Product Custom Dimension", TEXT, 150),
    Parameter("pr_cm_", "Product Custom Metric", INTEGER),
    Parameter("pa", "Product Action", TEXT),
    Parameter("tcc", "Coupon Code", TEXT),
    Parameter("pal", "Product Action List", TEXT),
    Parameter("cos", "Checkout Step", INTEGER),
    Parameter("col", "Checkout Step Option", TEXT),
    Parameter("il_nm", "Product Impression List Name", TEXT),
    Parameter("il_pi_id", "Product Impression SKU", TEXT),
    Parameter("il_pi_nm", "Product Impression Name", TEXT),
    Parameter("il_pi_br", "Product Impression Brand", TEXT),
    Parameter("il_pi_ca", "Product Impression Category", TEXT),
    Parameter("il_pi_va", "Product Impression Variant", TEXT),
    Parameter("il_pi_ps", "Product Impression Position", INTEGER),
    Parameter("il_pi_pr", "Product Impression Price", CURRENCY),
    Parameter("il_pi_cd_", "Product Impression Custom Dimension", TEXT),
    Parameter("il_pi_cm_", "Product Impression Custom Metric", INTEGER),
    Parameter("promo_id", "Promotion ID", TEXT),
    Parameter("promo_nm", "Promotion Name", TEXT),
    Parameter("promo_cr", "Promotion Creative", TEXT),
    Parameter("promo_ps", "Promotion Position", TEXT),
    Parameter("promoa", "Promotion Action", TEXT),
    Parameter("cu", "Currency Code", TEXT, 10),
    Parameter("sn", "Social Network", TEXT, 50),
    Parameter("sa", "Social Action", TEXT, 50),
    Parameter("st", "Social Action Target", TEXT, 2048),
    Parameter("utc", "User timing category", TEXT, 150),
    Parameter("utv", "User timing variable name", TEXT, 500),
    Parameter("utt", "User timing time", INTEGER),
    Parameter("utl", "User timing label", TEXT, 500),
    Parameter("plt", "Page Load Time", INTEGER),
    Parameter("dns", "DNS Time", INTEGER),
    Parameter("pdt", "Page Download Time", INTEGER),
    Parameter("rrt", "Redirect Response Time", INTEGER),
    Parameter("tcp", "TCP Connect Time", INTEGER),
    Parameter("srt", "Server Response Time", INTEGER),
    Parameter("dit", "DOM Interactive Time", INTEGER),
    Parameter("clt", "Content Load Time", INTEGER),
    Parameter("exd", "Exception Description", TEXT, 150),
    Parameter("exf", "Is Exception Fatal?", BOOLEAN),
    Parameter("cd_", "Custom Dimension", TEXT, 150),
    Parameter("cm_", "Custom Metric", NUMBER),
    Parameter("xid", "Experiment ID", TEXT, 40),
    Parameter("xvar", "Experiment Variant", TEXT),
)

# Highest index each family takes; the lowest is 1.
INDEX_BOUNDS = {"pr": 200, "il": 200, "pi": 200, "promo": 200, "cd": 200, "cm": 200, "cg": 5}

# Parameters that take one of a few words.
CHOICES: dict[str, frozenset[str]] = {
    "t": frozenset({"pageview", "screenview", "event", "transaction", "item", "social", "exception", "timing"}),
    "pa": frozenset({"detail", "click", "add", "remove", "checkout", "checkout_option", "purchase", "refund"}),
    "promoa": frozenset({"click", "view"}),
    "sc": frozenset({"start", "end"}),
}

# Parameters that the protocol wants to be zero or more.
NON_NEGATIVE = frozenset({"qt", "ev"})
