"""How the platform signs in to Snowflake, and what a failure to do so means, in one line.

In: the environment. SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER, SNOWFLAKE_PRIVATE_KEY (the PEM text, or the path of the file that holds it),
SNOWFLAKE_PRIVATE_KEY_PASSPHRASE, SNOWFLAKE_ROLE, SNOWFLAKE_WAREHOUSE, SNOWFLAKE_DATABASE. With INGEST_ENV=emulated only
SNOWFLAKE_PORT (and SNOWFLAKE_HOST): the emulator takes any user. Out: dagster-snowflake's connections, tagged, in UTC.

There is no password anywhere. Nothing is read before a connection is asked for, and no message holds a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion_platform.resources.proposals import WarehouseError
from ingestion_platform.settings import Environment

if TYPE_CHECKING:
    from dagster_snowflake import SnowflakeResource
    from snowflake.connector import SnowflakeConnection

REQUIRED = (
    "SNOWFLAKE_ACCOUNT",
    "SNOWFLAKE_USER",
    "SNOWFLAKE_PRIVATE_KEY",
    "SNOWFLAKE_ROLE",
    "SNOWFLAKE_WAREHOUSE",
    "SNOWFLAKE_DATABASE",
)
EMULATED_DEFAULTS = {
    "SNOWFLAKE_ROLE": "TRANSFORMER",
    "SNOWFLAKE_WAREHOUSE": "TRANSFORMING",
    "SNOWFLAKE_DATABASE": "CLICKSTREAM",
}
"""dbt_models/profiles.yml has the same."""

_LOGIN_SECONDS = 60
# The connector repeats a request that gets no proper answer until this is over.
_EMULATOR_SECONDS = 20


@dataclass(frozen=True)
class SnowflakeAccess:
    """What a connection needs. `secret` is left out of the representation."""

    user: str
    role: str
    warehouse: str
    database: str
    secret: Mapping[str, Any] = field(repr=False)

    def resource(self, query_tag: str, login_seconds: int = _LOGIN_SECONDS) -> SnowflakeResource:
        """dagster-snowflake's resource; statements that go through it carry `query_tag`."""
        from dagster_snowflake import SnowflakeResource

        extra = {
            "session_parameters": {"QUERY_TAG": query_tag, "TIMEZONE": "UTC", "CLIENT_TELEMETRY_ENABLED": False},
            # Bound on the server, so that a percent sign in SQL is a percent sign.
            "paramstyle": "qmark",
        }
        given = dict(self.secret)
        extra |= given.pop("additional_snowflake_connection_args", {})
        return SnowflakeResource(
            user=self.user,
            role=self.role,
            warehouse=self.warehouse,
            database=self.database,
            schema="RAW",
            autocommit=True,
            login_timeout=login_seconds,
            additional_snowflake_connection_args=extra,
            **given,
        )


def missing(environ: Mapping[str, str]) -> list[str]:
    """Names of the variables that production needs and `environ` lacks."""
    return [name for name in REQUIRED if not environ.get(name, "").strip()]


def read_access(environ: Mapping[str, str]) -> SnowflakeAccess:
    """Everything a connection needs, from the environment. Raises WarehouseError that names what is missing."""
    emulated = environ.get("INGEST_ENV") == Environment.EMULATED
    values = {name: value.strip() for name, value in environ.items() if name.startswith("SNOWFLAKE_") and value.strip()}
    if emulated:
        values = {**EMULATED_DEFAULTS, **values}
        secret = _emulator(values)
    else:
        absent = missing(values)
        if absent:
            raise WarehouseError(
                f"set in the environment: {', '.join(absent)} (docs/production.md says where each comes from)"
            )
        secret = {"account": values["SNOWFLAKE_ACCOUNT"], "private_key": private_key(values)}
    return SnowflakeAccess(
        user=values.get("SNOWFLAKE_USER", "fake"),
        role=values["SNOWFLAKE_ROLE"],
        warehouse=values["SNOWFLAKE_WAREHOUSE"],
        database=values["SNOWFLAKE_DATABASE"],
        secret=secret,
    )


def _emulator(values: Mapping[str, str]) -> dict[str, Any]:
    port = values.get("SNOWFLAKE_PORT", "")
    if not port.isdigit():
        raise WarehouseError("SNOWFLAKE_PORT is not set; INGEST_ENV=emulated needs the port of the fakesnow server")
    place = {"host": values.get("SNOWFLAKE_HOST", "127.0.0.1"), "port": int(port), "protocol": "http"}
    return {
        "account": "fakesnow",
        "password": "fake",
        "network_timeout": _EMULATOR_SECONDS,
        "additional_snowflake_connection_args": place,
    }


def private_key(values: Mapping[str, str]) -> str:
    """The opened key as PEM text. Raises WarehouseError, which never quotes the key."""
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    given = values["SNOWFLAKE_PRIVATE_KEY"]
    if "-----BEGIN" in given:
        # One line of an .env file spells its line ends \n.
        pem = given.replace("\\n", "\n").encode()
    else:
        try:
            pem = Path(given).expanduser().read_bytes()
        except (OSError, ValueError):
            raise WarehouseError(
                "SNOWFLAKE_PRIVATE_KEY is neither PEM text nor the path of a file that can be read"
            ) from None
    passphrase = values.get("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE")
    try:
        key = load_pem_private_key(pem, passphrase.encode() if passphrase else None)
    except (TypeError, ValueError):
        why = (
            "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE does not open it"
            if passphrase
            else "if it is encrypted, set SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"
        )
        raise WarehouseError(f"SNOWFLAKE_PRIVATE_KEY holds no private key in PEM form; {why}") from None
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@contextmanager
def connection(
    access: SnowflakeAccess, query_tag: str, login_seconds: int = _LOGIN_SECONDS
) -> Iterator[SnowflakeConnection]:
    """An open connection, closed whatever happens. Errors of Snowflake come out as WarehouseError, in one line."""
    from snowflake.connector.errors import Error

    try:
        with access.resource(query_tag, login_seconds).get_connection() as opened:
            try:
                yield opened
            finally:
                opened.close()
    except Error as error:
        raise WarehouseError(explain(error, access)) from error


def explain(error: Any, access: SnowflakeAccess) -> str:
    """What an error of the connector asks for: the variable or the grant, in one line."""
    text = " ".join(str(getattr(error, "msg", None) or error).split())
    low = text.lower()
    number = getattr(error, "errno", None)
    if "jwt token is invalid" in low or number in (390144, 394304):
        advice = f"SNOWFLAKE_PRIVATE_KEY does not fit the public key of user {access.user}: alter user {access.user} set rsa_public_key"
    elif "incorrect username or password" in low or number == 390100:
        advice = "SNOWFLAKE_USER is not a user of SNOWFLAKE_ACCOUNT, or has no public key"
    elif ("role" in low and ("not granted" in low or "specified in the connect string" in low)) or number == 390189:
        advice = f"SNOWFLAKE_ROLE={access.role}: grant role {access.role} to user {access.user}"
    elif "no active warehouse" in low or number == 606:
        advice = f"SNOWFLAKE_WAREHOUSE={access.warehouse} is missing or not granted: grant usage on warehouse {access.warehouse} to role {access.role}"
    elif "resource monitor" in low or "exceeded its quota" in low:
        advice = f"warehouse {access.warehouse} is stopped by its resource monitor: raise the credit quota or wait for the next month"
    elif "suspended" in low or "cannot be resumed" in low:
        advice = f"warehouse {access.warehouse} is suspended: alter warehouse {access.warehouse} set auto_resume = true"
    elif "stage" in low and "does not exist" in low:
        advice = f"grant usage on stage {access.database}.RAW.ARCHIVE to role {access.role} (pulumi up makes the stage)"
    elif "does not exist or not authorized" in low or "insufficient privileges" in low or number == 3001:
        advice = f"missing, or role {access.role} may not use it (SNOWFLAKE_DATABASE={access.database}); infra/ makes objects and grants"
    elif number in (250001, 250003, 290404) or "could not connect" in low or "failed to connect" in low:
        advice = "SNOWFLAKE_ACCOUNT is wrong or cannot be reached from here"
    else:
        return f"Snowflake: {text[:400]}"
    return f"{advice} (Snowflake: {text[:160]})"
