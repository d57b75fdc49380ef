"""What a command writes and prints reaches where it is sent: a link, a pipe, a device, an old console."""

import errno
import json
import os
import stat
import subprocess
import sys
import threading

import pytest
from devices import is_device, make_null
from metarule.errors import BadInput
from metarule.launch.__main__ import main
from metarule.launch.records._files import allocate, is_replaceable, write_atomically


def metarule(arguments, **options):
    """Runs the program in a process of its own, as a shell does."""
    settings = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE) | options
    return subprocess.run([sys.executable, "-m", "metarule.launch", *arguments], **settings)


@pytest.fixture
def folder(tmp_path):
    """A folder with one run that has only begun, for `metarule runs`, which computes nothing."""
    (tmp_path / "runs" / "läuft").mkdir(parents=True)
    (tmp_path / "runs" / "läuft" / "configuration.json").write_text('{"preset": "±", "steps": 3}')
    return tmp_path


def test_links_are_followed(tmp_path):
    target, link, dangling = tmp_path / "deep" / "target.json", tmp_path / "link", tmp_path / "dangling"
    target.parent.mkdir()
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    dangling.symlink_to(tmp_path / "new" / "file")
    write_atomically(link, "new")
    write_atomically(dangling, b"made")
    assert link.is_symlink() and target.read_text() == "new" and stat.S_IMODE(target.stat().st_mode) == 0o640
    assert dangling.is_symlink() and (tmp_path / "new" / "file").read_bytes() == b"made"
    assert os.listdir(target.parent) == ["target.json"]


def test_a_pipe_is_written_through(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, b"x" * 200_000)  # More than a pipe holds.
    reader.join()
    assert got == [b"x" * 200_000] and stat.S_ISFIFO(pipe.stat().st_mode)
    assert not is_replaceable(pipe) and is_replaceable(tmp_path / "new") and not is_replaceable(None)


def test_who_reads_a_pipe_may_stop_early(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def read_a_little():
        with pipe.open("rb") as file:
            file.read(10)

    reader = threading.Thread(target=read_a_little)
    reader.start()
    write_atomically(pipe, b"x" * 1_000_000)
    reader.join()


def test_a_device_stays_a_device_also_behind_a_link(tmp_path):
    make_null(tmp_path / "null")
    (tmp_path / "link").symlink_to(tmp_path / "null")
    for name in ("null", "link"):
        write_atomically(tmp_path / name, "text")
        assert is_device(tmp_path / name) and not is_replaceable(tmp_path / name)
    assert (tmp_path / "link").is_symlink() and sorted(os.listdir(tmp_path)) == ["link", "null"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full")
def test_a_full_device_is_told_in_a_sentence(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(BadInput, match="No space left on device"):
        write_atomically(tmp_path / "full", "text")


def test_what_can_not_be_written_leaves_the_earlier_file(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("old")
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(BadInput, match="No space left"):
        write_atomically(file, "new")
    assert file.read_text() == "old" and os.listdir(tmp_path) == ["file"]


def test_room_is_looked_for_without_leaving_anything(tmp_path):
    allocate(tmp_path, 1000)
    with pytest.raises(OSError):
        allocate(tmp_path, 2**60)
    assert not os.listdir(tmp_path)


def test_results_go_to_standard_output_before_the_table(folder):
    """Also where that is a file, which must not be replaced under the shell's hands."""
    with (folder / "out").open("wb") as out:
        assert metarule(["runs", str(folder / "runs"), "--json", "/dev/stdout"], stdout=out).returncode == 0
    rows, _, table = (folder / "out").read_text().partition("]\n")
    assert json.loads(rows + "]")[0]["run"] == "läuft" and table.startswith("Runs in")
    piped = metarule(["runs", str(folder / "runs"), "--csv", "/dev/stdout"]).stdout.decode()
    assert piped.startswith("run,preset,state") and "Runs in" in piped


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "koi8-r", "utf-8"])
def test_a_console_that_can_not_show_a_character_shows_another(encoding, folder):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = metarule(["runs", str(folder / "runs"), "--json", str(folder / "rows.json")], env=environment)
    assert done.returncode == 0 and not done.stderr
    shown = done.stdout.decode(encoding)
    assert ("lauft" if encoding in ("ascii", "koi8-r") else "läuft") in shown
    assert ("+-" if encoding in ("ascii", "koi8-r") else "±") in shown
    assert json.loads((folder / "rows.json").read_text())[0]["preset"] == "±"


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["runs", "FOLDER"]], ids=" ".join)
def test_a_closed_pipe_ends_quietly(arguments, folder):
    read, write = os.pipe()
    os.close(read)
    arguments = [each.replace("FOLDER", str(folder / "runs")) for each in arguments]
    done = metarule([*arguments, *(["--json", str(folder / "rows.json")] * (arguments[0] == "runs"))], stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")
    assert arguments[0] != "runs" or (folder / "rows.json").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs the device /dev/full")
def test_a_full_disk_ends_in_a_sentence_and_after_the_results(folder):
    with open("/dev/full", "wb") as full:
        done = metarule(["runs", str(folder / "runs"), "--json", str(folder / "rows.json")], stdout=full)
    assert done.returncode == 2 and done.stderr.decode().splitlines() == [
        "metarule: Can't print (No space left on device): free space there or print to another place."
    ]
    assert (folder / "rows.json").exists()


COMPILING = """
import os, signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # Also where the tests run in the background of a shell.
from metarule.launch.evaluation._programs import Programs

def wait(arguments):
    with Programs() as programs:
        begun = programs.begin(lambda: time.sleep(900))
        os.kill(os.getpid(), signal.SIGINT)
        begun.result()
"""


def test_ctrl_c_ends_at_once_while_programs_compile(tmp_path):
    (tmp_path / "slow.py").write_text(COMPILING)
    done = metarule([f"{tmp_path / 'slow.py'}:wait"], timeout=200)
    assert (done.returncode, done.stderr) == (130, b"metarule: interrupted.\n")


def test_another_error_of_the_system_keeps_its_traceback(monkeypatch):
    from metarule.launch.commands.look import _info

    for error in (FileNotFoundError(2, "No such file", "somewhere"), OSError(errno.EPERM, "Not permitted")):

        def fail(arguments, error=error):
            raise error

        monkeypatch.setattr(_info, "main", fail)
        with pytest.raises(OSError):
            main(["info"])


def test_a_new_file_has_the_permissions_that_the_process_gives_and_an_old_one_keeps_its_own(tmp_path):
    path = tmp_path / ("名" * 83 + ".csv")  # As long as a name may be.
    old = os.umask(0o027)
    try:
        write_atomically(path, "new")
        assert path.stat().st_mode & 0o777 == 0o640
        path.chmod(0o606)
        write_atomically(path, "newer")
        assert path.stat().st_mode & 0o777 == 0o606 and path.read_text() == "newer"
    finally:
        os.umask(old)
    assert os.listdir(tmp_path) == [path.name]
