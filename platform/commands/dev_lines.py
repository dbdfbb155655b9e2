"""What `dev` shows of the lines that Dagster's processes write: warnings, errors, and the start and end of runs.

Webserver, daemon, code server and run workers write one stream. Dagster has one switch for its services and none for run workers
that would not also thin out what the UI shows of a run (`python_log_level` drops records before they are stored), so the choice
is made here, on text. Lines that go on a record share its fate, without the code of a stack trace: that is on the run's page.
"""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_RECORD = re.compile(r"\d{4}-\d\d-\d\d (\d\d:\d\d:\d\d) \S+ - (?P<logger>[\w.-]+) - (?P<level>[A-Z]+) - (?P<text>.*)")
_RUN = re.compile(r"(?P<job>\w+) - (?P<id>[0-9a-f]{8})-[0-9a-f-]{27} - (?:\d+ - )?(?P<text>.*)")
_RUN_EVENTS = {
    "RUN_START": "started",
    "RUN_SUCCESS": "ended well",
    "RUN_FAILURE": "failed",
    "RUN_CANCELED": "was stopped",
}
_LOUD = ("WARNING", "ERROR", "CRITICAL")

# Said at the first start of every instance, of a state that is as it should be.
_USUAL = "No cursor for event type"

_CLASS = re.compile(r"^dagster\.\S+: ")
_STACK = re.compile(r"\s|Traceback|Stack Trace:|$")


class DevLines:
    """Takes the lines of the stream one by one and prints what is to be seen of them."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._goes_on = True

    def write(self, line: str) -> None:
        """Print the line, if it is to be seen."""
        shown = self._shown(line)
        if shown is not None:
            print(shown, flush=True)

    def _shown(self, line: str) -> str | None:
        line = _COLOURS.sub("", line).rstrip()
        record = _RECORD.match(line)
        if record is None:
            return _CLASS.sub("", line) if self._goes_on and not _STACK.match(line) else None
        text = self._text(record["logger"], record["level"], record["text"])
        # The end of a run repeats what its step has said.
        self._goes_on = text is not None and record["level"] in _LOUD and "RUN_FAILURE" not in line
        return f"{record[1]}  {text}" if text is not None else None

    def _text(self, logger: str, level: str, text: str) -> str | None:
        run = _RUN.match(text)
        if run is not None:
            event = run["text"].partition(" - ")[0]
            job = "of assets" if run["job"] == "__ASSET_JOB" else f"of {run['job']}"
            if event in _RUN_EVENTS:
                return f"run {run['id']} {job} {_RUN_EVENTS[event]}"
            return f"{level.lower()} in run {run['id']} {job}: {run['text']}" if level in _LOUD else None
        if logger == "dagster-webserver" and text.startswith("Serving "):
            return f"Dagster is open at {self._address}"
        return f"{level.lower()}: {text}" if level in _LOUD and not text.startswith(_USUAL) else None
