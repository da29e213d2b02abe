"""The supervisor of the webhook's processes, with real ones, sockets and signals."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.small_app import SLOW_S
from tests.serving.supervised import (
    PATIENCE_S,
    PROJECT,
    Supervised,
    ask,
    asked_all_the_time,
    supervised,
    wait_until,
)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Supervised]:
    with supervised(tmp_path) as found:
        yield found


def test_connections_go_to_the_processes_in_turn(running: Supervised) -> None:
    clients = [
        http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE_S) for _ in range(20)
    ]
    answered = [ask(client) for client in clients]
    assert {answered.count(process) for process in running.processes()} == {10}
    assert [ask(client) for client in clients] == answered  # each connection is kept
    for client in clients:
        client.close()


def test_a_process_that_is_killed_is_replaced(running: Supervised) -> None:
    killed, other = running.processes()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: running.processes() - {killed, other})
    [new] = running.processes() - {killed, other}
    wait_until(lambda: running.ask() == new)
    wait_until(lambda: f"Process {killed} ended unasked: by signal 9." in running.log)


def test_a_process_that_stands_still_is_replaced(running: Supervised) -> None:
    stopped, other = running.processes()
    os.kill(stopped, signal.SIGSTOP)
    wait_until(lambda: stopped not in running.processes())
    wait_until(lambda: f"Process {stopped} is silent: it is killed." in running.log)
    wait_until(lambda: len({running.ask() for _ in range(4)} | {other}) == 2)


def test_a_reload_replaces_all_processes_and_nobody_who_asks_notices(running: Supervised) -> None:
    old = running.processes()
    with asked_all_the_time(running, "/slow") as took:
        running.reload()
        assert running.said() == "READY=1"
        wait_until(lambda: not old & running.processes())
    assert len(running.processes()) == 2
    assert max(took) < SLOW_S + 2
    assert running.process.poll() is None


def test_a_reload_that_comes_during_a_reload_follows_it(running: Supervised) -> None:
    old = running.processes()
    running.reload()
    running.process.send_signal(signal.SIGHUP)
    assert [running.said() for _ in range(3)] == ["READY=1", "RELOADING=1", "READY=1"]
    wait_until(lambda: len(running.processes()) == 2)
    assert not old & running.processes()


def test_sigterm_lets_what_was_begun_be_answered_and_what_waits_wait(running: Supervised) -> None:
    client = http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE_S)
    client.request("GET", "/slow")
    time.sleep(SLOW_S / 2)
    running.process.terminate()
    response = client.getresponse()
    assert (response.status, response.getheader("Connection")) == (200, "close")
    assert running.said() == "STOPPING=1"
    assert running.process.wait(PATIENCE_S) == 0
    assert running.processes() == set()


def test_sigterm_twice_ends_it_at_once(running: Supervised) -> None:
    with socket.create_connection(("127.0.0.1", running.port)) as client:
        client.sendall(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: any(map(_is_stopped, running.processes())))
        running.process.terminate()
        assert running.said() == "STOPPING=1"
        running.process.terminate()
        assert running.process.wait(5) == 0


def _is_stopped(process: int) -> bool:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_processes_end_after_their_supervisor_was_killed(running: Supervised) -> None:
    processes = running.processes()
    assert len(processes) == 2
    running.process.kill()
    wait_until(lambda: not any(map(_is_running, processes)))


def _is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_reload_that_fails_leaves_the_old_processes(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    with supervised(tmp_path, SMALL_APP_IS_BROKEN=str(broken)) as running:
        old = running.processes()
        broken.touch()
        running.reload()
        assert running.said() == "READY=1"
        assert "The small application is broken." in running.log
        wait_until(lambda: "The new processes do not answer: the old ones go on." in running.log)
        wait_until(lambda: running.processes() == old)
        assert running.ask() in old
        broken.unlink()
        running.reload()
        assert running.said() == "READY=1"
        wait_until(lambda: not old & running.processes())


def test_what_cannot_be_loaded_is_tried_again_ever_less_often(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    with supervised(tmp_path, SMALL_APP_IS_BROKEN=str(broken)) as running:
        broken.touch()
        [killed, other] = running.processes()
        started = running.log.count("starts.")
        os.kill(killed, signal.SIGKILL)
        time.sleep(8)
        assert 2 <= running.log.count("starts.") - started <= 5  # after 1, 2 and 4 seconds
        assert running.ask() == other
        broken.unlink()
        wait_until(lambda: len({running.ask() for _ in range(4)}) == 2)


def test_what_cannot_be_loaded_at_the_start_ends_it_with_a_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "authz_project.serving.supervisor"),
                *("--fd", str(listening.fileno()), "--processes", "2"),
                *("--application", "tests.serving.small_app:application"),
            ],
            cwd=PROJECT,
            env=os.environ | {"SMALL_APP_IS_BROKEN": str(broken)},
            pass_fds=[listening.fileno()],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 1
    assert "The small application is broken." in done.stderr
    assert "Traceback" not in done.stderr
