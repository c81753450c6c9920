// pgjdbc: metadata, prepared statements in text and binary, batches, fetch sizes, COPY. java Client.java PORT TOPIC
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.*;
import java.time.OffsetDateTime;
import java.util.*;
import org.postgresql.PGConnection;

public class Client {
    static void check(Object found, Object expected) {
        if (!Objects.equals(found, expected))
            throw new AssertionError(found + " instead of " + expected);
    }

    static void metadata(Connection connection, String topic) throws SQLException {
        DatabaseMetaData data = connection.getMetaData();
        check(data.getDatabaseMajorVersion(), 15);
        List<String> tables = new ArrayList<>(), columns = new ArrayList<>(), schemas = new ArrayList<>();
        try (ResultSet rows = data.getTables(null, "public", "%", new String[] {"TABLE"})) {
            while (rows.next())
                tables.add(rows.getString("TABLE_NAME"));
        }
        check(tables.contains(topic), true);
        try (ResultSet rows = data.getColumns(null, "public", topic.replace("_", "\\_"), null)) {
            while (rows.next())
                columns.add(rows.getString("COLUMN_NAME") + " " + rows.getString("TYPE_NAME") + " " + rows.getInt("DATA_TYPE"));
        }
        check(columns.get(0), "offset int8 " + Types.BIGINT);
        check(columns.get(2), "timestamp timestamptz " + Types.TIMESTAMP);
        check(columns.size(), 6);
        try (ResultSet rows = data.getSchemas()) {
            while (rows.next())
                schemas.add(rows.getString(1));
        }
        check(schemas.contains("public"), true);
        check(data.getPrimaryKeys(null, "public", topic).next(), false);
        check(data.getIndexInfo(null, "public", topic, false, false).next(), false);
        check(data.getImportedKeys(null, "public", topic).next(), false);
        check(data.getTypeInfo().next(), true);
        check(data.getSQLKeywords().isEmpty(), false);
    }

    static void values(Connection connection) throws SQLException {
        String text = "SELECT ?::int, ?::bigint, ?::numeric, ?::text, ?::boolean, ?::float8, ?::timestamptz, ?::bytea, ?::uuid, ?::date";
        OffsetDateTime moment = OffsetDateTime.parse("2024-01-02T03:04:05.678Z");
        UUID id = UUID.fromString("12345678-9abc-def0-8000-00805f9b34fb");
        try (PreparedStatement query = connection.prepareStatement(text)) {
            for (int round = 0; round < 10; round++) { // from the fifth on prepared on the server, in binary
                query.setInt(1, round);
                query.setLong(2, 1L << 40);
                query.setBigDecimal(3, new BigDecimal("-1.25"));
                query.setString(4, "\u20ac");
                query.setBoolean(5, true);
                query.setDouble(6, 0.25);
                query.setObject(7, moment);
                query.setBytes(8, new byte[] {0, -1});
                query.setObject(9, id);
                query.setDate(10, java.sql.Date.valueOf("2024-02-29"));
                try (ResultSet row = query.executeQuery()) {
                    check(row.next(), true);
                    check(row.getInt(1), round);
                    check(row.getLong(2), 1L << 40);
                    check(row.getBigDecimal(3), new BigDecimal("-1.25"));
                    check(row.getString(4), "\u20ac");
                    check(row.getBoolean(5), true);
                    check(row.getDouble(6), 0.25);
                    check(row.getObject(7, OffsetDateTime.class), moment);
                    check(Arrays.equals(row.getBytes(8), new byte[] {0, -1}), true);
                    check(row.getObject(9), id);
                    check(row.getDate(10), java.sql.Date.valueOf("2024-02-29"));
                }
            }
        }
        try (Statement query = connection.createStatement(); ResultSet row = query.executeQuery("SELECT ARRAY[1,2], interval '1 day'")) {
            row.next();
            check(Arrays.toString((Object[]) row.getArray(1).getArray()), "[1, 2]");
            check(row.getObject(2).toString(), "0 years 0 mons 1 days 0 hours 0 mins 0.0 secs");
        }
    }

    static void rows(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement first = connection.createStatement(); Statement second = connection.createStatement()) {
            first.setFetchSize(100);
            second.setFetchSize(7);
            int seen = 0;
            try (ResultSet a = first.executeQuery("SELECT x FROM generate_series(1, 5000) s(x)");
                 ResultSet b = second.executeQuery("SELECT x FROM generate_series(1, 5000) s(x)")) {
                while (a.next() && b.next()) {
                    check(a.getInt(1), b.getInt(1));
                    seen += 1;
                }
            }
            check(seen, 5000);
        }
        connection.commit();
        connection.setAutoCommit(true);
    }

    static long count(Connection connection, String topic, String key) throws SQLException {
        try (PreparedStatement query = connection.prepareStatement("SELECT count(*) FROM \"" + topic + "\" WHERE key = ?")) {
            query.setString(1, key);
            ResultSet row = query.executeQuery();
            row.next();
            return row.getLong(1);
        }
    }

    static void writes(Connection connection, String topic) throws Exception {
        connection.setAutoCommit(false);
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO \"" + topic + "\" (key, value) VALUES (?, ?)")) {
            for (int i = 0; i < 1000; i++) {
                insert.setString(1, "java");
                insert.setString(2, "" + i);
                insert.addBatch();
            }
            check(insert.executeBatch().length, 1000);
        }
        Savepoint here = connection.setSavepoint("here");
        try (Statement insert = connection.createStatement()) {
            insert.executeUpdate("INSERT INTO \"" + topic + "\" (key) VALUES ('java')");
        }
        connection.rollback(here);
        connection.commit();
        connection.setAutoCommit(true);
        check(count(connection, topic, "java"), 1000L);
        var copy = connection.unwrap(PGConnection.class).getCopyAPI();
        check(copy.copyIn("COPY \"" + topic + "\" (key, value) FROM STDIN CSV", new StringReader("jcopy,a\njcopy,b\n")), 2L);
        StringWriter out = new StringWriter();
        copy.copyOut("COPY (SELECT key, value FROM \"" + topic + "\" WHERE key = 'jcopy' ORDER BY value) TO STDOUT CSV", out);
        check(out.toString(), "jcopy,a\njcopy,b\n");
    }

    static void errors(Connection connection) throws SQLException {
        try (Statement query = connection.createStatement()) {
            query.executeQuery("SELECT 1/0");
            throw new AssertionError("no error");
        } catch (SQLException error) {
            check(error.getSQLState(), "22012");
        }
        try (Statement query = connection.createStatement()) {
            query.setQueryTimeout(1);
            query.executeQuery("SELECT count(*) FROM generate_series(1, 100000000000) a");
            throw new AssertionError("no error");
        } catch (SQLException error) {
            check(error.getSQLState(), "57014");
        }
    }

    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:postgresql://127.0.0.1:" + arguments[0] + "/pyralog?user=java&reWriteBatchedInserts=";
        for (String rewrite : new String[] {"false", "true"}) {
            try (Connection connection = DriverManager.getConnection(url + rewrite)) {
                check(connection.isValid(5), true);
                metadata(connection, arguments[1]);
                values(connection);
                rows(connection);
                errors(connection);
                if (rewrite.equals("true"))
                    writes(connection, arguments[1]);
            }
        }
    }
}
