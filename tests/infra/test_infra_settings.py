"""Bad settings: one line that names the setting, before any resource is declared."""

from __future__ import annotations

import json
import re

import pulumi
import pytest
from infra_harness import INFRA, SECRETS, Graph, example_config, run_program

BAD: list[tuple[str, str | None, str]] = [
    # setting, value (None: left out), what the line must say
    ("awsAccountId", None, "missing"),
    ("awsAccountId", "1234", "12 digits"),
    ("awsRegion", "frankfurt", "eu-central-1"),
    ("alertEmail", "nobody", "e-mail"),
    ("monthlyBudgetUsd", None, "missing"),
    ("monthlyBudgetUsd", "0", "from 1"),
    ("allowedOrigins", None, "missing"),
    ("allowedOrigins", "[]", "at least one"),
    ("allowedOrigins", "https://shop.example", "list"),
    ("allowedOrigins", '["*"]', "never '*'"),
    ("allowedOrigins", '["http://shop.example"]', "https"),
    ("allowedOrigins", '["https://shop.example/path"]', "without a path"),
    ("bufferMebibytes", "129", "from 1 to 128"),
    ("bufferSeconds", "901", "from 0 to 900"),
    ("bufferSeconds", "ninety", "whole number"),
    ("reservedConcurrency", "0", "from 1"),
    ("logRetentionDays", "31", "one of"),
    ("protectData", "maybe", "true or false"),
    ("ipMode", "hash", "one of"),
    ("trackingIds", '["UA-1-1,UA-1-2"]', "list of words"),
    ("maxHitBytes", "65537", "from 64 to 65536"),
    ("maxBatchHits", "501", "from 1 to 500"),
    ("maxBatchBytes", "8000", "maxHitBytes"),
    ("throttleRate", "2000", "about 680 hits a second"),
    ("instantRetrievalAfterDays", "60", "infrequentAccessAfterDays"),
    ("snowflakeOrganization", None, "missing"),
    ("snowflakePublicKey", None, "missing"),
    ("snowflakePublicKey", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----", "without the PEM header"),
    ("snowflakeAdminPrivateKey", None, "--secret"),
    ("snowflakeAdminPrivateKey", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "PEM"),
    ("snowflakeExternalId", None, "--secret"),
    ("snowflakeExternalId", "short", "16"),
    ("apiSecrets", "one,two", "plain text"),
    ("warehouseSize", "HUGE", "one of"),
    ("monthlyCredits", None, "missing"),
    ("readerMonthlyCredits", None, "missing"),
    ("snowflakeNotifyUsers", None, "missing"),
    ("snowflakeNotifyUsers", '["data lead"]', "name of a Snowflake user"),
    ("snowflakeAllowedAddresses", None, "missing"),
    ("snowflakeAllowedAddresses", '["203.0.113.7/24"]', "IPv4 ranges"),
    ("silenceMinutes", "7", "five minutes"),
]


def rejection(stack: str = "production", **arguments: object) -> str:
    """The line with which the program stops; it must be one, and nothing may have been declared."""
    graph = Graph()
    with pytest.raises(pulumi.RunError) as stopped:
        run_program(stack, graph=graph, **arguments)  # type: ignore[arg-type]
    assert graph.nodes == {}, "resources were declared before the setting was refused"
    line = str(stopped.value)
    assert "\n" not in line and len(line) < 300
    return line


@pytest.mark.parametrize(("key", "value", "says"), BAD, ids=[f"{key}={value}"[:60] for key, value, _ in BAD])
def test_bad_setting_is_refused_by_name(key: str, value: str | None, says: str) -> None:
    """A missing or impossible value is refused before half a stack stands."""
    instants = {"clickstream:infrequentAccessAfterDays": "45"} if key == "instantRetrievalAfterDays" else {}
    line = rejection(config={**instants, f"clickstream:{key}": value})
    assert line.startswith(f"clickstream:{key} ") and says in line


def test_secret_in_plain_text_is_refused_and_not_repeated() -> None:
    """A private key set without --secret stands readable in the stack's file; the message must not spread it further."""
    line = rejection(secret_keys=("clickstream:snowflakeExternalId",))
    assert "snowflakeAdminPrivateKey is stored in plain text" in line
    assert "not-a-real-key" not in line


def test_refused_secret_is_not_shown() -> None:
    """A secret that does not look right is named, never printed."""
    assert "hunter2" not in rejection(config={"clickstream:snowflakeExternalId": "hunter2"})


def test_misspelt_setting_is_refused() -> None:
    """`bufferSecond` would otherwise be the default in silence."""
    assert rejection(config={"clickstream:bufferSecond": "60"}).startswith("clickstream:bufferSecond is no setting")


def test_two_regions_contradict_each_other() -> None:
    """The CLI's habit `aws:region` next to ours: whichever the program took, the operator would mean the other."""
    line = rejection(config={"aws:region": "us-east-1"})
    assert "awsRegion" in line and "us-east-1" in line


def test_rotation_needs_two_different_keys() -> None:
    """The old key given again as the next one would end a rotation with no key changed."""
    key = example_config("production")["clickstream:snowflakePublicKey"]
    assert rejection(config={"clickstream:snowflakeNextPublicKey": key}).startswith(
        "clickstream:snowflakeNextPublicKey"
    )


@pytest.mark.parametrize("stack", ["Prod", "my_stack", "a-name-that-is-far-too-long", "1st"])
def test_stack_name_must_fit_into_a_bucket_name(stack: str) -> None:
    """S3 would refuse the bucket after half of the stack was built."""
    assert stack in rejection(stack)


def test_longest_stack_name_fits_the_services_limits() -> None:
    """Names grow with the stack's: 63 characters for buckets, 64 for roles, functions and streams, 80 for queues."""
    graph = run_program("a-name-of-20-letters")
    limits = {"Bucket": 63, "Role": 64, "Function": 64, "FirehoseDeliveryStream": 64, "Queue": 80}
    for type_, limit in limits.items():
        for node in graph.of(type_):
            if node.custom:
                assert len(node.inputs.get("bucket") or node.inputs["name"]) <= limit, node.name


def test_optional_settings_are_used() -> None:
    """The next public key, tracking ids and privacy rules reach the user and the collector."""
    graph = run_program(
        config={
            "clickstream:snowflakeNextPublicKey": "N" * 80,
            "clickstream:trackingIds": json.dumps(["UA-1-1", "UA-1-2"]),
            "clickstream:ipMode": "drop",
            "clickstream:apiSecrets": "one,two",
            "clickstream:privacySignals": "honour",
            "clickstream:maxHitBytes": "16384",
            "clickstream:maxBatchHits": "500",
            "clickstream:maxBatchBytes": "1000000",
        },
        secret_keys=(*SECRETS, "clickstream:apiSecrets"),
    )
    variables = graph.named("collector", "aws:lambda/function:Function").inputs["environment"]["variables"]
    assert graph.named("access-user").inputs["rsaPublicKey2"] == "N" * 80
    assert (variables["TRACKING_IDS"], variables["IP_MODE"]) == ("UA-1-1,UA-1-2", "drop")
    assert variables["API_SECRETS"] == "one,two"
    assert variables["PRIVACY_SIGNALS"] == "honour"
    limits = ("MAX_HIT_BYTES", "MAX_BATCH_HITS", "MAX_BATCH_BYTES")
    assert [variables[name] for name in limits] == ["16384", "500", "1000000"]


@pytest.mark.parametrize(
    ("region", "quota", "rate", "fits"),
    [
        ("eu-central-1", None, 680, True),
        ("eu-central-1", None, 681, False),
        ("eu-central-1", "3", 2000, True),
        ("eu-west-1", None, 2000, True),
        ("eu-west-1", None, 2001, False),
        ("eu-west-1", "10", 4000, True),
    ],
)
def test_door_lets_in_no_more_than_the_stream_takes(region: str, quota: str | None, rate: int, fits: bool) -> None:
    """2,000 a second in Frankfurt, where a stream takes 1 MiB: every busy hour would be parked, and some of it lost."""
    config = {"clickstream:awsRegion": region, "clickstream:throttleRate": str(rate)}
    config |= {"clickstream:deliveryQuotaMebibytes": quota} if quota else {}
    if fits:
        assert run_program(config=config).named("endpoint-stage")
    else:
        assert rejection(config=config).startswith("clickstream:throttleRate is ")


@pytest.mark.parametrize("stack", ["production", "staging"])
def test_example_files_hold_no_secret(stack: str) -> None:
    """The examples are copied and committed: they may hold no secret and no encrypted value of somebody's key."""
    text = (INFRA / f"Pulumi.{stack}.example.yaml").read_text()
    assert "secure:" not in text and "PRIVATE" not in text
    assert not set(example_config(stack)) & set(SECRETS)


def test_every_setting_is_documented() -> None:
    """A setting that the README does not explain cannot be found."""
    source = (INFRA / "ingestion_path" / "settings.py").read_text()
    keys = re.findall(r'reader\.\w+\(\s*"(\w+)"', source)
    assert len(keys) >= 25
    readme = (INFRA / "README.md").read_text()
    assert [key for key in keys if f"`{key}`" not in readme] == []
