"""The `.env` block that points the platform at this stack. It holds names and addresses, never a secret."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi


def env_block(values: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """`NAME=value` lines in the given order, ready to append to a `.env` file."""
    return pulumi.Output.all(**values).apply(lambda known: "".join(f"{name}={known[name]}\n" for name in values))
