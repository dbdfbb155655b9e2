"""The collector's settings: read from the environment once, checked, handed down as typed objects.

Everything an operator can set, in Lambda and on a laptop (`Settings`):

    IP_MODE            truncate (default: /24, /48) | full | drop
    PRIVACY_SIGNALS    ignore (default) | honour: a request with DNT: 1 or Sec-GPC: 1 is counted and nothing of it kept
    ALLOWED_ORIGINS    comma list of origins (https://shop.example) that browsers may send from; unset: any
    TRACKING_IDS       comma list of tracking ids that are taken (tid; GA4's measurement ids, Segment's write keys); unset: any
    API_SECRETS        comma list of secrets, one of which GA4's Measurement Protocol has to bring; unset: none is asked for
    MAX_HIT_BYTES      8192, up to 65536: longest body of a hit, longest line of a batch
    MAX_BATCH_HITS     20, up to 500
    MAX_BATCH_BYTES    16384, up to 3145728: longest body of a batch, unpacked

In Lambda only (`CloudSettings`):

    DELIVERY_STREAM    name of the Firehose stream; required
    FALLBACK_QUEUE_URL queue that takes what the stream keeps refusing; unset: the client gets 503
    METRICS_NAMESPACE  Clickstream: CloudWatch namespace of the counters
    BEHIND_CLOUDFRONT  no (default) | yes: requests come through CloudFront, whose word on the caller's address is taken

Of the local server only (`LocalSettings`):

    DATA_DIR           ./data: objects in archive/, the journal in spool/
    COLLECTOR_PORT     8080 (0: any free port)
    COLLECTOR_WORKERS  1, up to 64 processes
    COLLECTOR_LIVE     no (default; `make collect` says yes) | yes: the page and the endpoint under /live, for this machine
    ROTATE_SECONDS     30: oldest an undelivered record gets, 0.1..900
    ROTATE_BYTES       5242880: largest journal before it is delivered, 1024..134217728

A value that is none of these is refused with one line (`SettingsError`); an empty one counts as unset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from collector.errors import ExpectedError

ENVIRONMENTS = ("local", "emulated", "production")


class SettingsError(ExpectedError):
    """A setting that cannot be used. The message is one line for the operator: which, why, what to write instead."""


class IpMode(StrEnum):
    """What becomes of an address before it reaches disk."""

    TRUNCATE = "truncate"
    FULL = "full"
    DROP = "drop"


class PrivacySignals(StrEnum):
    """Whether DNT and Sec-GPC headers keep a hit out."""

    IGNORE = "ignore"
    HONOUR = "honour"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the handler needs, wherever it runs. Empty lists mean: any."""

    ip_mode: IpMode = IpMode.TRUNCATE
    privacy_signals: PrivacySignals = PrivacySignals.IGNORE
    allowed_origins: frozenset[str] = frozenset()
    tracking_ids: frozenset[str] = frozenset()
    api_secrets: frozenset[str] = field(default=frozenset(), repr=False)
    max_hit_bytes: int = 8192
    max_batch_hits: int = 20
    max_batch_bytes: int = 16384

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read them; raises SettingsError."""
        return cls(
            ip_mode=IpMode(_choice(environment, "IP_MODE", [mode.value for mode in IpMode], "truncate")),
            privacy_signals=PrivacySignals(
                _choice(environment, "PRIVACY_SIGNALS", [signal.value for signal in PrivacySignals], "ignore")
            ),
            allowed_origins=_origins(environment),
            tracking_ids=frozenset(_list(environment, "TRACKING_IDS")),
            api_secrets=frozenset(_list(environment, "API_SECRETS")),
            max_hit_bytes=int(_number(environment, "MAX_HIT_BYTES", 8192, 64, 65_536)),
            max_batch_hits=int(_number(environment, "MAX_BATCH_HITS", 20, 1, 500)),
            max_batch_bytes=int(_number(environment, "MAX_BATCH_BYTES", 16_384, 64, 3_145_728)),
        )


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """What Lambda needs besides `Settings`."""

    delivery_stream: str
    fallback_queue_url: str | None
    metrics_namespace: str
    behind_cloudfront: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> CloudSettings:
        """Read them; raises SettingsError where DELIVERY_STREAM is missing."""
        stream = environment.get("DELIVERY_STREAM", "").strip()
        if not stream:
            raise SettingsError("DELIVERY_STREAM is not set: give the name of the Firehose stream")
        return cls(
            delivery_stream=stream,
            fallback_queue_url=environment.get("FALLBACK_QUEUE_URL", "").strip() or None,
            metrics_namespace=environment.get("METRICS_NAMESPACE", "").strip() or "Clickstream",
            behind_cloudfront=_choice(environment, "BEHIND_CLOUDFRONT", ["no", "yes"], "no") == "yes",
        )


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """What the local server needs besides `Settings`. Ages are seconds, sizes bytes."""

    data_dir: Path
    port: int
    workers: int
    rotate_seconds: float
    rotate_bytes: int
    live: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> LocalSettings:
        """Read them; raises SettingsError. A server on a laptop refuses to pass for production."""
        _choice(environment, "INGEST_ENV", [name for name in ENVIRONMENTS if name != "production"], "local")
        return cls(
            data_dir=Path(environment.get("DATA_DIR", "").strip() or "data"),
            port=int(_number(environment, "COLLECTOR_PORT", 8080, 0, 65_535)),
            workers=int(_number(environment, "COLLECTOR_WORKERS", 1, 1, 64)),
            rotate_seconds=_number(environment, "ROTATE_SECONDS", 30, 0.1, 900),
            rotate_bytes=int(_number(environment, "ROTATE_BYTES", 5_242_880, 1024, 134_217_728)),
            live=_choice(environment, "COLLECTOR_LIVE", ["no", "yes"], "no") == "yes",
        )

    @property
    def archive(self) -> Path:
        """Folder below which objects lie at their key."""
        return self.data_dir / "archive"

    @property
    def spool(self) -> Path:
        """Folder of the journals that are not delivered yet."""
        return self.data_dir / "spool"


def _choice(environment: Mapping[str, str], name: str, choices: list[str], default: str) -> str:
    value = environment.get(name, "").strip() or default
    if value not in choices:
        raise SettingsError(f"{name}={value!r} is not known here: use one of {', '.join(choices)}")
    return value


def _number(environment: Mapping[str, str], name: str, default: float, lowest: float, highest: float) -> float:
    text = environment.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text) if isinstance(lowest, float) else int(text)
    except ValueError:
        value = None
    if value is None or not lowest <= value <= highest:
        raise SettingsError(f"{name}={text!r} does not fit: use a number from {lowest} to {highest}")
    return value


def _list(environment: Mapping[str, str], name: str) -> list[str]:
    return [item.strip() for item in environment.get(name, "").split(",") if item.strip()]


def _origins(environment: Mapping[str, str]) -> frozenset[str]:
    origins = _list(environment, "ALLOWED_ORIGINS")
    for origin in origins:
        if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
            raise SettingsError(f"ALLOWED_ORIGINS has {origin!r}: an origin looks like https://shop.example")
    return frozenset(origin.lower() for origin in origins)
