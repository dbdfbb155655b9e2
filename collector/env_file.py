"""`.env`: the settings of a machine in a file. This is the one reader of it, for every command line of the project.

In: `.env` in the working directory, if there is one, in the syntax of python-dotenv (quotes, `# comments`, `export`, `${NAME}` of
another setting; any other `$` stands for itself). Out: the process's environment, which programs and their children read. What
the environment has already, an empty value included, it keeps: the command line overrules the file. Lambda has no such file
and does not come here.
"""

from __future__ import annotations

from pathlib import Path

from collector.settings import SettingsError

NAME = ".env"


def read_env_file(folder: Path | None = None) -> None:
    """Add the settings of `.env` in `folder` (the working directory) to the environment. Raises SettingsError."""
    # Imported on use, so that nothing else of the collector needs it.
    from dotenv import load_dotenv
    from dotenv.parser import parse_stream

    path = (folder or Path.cwd()) / NAME
    try:
        with path.open(encoding="utf-8-sig") as stream:
            faults = [binding.original for binding in parse_stream(stream) if binding.error]
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({error}); write NAME=value lines, in UTF-8") from None
    if faults:
        # Only where: a line may hold a secret.
        raise SettingsError(f"{path} cannot be read at line {faults[0].line}; write NAME=value, quotes closed")
    load_dotenv(path, override=False, encoding="utf-8-sig")
