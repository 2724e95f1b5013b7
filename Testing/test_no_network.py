"""Nothing is fetched while the program runs, and nothing leaves the computer."""

from __future__ import annotations

import os
import subprocess
import sys

from conftest import REPOSITORY


def test_a_whole_run_needs_no_network_and_looks_for_none(sample_run):
    # It ran in a network that leads nowhere, where the system can make one, and every attempt would have been noted.
    assert sample_run.code == 0, sample_run.stderr
    assert (sample_run.output / "findings.json").exists()


def test_an_attempt_would_have_been_noted(tmp_path):
    log = tmp_path / "log.txt"
    tries = "import socket, urllib.request\n"
    tries += "try: socket.create_connection(('192.0.2.1', 80), 0.01)\nexcept OSError as error: print(error)\n"
    tries += "try: urllib.request.urlopen('http://example.invalid')\nexcept OSError as error: print(error)\n"
    path = os.pathsep.join([str(REPOSITORY / "Testing" / "offline"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "OFFLINE_LOG": str(log), "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", tries], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("there is no network here") == 2
    assert "192.0.2.1" in log.read_text()
    assert "example.invalid" in log.read_text()


def test_the_library_has_no_way_out_in_its_code():
    ways = (
        "socket.socket",
        "create_connection",
        "import urllib",
        "import http",
        "import requests",
        "urlopen(",
    )
    library = REPOSITORY / "AnomalyDetection" / "AnomalyDetectionLib"
    for path in library.rglob("*.py"):
        text = path.read_text("utf-8")
        assert not [way for way in (*ways, "torch.hub", "huggingface_hub") if way in text], path.name
