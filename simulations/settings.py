"""What the simulator reads from the environment and from `.env`: once, here, into a typed object.

    DATA_DIR        ./data: past dates go to archive/ and truth/ in it
    DATA_FOLDER     folder with the Coveo data set's CSVs; unset: traffic is generated
    COLLECT_URL     http://127.0.0.1:<COLLECTOR_PORT>/collect: where the pumper sends to; /batch for many hits a request
    COLLECTOR_PORT  8080
    N_EVENTS        5000: how many hits the pumper sends
    INGEST_ENV      local | emulated | production; checked, not used

The environment wins over `.env` in the working directory (`collector.env_file`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from collector.env_file import read_env_file
from collector.settings import ENVIRONMENTS, SettingsError


@dataclass(frozen=True)
class Settings:
    """The simulator's settings, checked."""

    data_dir: Path
    data_folder: Path | None
    collect_url: str
    n_events: int

    @property
    def archive(self) -> Path:
        """The archive's folder; the truth lies beside it."""
        return self.data_dir / "archive"

    @classmethod
    def read(cls) -> Settings:
        """From the environment and `.env`. Raises SettingsError."""
        read_env_file()
        return cls.of(os.environ)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        """From names and values; an unset or empty name has its default. Raises SettingsError."""
        name = environment.get("INGEST_ENV") or "local"
        if name not in ENVIRONMENTS:
            raise SettingsError(f"INGEST_ENV is {name!r}: it has to be one of {', '.join(ENVIRONMENTS)}")
        port = _number(environment, "COLLECTOR_PORT", "8080")
        url = environment.get("COLLECT_URL") or f"http://127.0.0.1:{port}/collect"
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SettingsError(f"COLLECT_URL is {url!r}: it has to look like http://127.0.0.1:8080/collect")
        folder = environment.get("DATA_FOLDER")
        return cls(
            Path(environment.get("DATA_DIR") or "data"),
            Path(folder) if folder else None,
            url,
            _number(environment, "N_EVENTS", "5000"),
        )


def _number(environment: Mapping[str, str], name: str, default: str) -> int:
    text = environment.get(name) or default
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise SettingsError(f"{name} is {text!r}: it has to be a whole number above 0")
    return int(text)
