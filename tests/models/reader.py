"""A process that reads a warehouse as any tool would, until a file appears: python reader.py WAREHOUSE STOP [PAUSE]. Needs nothing but DuckDB.

Each look counts hits and sessions in tables that one publication changes together, twice on one connection with a pause between; PAUSE seconds lie between
looks. (Hits of sessions are not compared: those of the last date that was built go on in the next one, which may not have been.)
Prints what it saw as JSON: looks, different states, torn ones, errors, and seconds of opening at the 50th and 99th percentile.
"""

import json
import sys
import time
from pathlib import Path

import duckdb

COUNTS = """
select
    (select count(*) from events.logs where not is_bot),
    (select sum(hits) from stats.overview_1d where tracking_id = '(all)'),
    (select sum(hits) from stats.overview_1h where tracking_id = '(all)'),
    (select count(*) from events.sessions where not is_bot),
    (select sum(count_new_sessions) from stats.overview_1d where tracking_id = '(all)')
"""


def main(path: str, stop: Path, pause: float) -> None:
    """Look until `stop` is there."""
    seconds, torn, errors, states = [], [], [], set()
    while not stop.exists():
        try:
            began = time.perf_counter()
            with duckdb.connect(path, read_only=True) as connection:
                connection.execute("select 1 from events.logs limit 1").fetchall()
                seconds.append(time.perf_counter() - began)
                first = connection.execute(COUNTS).fetchall()[0]
                time.sleep(0.05 * (len(seconds) % 5))
                second = connection.execute(COUNTS).fetchall()[0]
        except duckdb.Error as error:
            errors.append(f"{error}")
            continue
        states.add(first)
        hits, sessions = set(map(int, first[:3])), set(map(int, first[3:]))
        if first != second or len(hits) != 1 or len(sessions) != 1:
            torn.append([str(first), str(second)])
        time.sleep(pause)
    seconds.sort()
    at = [round(seconds[int(len(seconds) * share)], 4) for share in (0.5, 0.99)] if seconds else []
    print(json.dumps({"looks": len(seconds), "states": len(states), "torn": torn, "errors": errors, "opening": at}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
