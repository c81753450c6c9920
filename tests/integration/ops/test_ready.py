"""/ready through a node's life, and a node without the port."""
import resource
import socket
import subprocess
import threading

from asking import get, produce, sql, totals
from confluent_kafka import Producer
from waiting import wait_until

BIG = 60000


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_not_ready_while_it_recovers(new_node):
    """A large ring takes a while to be read back: meanwhile /health is well and /ready says why not."""
    node = new_node("--checkpoint-mib", "65536")
    produce(node, "ring", BIG, 1000)
    node.kill()
    node.arguments += ["--http-port", str(free_port())]
    port, seen = int(node.arguments[-1]), []

    def watch():
        node.ports = {"http": port}
        while not seen or seen[-1][0] != 200:
            try:
                seen.append(get(node, "/ready"))
            except OSError:
                pass  # not yet

    process = threading.Thread(target=watch)
    command = [str(node.binary), "server", "--data", str(node.folder / "data"), "--kafka-port", "0", "--pg-port", "0",
               *node.arguments]
    node.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process.start()
    process.join(30)
    assert seen[0][0] == 503 and "the server is starting" in seen[0][1]
    assert seen[-1] == (200, '{"status":"ready"}\n')
    node.stop()


def test_without_the_port(new_node):
    node = new_node("--http-port", "off")
    assert set(node.ports) == {"kafka", "postgres"}
    node.stop()


def test_a_port_that_is_taken(new_node, binary, tmp_path):
    node = new_node()
    done = subprocess.run([str(binary), "server", "--data", str(tmp_path / "other"), "--kafka-port", "0", "--pg-port", "0",
                           "--http-port", str(node.ports["http"])], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert f"can't listen on 127.0.0.1 port {node.ports['http']} for HTTP" in done.stderr


def test_stopping_while_it_is_asked(new_node):
    """Requests on their way when the server stops are answered, or their connection ends; it stops in order."""
    node = new_node()
    over, failures = threading.Event(), []

    def ask():
        while not over.is_set():
            try:
                status, _ = get(node, "/metrics")
                assert status in (200, 503)
            except Exception as failure:  # looked at below
                failures.append(failure)
                return

    askers = [threading.Thread(target=ask) for _ in range(4)]
    for asker in askers:
        asker.start()
    wait_until(lambda: get(node, "/ready")[0] == 200, 10, "it is ready")
    node.stop()
    over.set()
    for asker in askers:
        asker.join()
    assert all(not isinstance(failure, AssertionError) for failure in failures), failures


def test_a_second_process_is_refused(new_node):
    """One directory, one process: the second one says why and ends; the first one, killed, leaves no lock behind."""
    node = new_node()
    command = [str(node.binary), "server", "--data", str(node.folder / "data"), "--kafka-port", "0", "--pg-port", "0",
               "--http-port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert "another process has this data directory open: stop it, or choose another with --data" in done.stderr
    assert get(node, "/ready")[0] == 200
    node.kill()
    node.start()
    node.stop()


def test_a_stop_seals_what_the_next_start_would_read(new_node):
    node = new_node("--checkpoint-mib", "65536")
    produce(node, "sealed", BIG, 1000)
    assert totals(node)["pyralog_log_checkpoints_total"] == 0
    node.stop()
    node.start()
    values = totals(node)
    assert values["pyralog_log_segment_files"] >= 1
    assert values["pyralog_log_tail_cache_bytes"] < 2 << 20, "little had to be read back"
    assert sql(node, "SELECT count(*) FROM sealed") == [(BIG,)]
    node.stop()


def test_a_disk_that_fails(new_node):
    """Files may not be written any more: the log stops, and everybody who asks is told."""
    node = new_node()
    produce(node, "failing", 10)
    resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))  # standard error has less
    producer = Producer({"bootstrap.servers": node.kafka, "message.timeout.ms": 2000})
    producer.produce("failing", b"x")
    status, body = wait_until(lambda: (answer := get(node, "/ready"))[0] == 503 and answer, 30, "it is not ready any more")
    assert "a log has stopped after an error of its disk" in body
    assert get(node, "/health")[0] == 200
    assert totals(node)["pyralog_log_stopped"] >= 1
    wait_until(lambda: "ERROR log: the log has stopped after an error of its disk" in node.errors(), 10, "the log says so")
    producer.purge()
    node.kill()
