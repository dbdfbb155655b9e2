"""What the simulator reads from the environment and from `.env`: once, here, into a typed object.

    DATA_DIR        ./data: past dates go to archive/ and truth/ in it
    DATA_FOLDER     folder with the Coveo data set's CSVs, `~` is the home folder; unset: traffic is generated
    COLLECT_URL     http://127.0.0.1:<COLLECTOR_PORT>/collect: where the pumper sends to; /batch for many hits a request
    COLLECTOR_PORT  8080
    N_EVENTS        5000: how many hits the pumper sends
    PROTOCOLS       v1: the protocols of the visits' clients by share, as in v1=0.6,ga4=0.2,ga4_mp=0.1,segment=0.1
    INGEST_ENV      local | emulated | production; checked, not used

The environment wins over `.env` in the working directory (`collector.env_file`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from collector.env_settings import Address, EnvironmentSettings, one_of, whole_number
from collector.settings import ENVIRONMENTS
from simulations.protocols import Shares, read_shares


def _at_home(path: Path) -> Path:
    """With `~` as the shell says it: a value out of `.env` or in quotes has not been through one."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"is {str(path)!r}, whose home folder is unknown; write the whole path") from None


class Settings(EnvironmentSettings):
    """The simulator's settings, checked."""

    environment: Annotated[str, one_of(*ENVIRONMENTS)] = Field("local", alias="INGEST_ENV")
    data_dir: Path = Field(Path("data"), alias="DATA_DIR")
    data_folder: Annotated[Path | None, AfterValidator(lambda path: path and _at_home(path))] = Field(
        None, alias="DATA_FOLDER"
    )
    collector_port: Annotated[int, whole_number(1, 65535)] = Field(8080, alias="COLLECTOR_PORT")
    collect_url: Address = Field(
        default_factory=lambda given: f"http://127.0.0.1:{given['collector_port']}/collect", alias="COLLECT_URL"
    )
    n_events: Annotated[int, whole_number(1, 100_000_000)] = Field(5000, alias="N_EVENTS")
    protocols: Annotated[Shares, NoDecode, BeforeValidator(read_shares)] = Field((), alias="PROTOCOLS")

    @property
    def archive(self) -> Path:
        """The archive's folder; the truth lies beside it."""
        return self.data_dir / "archive"
