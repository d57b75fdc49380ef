"""`metarule data get`: where a data set comes from, and its original files from a server."""

import functools
import hashlib
import http.server
import os
import threading
from pathlib import Path

import pytest
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.commands.use import _data
from metarule.launch.records._fetch import fetch
from metarule.tasks import known, Origin, origin
from metarule.tasks.catalogue._origins import Address


CONTENT = b"original"
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server on this machine that has one file."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "file.gz").write_bytes(CONTENT)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_file_is_fetched_once_and_its_checksum_verified(server, tmp_path):
    path = tmp_path / "new" / "file.gz"
    assert "Wrote" in fetch(f"{server}/file.gz", path, CHECKSUM) and path.read_bytes() == CONTENT
    assert "is there" in fetch("http://127.0.0.1:9/never", path, CHECKSUM)
    path.write_bytes(b"damaged")
    with pytest.raises(BadInput, match="move it away"):
        fetch(f"{server}/file.gz", path, CHECKSUM)
    assert path.read_bytes() == b"damaged"


def test_another_file_is_not_written(server, tmp_path):
    with pytest.raises(BadInput, match="nothing was written"):
        fetch(f"{server}/file.gz", tmp_path / "file.gz", "0" * 64)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("place", ["/absent", ""])
def test_where_nothing_is_to_be_had_one_sentence_says_what_to_do(place, server, tmp_path):
    url = server + place if place else "http://127.0.0.1:9/file.gz"  # Nobody listens at this port.
    with pytest.raises(BadInput, match=r"can't be reached \(.+\): fetch it elsewhere, and put it at .*file.gz\.$"):
        fetch(url, tmp_path / "file.gz", CHECKSUM)


def test_files_go_where_load_finds_them(server, tmp_path, monkeypatch, capsys):
    addresses = (Address(f"{server}/file.gz", Path("mnist/file.gz"), CHECKSUM),)
    monkeypatch.setattr(_data, "origin", lambda *_: Origin("It is MNIST.", addresses, ()))
    assert main(["data", "get", "mnist14", "--data-dir", str(tmp_path)]) == 0
    assert (tmp_path / "mnist" / "file.gz").read_bytes() == CONTENT
    assert CHECKSUM in capsys.readouterr().out


def test_every_known_set_has_an_origin_and_original_files_belong_where_load_reads_them(tmp_path):
    origins = {line.name: (line, origin(line.name, tmp_path)) for line in known(tmp_path)}
    assert all(found.sentence.endswith(".") for _, found in origins.values())
    fetched = {name: line.where for name, (line, found) in origins.items() if found.addresses}
    assert {"mnist14", "fashion_mnist28", "cifar10_16", "omniglot14", "imdb"} <= set(fetched)
    for name, where in fetched.items():
        assert [tmp_path / each.place for each in origins[name][1].addresses] == list(where)


@pytest.mark.skipif(not os.environ.get("METARULE_DATA"), reason="METARULE_DATA names no folder of real data")
@pytest.mark.parametrize("name", ["mnist14", "omniglot14"])
def test_registered_checksums_are_those_of_the_original_files(name):
    for each in origin(name).addresses:
        path = Path(os.environ["METARULE_DATA"]) / each.place
        assert hashlib.sha256(path.read_bytes()).hexdigest() == each.checksum


def test_what_is_not_known_is_said(tmp_path, monkeypatch, capsys):
    assert main(["data", "get", "pima", "--data-dir", str(tmp_path)]) == 0
    assert f"They belong at {tmp_path / 'tables' / 'pima.csv.gz'}." in capsys.readouterr().out
    assert main(["data", "get", "tiny_imagenet_a", "--data-dir", str(tmp_path)]) == 0
    assert str(tmp_path / "tiny_imagenet_32") in capsys.readouterr().out  # Known at sizes only.
    monkeypatch.delenv("METARULE_DATA", raising=False)
    assert main(["data", "get", "mnist14"]) == 2
    assert "--data-dir or METARULE_DATA" in capsys.readouterr().err
    assert main(["data", "get", "nope"]) == 2 and main(["data", "get"]) == 2


def test_a_transfer_that_breaks_off_is_told(tmp_path):
    class Broken(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"abc")

        log_message = lambda *_: None

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        with pytest.raises(BadInput, match="can't be reached"):
            fetch(f"http://127.0.0.1:{running.server_port}/file.gz", tmp_path / "file.gz", CHECKSUM)
        running.shutdown()
    assert not os.listdir(tmp_path)
