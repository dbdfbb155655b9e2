"""Signing in: what is missing or wrong is one line that names the variable or the grant, and no line holds a secret."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from dbt.cli.main import dbtRunner
from dbt.config.runtime import load_profile

from ingestion_platform.resources.proposals import WarehouseError
from ingestion_platform.resources.snowflake.check import check
from ingestion_platform.resources.snowflake.connection import REQUIRED, explain, read_access
from ingestion_platform.resources.snowflake.warehouse import SnowflakeWarehouse

MODELS = Path(__file__).parents[2] / "dbt_models"
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def environ(key: rsa.RSAPrivateKey) -> dict[str, str]:
    """What production needs, complete."""
    pem = key.private_bytes(PEM, PKCS8, serialization.NoEncryption()).decode()
    return {**{name: name.lower() for name in REQUIRED}, "INGEST_ENV": "production", "SNOWFLAKE_PRIVATE_KEY": pem}


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_variable_is_named(environ: dict[str, str], name: str) -> None:
    """Nothing falls back to a default in production."""
    environ[name] = " "
    with pytest.raises(WarehouseError, match=f"^set in the environment: {name} ") as caught:
        read_access(environ)
    assert "\n" not in str(caught.value)


def test_the_key_comes_as_text_in_one_line_or_from_a_file(
    environ: dict[str, str], key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    """PEM text, PEM text with \\n spelled out (an .env file), a path, and an encrypted key with its passphrase are one key."""
    plain = environ["SNOWFLAKE_PRIVATE_KEY"]
    locked = key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"pass phrase")).decode()
    (tmp_path / "key.p8").write_text(plain)
    forms = [
        {"SNOWFLAKE_PRIVATE_KEY": plain},
        {"SNOWFLAKE_PRIVATE_KEY": plain.replace("\n", "\\n")},
        {"SNOWFLAKE_PRIVATE_KEY": str(tmp_path / "key.p8")},
        {"SNOWFLAKE_PRIVATE_KEY": locked, "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": "pass phrase"},
    ]
    read = [read_access({**environ, **form}) for form in forms]
    assert len({access.secret["private_key"] for access in read}) == 1
    assert read[0].resource("test")._connection_args["private_key"]
    assert "password" not in read[0].resource("test")._connection_args
    assert "PRIVATE KEY" not in repr(read[0])


def test_a_key_that_cannot_be_used_is_told_without_showing_it(environ: dict[str, str], key: rsa.RSAPrivateKey) -> None:
    """A wrong passphrase, a missing one, garbage and a path to nowhere."""
    locked = key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"right")).decode()
    for given, passphrase, told in (
        (locked, "", "set SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"),
        (locked, "wrong", "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE does not open it"),
        ("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----", "", "holds no private key"),
        ("/nowhere/secret.p8", "", "neither PEM text nor the path"),
    ):
        with pytest.raises(WarehouseError, match=told) as caught:
            read_access({**environ, "SNOWFLAKE_PRIVATE_KEY": given, "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE": passphrase})
        text = str(caught.value)
        assert "\n" not in text
        assert "secret" not in text.lower()


@pytest.mark.parametrize(
    ("number", "message", "told"),
    [
        (390144, "JWT token is invalid. [0ce9eb56]", "set rsa_public_key"),
        (390100, "Incorrect username or password was specified.", "SNOWFLAKE_USER"),
        (
            390189,
            "Role 'X' specified in the connect string is not granted to this user.",
            "SNOWFLAKE_ROLE=snowflake_role: grant role",
        ),
        (606, "No active warehouse selected in the current session.", "grant usage on warehouse"),
        (
            90073,
            "Warehouse 'WH' cannot be resumed because resource monitor 'M' has exceeded its quota.",
            "resource monitor",
        ),
        (None, "Warehouse 'WH' is suspended.", "auto_resume"),
        (
            2003,
            "SQL compilation error: Stage 'D.RAW.ARCHIVE' does not exist or not authorized.",
            "grant usage on stage",
        ),
        (
            2003,
            "SQL compilation error: Object 'RAW.LOGS' does not exist or not authorized.",
            "role snowflake_role may not use it",
        ),
        (
            3001,
            "SQL access control error: Insufficient privileges to operate on table 'LOGS'",
            "role snowflake_role may not",
        ),
        (250001, "Could not connect to Snowflake backend after 2 attempt(s).", "SNOWFLAKE_ACCOUNT"),
    ],
)
def test_snowflakes_errors_become_advice(environ: dict[str, str], number: int | None, message: str, told: str) -> None:
    """Each says in one line what to set or grant; the texts are those of Snowflake's documentation and of users' reports."""
    advice = explain(SimpleNamespace(errno=number, msg=message), read_access(environ))
    assert told in advice
    assert "\n" not in advice


def test_the_check_finds_a_good_account_and_a_missing_stage(make_bench) -> None:
    """`doctor` signs in and looks at what the loader needs."""
    bench = make_bench("snowflake")
    with pytest.raises(WarehouseError, match=r"RAW\.LOGS is missing"):
        check(bench.environ)
    bench.warehouse.create_tables()
    assert check(bench.environ).startswith("signed in as fake")
    bare = {**bench.environ, "SNOWFLAKE_DATABASE": "WITHOUT_A_STAGE"}
    SnowflakeWarehouse(bare).create_tables()
    with pytest.raises(WarehouseError, match=r"WITHOUT_A_STAGE\.RAW\.ARCHIVE is missing or not granted"):
        check(bare)


def test_the_emulators_port_is_asked_for() -> None:
    """INGEST_ENV=emulated without a server says which variable is missing."""
    with pytest.raises(WarehouseError, match="SNOWFLAKE_PORT is not set"):
        read_access({"INGEST_ENV": "emulated"})


def test_dbt_reads_the_key_and_writes_it_nowhere(
    environ: dict[str, str], key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    """The production target takes PEM text or a path; neither logs nor artifacts hold any of the key."""
    (tmp_path / "key.p8").write_text(environ["SNOWFLAKE_PRIVATE_KEY"])
    body = environ["SNOWFLAKE_PRIVATE_KEY"].splitlines()[3]
    for number, given in enumerate((environ["SNOWFLAKE_PRIVATE_KEY"].replace("\n", "\\n"), str(tmp_path / "key.p8"))):
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {
                **environ,
                "SNOWFLAKE_PRIVATE_KEY": given,
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            }.items():
                patch.setenv(name, value)
            result = dbtRunner().invoke([
                "parse", "--project-dir", str(MODELS), "--profiles-dir", str(MODELS), "--log-level", "debug", "--log-level-file", "debug",
                "--target-path", str(tmp_path / f"target{number}"), "--log-path", str(tmp_path / f"logs{number}"),
            ])  # fmt: skip
            assert result.success, result.exception
            credentials = load_profile(str(MODELS), {}, "clickstream", "production").credentials
            assert credentials._get_private_key() == key.private_bytes(
                serialization.Encoding.DER, PKCS8, serialization.NoEncryption()
            )
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "key.p8"]
    assert len(written) > 4
    assert not [path for path in written if body.encode() in path.read_bytes()]
