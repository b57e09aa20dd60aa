"""The real service for the tests that ask one: the program named by DATELINE, on a free port of this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from dateline_client import aio, client

Serve = Callable[..., AbstractContextManager[str]]

# Nothing of the machine's own settings goes into a test.
for name in list(os.environ):
    if name.lower() in ("http_proxy", "https_proxy", "all_proxy") or name.startswith("DATELINE_"):
        del os.environ[name]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that the clients would have made: in this test they make none."""
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(client, "sleep", made.append)
    monkeypatch.setattr(aio, "sleep", pause)
    return made


@pytest.fixture(scope="session")
def dateline() -> str:
    """The program."""
    named = os.environ.get("DATELINE")
    if not named:
        pytest.skip("DATELINE does not name a dateline program: nothing was asked of a real service")
    found = shutil.which(named)
    assert found is not None, f"DATELINE names {named}, which is no program"
    return found


@contextmanager
def _serving(dateline: str, log: Path, *options: str) -> Iterator[str]:
    """A service while it is ready; its address."""
    command = [dateline, "serve", "--listen", "127.0.0.1:0", "--color", "never", *options]
    with log.open("wb") as said, subprocess.Popen(command, stdout=said, stderr=subprocess.PIPE, text=True) as service:
        try:
            assert service.stderr is not None
            url, lines = "", []
            for line in service.stderr:
                lines.append(line)
                if found := re.search(r"listening on (https?://\S+)", line):
                    url = found[1]
                if " ready, with the model " in line:
                    break
            else:
                pytest.fail("the service did not get ready:\n" + "".join(lines))
            # The log has to be read on, or the service would wait for that.
            reader = threading.Thread(target=service.stderr.read)
            reader.start()
            yield url
        finally:
            service.terminate()
            service.wait(timeout=60)
        reader.join()


@pytest.fixture(scope="session")
def serve(dateline: str, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """What starts a service with options, for `with`, and names its address."""

    def start(*options: str) -> AbstractContextManager[str]:
        return _serving(dateline, tmp_path_factory.mktemp("service") / "log", *options)

    return start


@pytest.fixture(scope="session")
def url(serve: Serve) -> Iterator[str]:
    """The address of a service that everybody may ask."""
    with serve() as address:
        yield address
