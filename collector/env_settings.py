"""What the settings of the platform and of the simulator are made of: pydantic-settings, with the rules of this project.

A field's alias is the variable's name, exactly as written. An empty value, or one of blanks, counts as unset. A value that cannot be
used is refused in one line (`SettingsError`) that says what to write. The collector itself reads with the standard library
(settings.py), which is all that Lambda has; it does not come here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from collector.settings import SettingsError


class EnvironmentSettings(BaseSettings):
    """Settings out of an environment, read once. Frozen."""

    model_config = SettingsConfigDict(frozen=True, case_sensitive=True, extra="ignore", validate_default=False)

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Self:
        """From `environ`, by default the process's environment. Raises SettingsError."""
        given: dict[str, Any] = {"environ": os.environ if environ is None else environ}
        try:
            return cls(**given)
        except ValidationError as refused:
            # The first will do: whoever corrects it is told of the next. Without a cause, which would quote a secret.
            fault = refused.errors(include_url=False)[0]
            name = ".".join(str(part) for part in fault["loc"])
            reason = fault.get("ctx", {}).get("error", fault["msg"])
            raise SettingsError(f"{name} {reason}".strip()) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment that `read` was given, and nothing else: `.env` has a reader of its own (env_file.py)."""
        assert isinstance(init_settings, InitSettingsSource) and isinstance(env_settings, EnvSettingsSource)
        environ = init_settings.init_kwargs["environ"]
        env_settings.env_vars = {name: value.strip() for name, value in environ.items() if value.strip()}
        return (env_settings,)


def one_of(*choices: str) -> BeforeValidator:
    """One of these words."""

    def check(text: str) -> str:
        if text not in choices:
            raise ValueError(f"is {text!r}; write one of: {', '.join(choices)}")
        return text

    return BeforeValidator(check)


def _yes_or_no(text: object) -> bool:
    known = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if f"{text}".lower() not in known:
        raise ValueError(f"is {text!r}; write true or false")
    return known[f"{text}".lower()]


YES_OR_NO = BeforeValidator(_yes_or_no)
"""true or false, or the like."""


def whole_number(lowest: int, highest: int) -> BeforeValidator:
    """A whole number from `lowest` to `highest`, in digits."""

    def check(text: str) -> int:
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            raise ValueError(f"is {text!r}; write a whole number from {lowest} to {highest}")
        return int(text)

    return BeforeValidator(check)


def _address(text: str) -> str:
    # Not quoted: it may be a secret.
    if not text.startswith(("http://", "https://")) or not text.partition("://")[2].strip("/"):
        raise ValueError("does not start with http:// or https://; write a whole address")
    return text


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"is {text!r}; write a date such as 2026-01-01") from None
    if day.year < 2000:
        raise ValueError(f"is {text}; write a date of this century, such as 2026-01-01")
    return day


Address = Annotated[str, BeforeValidator(_address)]
"""A whole http address."""

Day = Annotated[date, BeforeValidator(_date)]
"""A date of this century, in ISO format."""
