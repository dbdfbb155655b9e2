"""Physical names, all of them, from the stack's name and the account.

They are fixed, not generated: the platform's environment, the archive's object keys and the storage integration's
trust all spell them, and a name that is known before its resource exists is what breaks the circle between Snowflake
and IAM (snowpipe_ingestion.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from .setting_groups import Account

RAW_SCHEMA = "RAW"
MODEL_SCHEMAS = ("EVENTS", "EVENTS_LIVE", "STATS")
# What is in these names no visitor (tests/infra/test_infra_access.py): the READ role sees it.
OPEN_SCHEMAS = ("STATS",)
# Views between raw and models: dbt writes them, analysts have no business there.
STAGING_SCHEMA = "STAGING"
# What runs build before it is published: nobody reads it but they.
STAGED_SCHEMA = "STAGED"
# deploy/dagster.yaml spells it, too.
STEP_LOGS_PREFIX = "dagster-compute-logs/"


@dataclass(frozen=True)
class Names:
    """What each thing is called in the account; `clickstream-<stack>` comes first on AWS, `CLICKSTREAM_<STACK>` on
    Snowflake.
    """

    stack: str
    account: Account

    @property
    def prefix(self) -> str:
        return f"clickstream-{self.stack}"

    @property
    def bucket(self) -> str:
        # Bucket names are shared by all of AWS: the account id makes this one ours.
        return f"{self.prefix}-archive-{self.account.id}"

    @property
    def step_logs(self) -> str:
        return f"{self.prefix}-step-logs-{self.account.id}"

    @property
    def stream(self) -> str:
        return f"{self.prefix}-hits"

    @property
    def redrive_namespace(self) -> str:
        """The redrive's counters, apart from the collector's: what it fails to bring back no client was told of."""
        return f"{self.prefix}-redrive"

    @property
    def snowflake_reader_role(self) -> str:
        return f"{self.prefix}-snowflake"

    @property
    def snowflake_reader_role_arn(self) -> str:
        """Known before the role exists, so that the integration can be made first."""
        return f"arn:aws:iam::{self.account.id}:role/{self.snowflake_reader_role}"

    @property
    def database(self) -> str:
        return self.prefix.upper().replace("-", "_")

    def snowflake(self, part: str) -> str:
        """An account-level Snowflake object of this stack, such as CLICKSTREAM_PRODUCTION_WRITE."""
        return f"{self.database}_{part}"
