"""PostgreSQL 15 for a test: on a port and in a folder of its own, as a user that is not root, which it refuses to be."""
import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

import psycopg
from waiting import wait_until

SECONDS = 30


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def another_user():
    """Whom a server started by root runs as; nobody else needs another."""
    return {"user": pwd.getpwnam("nobody").pw_uid, "group": pwd.getpwnam("nobody").pw_gid} if os.geteuid() == 0 else {}


def programs():
    """Debian keeps them out of PATH, by version: where psql's wrapper finds them."""
    listed = subprocess.run(["dpkg", "-L", "postgresql-15"], capture_output=True, text=True, check=True).stdout.split()
    return pathlib.Path(next(path for path in listed if path.endswith("/bin/initdb"))).parent


def connect(port):
    try:
        return psycopg.connect(f"host=127.0.0.1 port={port} user=postgres dbname=postgres", autocommit=True)
    except psycopg.OperationalError:
        return None


@contextlib.contextmanager
def running(*settings):
    """Gives a connection; with it goes the server."""
    folder = pathlib.Path(tempfile.mkdtemp())
    user, port = another_user(), free_port()
    if user:
        os.chown(folder, user["user"], user["group"])
    options = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **user}
    subprocess.run([programs() / "initdb", "-D", folder / "data", "-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8",
                    "--locale=C.UTF-8"], check=True, **options)
    server = subprocess.Popen([programs() / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder, "-h",
                               "127.0.0.1", "-c", "timezone=UTC", *settings], **options)
    try:
        connection = wait_until(lambda: connect(port), SECONDS, "PostgreSQL takes connections")
        yield connection
        connection.close()
    finally:
        server.send_signal(signal.SIGINT)  # does not wait for its clients
        server.wait(SECONDS)
        shutil.rmtree(folder, ignore_errors=True)
