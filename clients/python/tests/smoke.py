"""The installed wheel with nothing but what it requires, against the real service that DATELINE names."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.resources
import os
import re
import subprocess
import sys
from collections.abc import Callable

import dateline_client
from dateline_client import Dateline, frames


def missing(needs: Callable[[], object], kind: type[Exception]) -> str:
    """What is said when something needs what is not installed."""
    try:
        needs()
    except kind as error:
        return str(error)
    raise AssertionError("nothing is missing: this environment is not bare")


def without_extras() -> None:
    """What is not installed is missed only where it is needed, by its name."""
    said = missing(lambda: importlib.import_module("dateline_client.spacy"), ImportError)
    assert "pip install 'dateline-client[spacy]'" in said
    said = missing(lambda: frames.annotate_column(Dateline(), ["Kyiv"]), TypeError)  # type: ignore[call-overload]
    assert "dateline-client[pandas]" in said


def the_package() -> None:
    """What PyPI would show, and the marker that makes type checkers read the package."""
    about = importlib.metadata.metadata("dateline-client")
    assert about["Version"] == dateline_client.__version__
    assert about["License-Expression"] == "Apache-2.0"
    assert "# dateline-client" in about["Description"]
    assert importlib.resources.files(dateline_client).joinpath("py.typed").is_file()
    required = [one for one in importlib.metadata.requires("dateline-client") or [] if "extra ==" not in one]
    assert {re.match(r"\w+", one)[0] for one in required} == {"httpx", "h11"}  # type: ignore[index]


def the_service() -> None:
    """One text, and a stream."""
    command = [os.environ["DATELINE"], "serve", "--listen", "127.0.0.1:0", "--color", "never"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr is not None
        try:
            said = next(line for line in service.stderr if "listening on" in line)
            with Dateline(re.findall(r"http://\S+", said)[0]) as client:
                text = "🚀 Drones hit the Antonivsky Bridge."
                for annotation in [client.annotate(text), *(one.unwrap() for one in client.stream([text] * 3))]:
                    assert [(one.label, one.text) for one in annotation.mentions] == [
                        ("WEAPON", "Drones"),
                        ("PLACE", "Antonivsky Bridge"),
                    ]
        finally:
            service.terminate()
            service.communicate(timeout=60)


the_package()
without_extras()
the_service()
sys.stdout.write(f"the wheel works alone, in Python {sys.version.split()[0]}\n")
