"""What a v1 hit says, taken out of it bit by bit: what is left at the end is what another protocol cannot say."""

from __future__ import annotations

import re
from collections.abc import Mapping

Hit = dict[str, str]

# Said by v1 alone, and in no figure.
UNSAID = ("v", "ni", "vp", "de", "sd")

_PRODUCT = re.compile(r"pr([1-9][0-9]*)([a-z]{2})")
_PROMOTION = "promo1"


def take(hit: Hit, names: Mapping[str, str]) -> Hit:
    """The parameters that `names` has, under their names in another protocol."""
    return {other: hit.pop(name) for name, other in names.items() if name in hit}


def take_products(hit: Hit, names: Mapping[str, str]) -> list[Hit]:
    """The products in order; a field is v1's letters behind prN, or what `names` has for them. One that `names` lacks stays."""
    products: dict[int, Hit] = {}
    for name in [name for name in hit if name.startswith("pr")]:
        found = _PRODUCT.fullmatch(name)
        if found and found[2] in names:
            products.setdefault(int(found[1]), {})[names[found[2]]] = hit.pop(name)
    return [products[number] for number in sorted(products)]


def take_promotion(hit: Hit, names: Mapping[str, str]) -> Hit:
    """The fields of the first promotion; of further ones nothing is taken."""
    return take(hit, {_PROMOTION + letters: other for letters, other in names.items()})


def with_numbers(values: Hit, numeric: frozenset[str]) -> dict[str, str | int | float]:
    """The values as JSON, where those of these names are numbers."""
    return {
        name: (float(text) if "." in text else int(text)) if name in numeric else text for name, text in values.items()
    }
