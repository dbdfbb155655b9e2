"""The columns of RAW.LOGS as the UI shows them. No angle brackets: it reads descriptions as HTML and swallows what stands in one."""

from dagster import TableColumn, TableSchema

COLUMNS = TableSchema(
    columns=[
        TableColumn("service_id", "varchar", "the collector's name of itself"),
        TableColumn(
            "request_id", "varchar", "the hit's `z`, or its event id where it has none: copies of a retry share it"
        ),
        TableColumn("request_timestamp", "timestamp", "when the collector received the hit, UTC"),
        TableColumn("response_id", "varchar", "the answer's id: the request's"),
        TableColumn("response_timestamp", "timestamp", "when the collector answered, UTC"),
        TableColumn("client_id", "varchar", "the hit's `cid`"),
        TableColumn("data", "json", "the whole record (variant on Snowflake)"),
        TableColumn("log_id", "uuid", "uuid5 of file name and row; the same on every warehouse (varchar on Snowflake)"),
        TableColumn("log_filename", "varchar", "the archive object's key"),
        TableColumn("log_file_row_number", "bigint", "line in the object, from 1"),
        TableColumn("log_timestamp", "timestamp", "when the row was loaded, UTC; no model reads it"),
        TableColumn("event_id", "varchar", "minted by the collector; the key of duplicate deliveries"),
        TableColumn("event_at", "timestamp", "request_timestamp less the queue time `qt` (0 to 4 h), UTC"),
        TableColumn("event_date", "date", "date of event_at, UTC: the partition of all models"),
        TableColumn("arrival_date", "date", "date in the object's key, UTC: the partition of this table"),
        TableColumn("tracking_id", "varchar", "the hit's `tid`: the property it belongs to"),
        TableColumn("user_id", "varchar", "the hit's `uid`"),
        TableColumn(
            "record",
            "struct",
            "what models read of `data`, parsed once, while it is loaded (not on Snowflake, which reads `data`)",
        ),
        TableColumn(
            "revision",
            "integer",
            "of a record that corrects another: the higher one counts; else empty (on Snowflake in `data`)",
        ),
    ]
)
