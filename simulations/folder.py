"""Objects as files under a folder, whole or not at all (`collector.durable`), many at a time.

A disk syncs several files at once as fast as one, so that a few threads do it while the next object is being made.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from collector.durable import make_folder, staged, sync_folder

_THREADS = 8
# Objects that may wait for the disk: bounds the memory.
_WAITING = 16


class FolderWriter:
    """Stores objects; when its `with` block has ended without an error, all of them are on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="archive")
        self._waiting: list[Future[None]] = []
        self._folders: set[Path] = set()

    def __enter__(self) -> FolderWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            for stored in self._waiting:
                stored.result()
            for folder in sorted(self._folders):
                sync_folder(folder)

    def put(self, key: str, data: bytes) -> None:
        """Store an object soon; one that is there, byte for byte, is left alone. Raises OSError of earlier ones."""
        if len(self._waiting) >= _WAITING:
            self._waiting.pop(0).result()
        self._waiting.append(self._pool.submit(self._store, self._root / key, data))

    def _store(self, path: Path, data: bytes) -> None:
        if path.exists() and path.read_bytes() == data:
            return
        make_folder(path.parent)
        with staged(path) as file:
            file.write(data)
            file.appear(folder_too=False)
        self._folders.add(path.parent)
