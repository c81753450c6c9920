"""The library from Python, by ctypes: results as Arrow's C stream, read by pyarrow."""
import ctypes
import datetime
import decimal

import pyarrow
import pytest

FAILURE_BYTES = 4096


class Bytes(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("bytes", ctypes.c_size_t)]


class Record(ctypes.Structure):
    _fields_ = [("key", Bytes), ("value", Bytes), ("headers", ctypes.c_void_p), ("header_count", ctypes.c_size_t),
                ("timestamp_ms", ctypes.c_int64), ("partition", ctypes.c_int32), ("offset", ctypes.c_int64)]


class ConnectOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("host", ctypes.c_char_p), ("kafka_port", ctypes.c_uint16), ("pg_port", ctypes.c_uint16)]


class Library:
    """A server's topics, by libpyralog.so."""

    def __init__(self, path, node):
        self.library = ctypes.CDLL(str(path))
        self.library.pyr_record_of.restype = Record
        self.failure = ctypes.create_string_buffer(FAILURE_BYTES)
        self.log = ctypes.c_void_p()
        options = ConnectOptions(ctypes.sizeof(ConnectOptions), b"127.0.0.1", node.ports["kafka"], node.ports["postgres"])
        self.check(self.library.pyr_connect(ctypes.byref(options), ctypes.byref(self.log), self.failure))

    def check(self, status):
        assert status == 0, (status, self.failure.raw.rstrip(b"\0"))

    def produce(self, topic, values):
        self.check(self.library.pyr_topic_create(self.log, topic, 1, self.failure))
        records = (Record * len(values))(*[self.library.pyr_record_of(b"k", value) for value in values])
        self.check(self.library.pyr_produce(self.log, topic, records, len(values), self.failure))

    def arrow(self, text):
        """A reader of the result's batches."""
        rows = ctypes.c_void_p()
        self.check(self.library.pyr_sql(self.log, text.encode(), None, 0, ctypes.byref(rows), self.failure))
        stream = ctypes.create_string_buffer(40)  # struct ArrowArrayStream: five pointers
        self.check(self.library.pyr_rows_arrow(rows, stream, self.failure))
        return pyarrow.RecordBatchReader._import_from_c(ctypes.addressof(stream))

    def close(self):
        self.library.pyr_close(self.log)


@pytest.fixture
def library(binary, new_node):
    path = binary.parents[1] / "api" / "libpyralog.so"
    if b"__asan_init" in path.read_bytes():
        pytest.skip("Python runs without the sanitizers' runtime")
    opened = Library(path, new_node())
    yield opened
    opened.close()


def test_types_and_nulls(library):
    table = library.arrow("""SELECT 1::int2 AS a, 2 AS b, 3::int8 AS c, 1.5::float4 AS d, 2.5::float8 AS e, true AS f, 'x' AS g,
        '\\x00ff'::bytea AS h, date '2024-02-29' AS i, timestamp '2024-02-29 01:02:03.5' AS j,
        timestamptz '2024-02-29 01:02:03+00' AS k, 12.25 AS l
        UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL""").read_all()
    assert [str(field.type) for field in table.schema] == [
        "int16", "int32", "int64", "float", "double", "bool", "string", "binary", "date32[day]", "timestamp[us]",
        "timestamp[us, tz=UTC]", "decimal128(38, 16)"]
    first, second = sorted(table.to_pylist(), key=lambda row: row["a"] is None)
    assert list(first.values()) == [
        1, 2, 3, 1.5, 2.5, True, "x", b"\0\xff", datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3, 500000),
        datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=datetime.timezone.utc), decimal.Decimal("12.25")]
    assert set(second.values()) == {None}


@pytest.mark.parametrize("text", ["0", "-0.01", "1.0000000001", "-9999999999999999999999", "123456789012345678901.5", "-5", "0.1"])
def test_numerics_are_exact(library, text):
    value = library.arrow(f"SELECT {text}::numeric(38, {len(text.partition('.')[2])}) AS n").read_all()["n"][0].as_py()
    assert value == decimal.Decimal(text)


def test_a_numeric_that_does_not_fit_says_so(library):
    with pytest.raises(pyarrow.ArrowInvalid, match="range of Arrow's type"):
        library.arrow("SELECT 12345678901234567890123456789::numeric(38, 0)").read_all()


def test_a_topic_in_batches(library):
    library.produce(b"numbers", [b'{"n": %d}' % n for n in range(100000)])
    reader = library.arrow("""SELECT "offset", (value->>'n')::int AS n FROM numbers ORDER BY 1""")
    batches = list(reader)
    assert len(batches) > 1 and sum(batch.num_rows for batch in batches) == 100000
    table = pyarrow.Table.from_batches(batches)
    table.validate(full=True)
    assert table["n"].to_pylist() == list(range(100000)) == table["offset"].to_pylist()


def test_an_empty_result_has_a_schema(library):
    table = library.arrow("SELECT 1 AS a, 'x' AS b WHERE false").read_all()
    assert table.num_rows == 0 and table.schema.names == ["a", "b"]
