"""Code versions of models: digests of their compiled SQL without comments and layout, with that of all they are made from."""

from __future__ import annotations

from functools import lru_cache

import sqlglot


@lru_cache(maxsize=256)  # a plan asks, and so does the run after it
def normalized(sql: str) -> str:
    """`sql` without comments and layout: its tokens, as the tokenizer of a dialect that both warehouses' SQL is close to sees them.

    Names and keywords keep their case: what does not change a result may still change a version, never the other way round.
    """
    return " ".join(f"{token.token_type.name} {token.text}" for token in sqlglot.tokenize(sql, read="duckdb"))
