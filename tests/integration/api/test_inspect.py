"""pyralog inspect: what lies in a stopped data directory, read only."""
import json
import subprocess

SECONDS = 60


def inspect(binary, folder, *options, code=0):
    done = subprocess.run([binary, "inspect", folder, "--format", "json", *options], capture_output=True, text=True,
                          timeout=SECONDS)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


def test_inspect(binary, new_node):
    node = new_node("--shards", "1")
    subprocess.run([binary.parents[2] / "examples/getting_started", "127.0.0.1", str(node.ports["kafka"]),
                    str(node.ports["postgres"])], check=True, capture_output=True, timeout=SECONDS)
    data = node.folder / "data"
    assert "stop the server" in inspect(binary, data, code=1)
    node.stop()
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}

    ring = [row for row in inspect(binary, data) if row["kind"] == "ring" and row["frames"]]
    groups = inspect(binary, data, "--groups")
    assert ring and all(row["state"] == "ok" for row in ring)
    assert sum(row["frames"] for row in ring) == sum(row["frames"] for row in groups) > 0
    assert ring[0]["first_group"] == groups[0]["group"] and ring[-1]["last_group"] == groups[-1]["group"]
    assert isinstance(inspect(binary, data, "--parts"), list)
    assert before == {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}

    # Damage is told in its row.
    full = next(row for row in groups if row["frames"])
    path = data / "shard-0" / "ring" / full["file"]
    damaged = bytearray(path.read_bytes())
    damaged[full["position"] + 64 + 8 * full["partitions"] + 40] ^= 1
    path.write_bytes(damaged)
    assert any("damaged" in row["state"] for row in inspect(binary, data))


def test_what_is_no_data_directory(binary, tmp_path):
    assert "not a data directory" in inspect(binary, tmp_path / "none", code=1)
    assert not (tmp_path / "none").exists()
    assert "not both" in inspect(binary, tmp_path, "--groups", "--parts", code=2)
