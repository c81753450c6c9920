"""The brokers that are measured, each a process on one data directory: Pyralog, and Apache Kafka from Maven Central.

Both run with the settings that their makers ship, but for what both get alike: durability. "fsync" is Pyralog's default and
Kafka with log.flush.interval.messages=1; "os" is Kafka's default and Pyralog with --durability os. Kafka gets 2 GB of heap
and the JVM options of its own start script; it frees what was deleted after seconds, so that the disk is not filled up.
"""
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "integration")]
from waiting import wait_until  # noqa: E402

KAFKA_LIBRARIES = ROOT / ".deps" / "kafka" / "lib"
START_SECONDS = 60
STOP_SECONDS = 60
JVM_OPTIONS = ["-Xms2g", "-Xmx2g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
               "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"]

KAFKA_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={folder}/data
num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.segment.delete.delay.ms=1000
log.retention.check.interval.ms=5000
"""

# What pairs of brokers get for cases of their own: Pyralog's options, and lines of Kafka's properties. Pyralog's delay before
# the first assignment of a group is 500 ms and no setting.
SETTINGS = {
    "": ((), ""),
    "delay": ((), "group.initial.rebalance.delay.ms=500\n"),
    "groups": ((), ""),
    "compaction": (("--checkpoint-mib", "64"), "log.cleaner.backoff.ms=1000\n"),
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Peer:
    """A broker process: start(), broker (host:port), pid, stop()."""

    name = ""

    def __init__(self, folder, durability, settings=""):
        self.folder = folder / f"{self.name.lower()}-{durability}"
        self.durability = durability
        self.options, self.properties = SETTINGS[settings]
        self.process = None
        self.port = 0

    @property
    def broker(self):
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.folder / "log"

    def start(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.port = free_port()
        command = self.command()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder)
        wait_until(lambda: self.is_ready() or self.process.poll() is not None, START_SECONDS, f"{self.name} starts")
        if self.process.poll() is not None:
            raise SystemExit(f"{self.name} did not start: see {self.log}")
        return self

    def is_ready(self):
        return self.ready_text in self.log.read_text(errors="replace")

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        shutil.rmtree(self.folder / "data", ignore_errors=True)


class Pyralog(Peer):
    name = "Pyralog"
    ready_text = "ready:"

    def __init__(self, binary, folder, durability, settings=""):
        super().__init__(folder, durability, settings)
        self.binary = binary

    def command(self):
        return [str(self.binary), "server", "--data", str(self.folder / "data"), "--kafka-port", str(self.port),
                "--pg-port", "0", "--http-port", "off", "--durability", self.durability, *self.options]

    def version(self):
        return subprocess.run([str(self.binary), "version"], capture_output=True, text=True, check=True).stdout.split()[1]


class Kafka(Peer):
    name = "Kafka"
    ready_text = "Kafka Server started"

    @staticmethod
    def java(main, *arguments, options=()):
        return ["java", *options, "-cp", f"{KAFKA_LIBRARIES}/*", main, *arguments]

    def command(self):
        properties = self.folder / "server.properties"
        text = KAFKA_PROPERTIES.format(port=self.port, controller=free_port(), folder=self.folder) + self.properties
        if self.durability == "fsync":
            text += "log.flush.interval.messages=1\n"
        properties.write_text(text)
        made = subprocess.run(self.java("kafka.tools.StorageTool", "random-uuid"), capture_output=True, text=True, check=True)
        formatted = subprocess.run(self.java("kafka.tools.StorageTool", "format", "--standalone", "-t",
                                             made.stdout.strip(), "-c", str(properties)), capture_output=True, text=True)
        if formatted.returncode != 0:
            raise SystemExit(f"Kafka's storage could not be formatted: {formatted.stderr.strip()}")
        return self.java("kafka.Kafka", str(properties), options=JVM_OPTIONS)

    def version(self):
        return next(KAFKA_LIBRARIES.glob("kafka_2.13-*.jar")).stem.rpartition("-")[2]


def kafka_is_installed():
    return shutil.which("java") is not None and any(KAFKA_LIBRARIES.glob("kafka_2.13-*.jar"))
