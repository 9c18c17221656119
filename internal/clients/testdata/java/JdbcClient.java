import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.sql.BatchUpdateException;
import java.sql.Connection;
import java.sql.Date;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Timestamp;
import java.sql.Types;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.TimeZone;
import java.util.Timer;
import java.util.TimerTask;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyIn;
import org.postgresql.copy.CopyManager;
import org.postgresql.util.PSQLException;
import org.postgresql.util.PGobject;
import org.postgresql.util.ServerErrorMessage;

/**
 * The JDBC driver's features: extended protocol; a statement becomes a named one, with binary transfer, after five runs;
 * batches, also rewritten into multi-row INSERTs; CopyManager; portals through the fetch size.
 */
public class JdbcClient {
    static final String[] NAMES = {"t", "vc", "ch", "j", "jb", "raw", "ok", "i2", "i4", "i8", "f4", "f8", "amount", "uid", "day", "ts", "tz"};
    static final String COLUMNS = String.join(", ", NAMES);
    static final String WHOLE_ROW = "INSERT INTO items (id, org, " + COLUMNS + ") VALUES (?, ?" + ", ?".repeat(NAMES.length) + ")";

    static String url, user, password;
    static Connection conn;
    static String feature;

    interface Play {
        void play() throws Exception;
    }

    static void feature(String name, Play play) {
        feature = name;
        try {
            play.play();
        } catch (Exception e) {
            System.out.println(feature + "\tFAILED: " + e.getClass().getSimpleName() + ": " + String.valueOf(e.getMessage()).replaceAll("\\s+", " "));
        }
    }

    static void show(Object... values) {
        StringBuilder line = new StringBuilder(feature).append('\t');
        for (Object v : values) {
            line.append(v instanceof String s && s.length() <= 200 ? s : text(v)).append(' ');
        }
        System.out.println(line.toString().stripTrailing());
    }

    static String text(Object v) {
        if (v == null) {
            return "null";
        }
        String s;
        if (v instanceof byte[] b) {
            s = HexFormat.of().formatHex(b);
        } else if (v instanceof int[] a) {
            s = Arrays.toString(a);
        } else if (v instanceof Timestamp t) {
            s = t.toInstant().toString();
        } else {
            s = v.toString();
        }
        if (s.length() > 200) {
            try {
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(s.getBytes(StandardCharsets.UTF_8));
                s = s.length() + " with digest " + HexFormat.of().formatHex(digest).substring(0, 16);
            } catch (java.security.NoSuchAlgorithmException e) {
                throw new IllegalStateException(e);
            }
        }
        return v.getClass().getSimpleName() + " " + s;
    }

    static void explain(SQLException e) {
        ServerErrorMessage m = e instanceof PSQLException p ? p.getServerErrorMessage() : null;
        if (m == null) {
            show(e.getSQLState(), e.getMessage());
        } else {
            show(e.getSQLState(), m.getMessage(), orDash(m.getDetail()), orDash(m.getHint()), Integer.toString(m.getPosition()), orDash(m.getConstraint()));
        }
    }

    static String orDash(String s) {
        return s == null ? "-" : s;
    }

    static void rows(ResultSet rs) throws SQLException {
        int n = rs.getMetaData().getColumnCount();
        while (rs.next()) {
            Object[] row = new Object[n];
            for (int i = 0; i < n; i++) {
                row[i] = text(rs.getObject(i + 1));
            }
            show(row);
        }
        rs.close();
    }

    static void query(String sql, Object... parameters) throws SQLException {
        try (PreparedStatement st = conn.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                st.setObject(i + 1, parameters[i]);
            }
            rows(st.executeQuery());
        }
    }

    static int execute(String sql, Object... parameters) throws SQLException {
        try (PreparedStatement st = conn.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                st.setObject(i + 1, parameters[i]);
            }
            return st.executeUpdate();
        }
    }

    static void setWholeRow(PreparedStatement st, int id) throws SQLException {
        LocalDateTime time = LocalDateTime.of(2024, 2, 29, 12, 34, 56, 789012000);
        st.setInt(1, id);
        st.setString(2, "acme");
        st.setString(3, "secret text: Grüße, 'quoted' \\ back");
        st.setString(4, "secret varchar");
        st.setString(5, "sec");
        st.setObject(6, json("json", "{\"secret\": [1, 2.50]}"));
        st.setObject(7, json("jsonb", "{\"secret\": \"json\", \"a\": 1}"));
        st.setBytes(8, "\0\u00ffsecret bytes\\".getBytes(StandardCharsets.ISO_8859_1));
        st.setBoolean(9, true);
        st.setShort(10, (short) -32768);
        st.setInt(11, 2147483647);
        st.setLong(12, Long.MIN_VALUE);
        st.setFloat(13, 1.5f);
        st.setDouble(14, 0.1);
        st.setBigDecimal(15, new BigDecimal("12345678901234567890.0123456789"));
        st.setObject(16, UUID.fromString("0f0e0d0c-0b0a-0908-0706-050403020100"));
        st.setObject(17, LocalDate.of(2024, 2, 29));
        st.setObject(18, time);
        st.setObject(19, time.atOffset(ZoneOffset.UTC));
    }

    static PGobject json(String type, String value) throws SQLException {
        PGobject o = new PGobject();
        o.setType(type);
        o.setValue(value);
        return o;
    }

    static void showTypes(ResultSet rs) throws SQLException {
        ResultSetMetaData meta = rs.getMetaData();
        while (rs.next()) {
            for (int i = 1; i <= meta.getColumnCount(); i++) {
                show(meta.getColumnName(i), meta.getColumnTypeName(i), meta.getColumnClassName(i), Integer.toString(meta.getPrecision(i)),
                        Integer.toString(meta.getScale(i)), text(rs.getObject(i)), i == 6 ? "-" : rs.getString(i)); // of binary bytes the driver prints the address
            }
            show(rs.getDate("day").toString(), rs.getTimestamp("ts"), rs.getTimestamp("tz"), rs.getObject("day", LocalDate.class),
                    rs.getObject("ts", LocalDateTime.class), rs.getObject("tz", OffsetDateTime.class), rs.getBigDecimal("amount"), rs.getLong("i4"));
        }
        rs.close();
    }

    static Connection connect(String options) throws SQLException {
        return DriverManager.getConnection(url + options, user, password);
    }

    public static void main(String[] args) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        URI dsn = URI.create(args[0]);
        String[] login = dsn.getUserInfo().split(":", 2);
        user = login[0];
        password = login[1];
        url = "jdbc:postgresql://" + dsn.getHost() + ":" + dsn.getPort() + dsn.getPath() + "?" + dsn.getQuery();
        conn = connect("");
        PGConnection pg = conn.unwrap(PGConnection.class);

        feature("version", () -> show(conn.getMetaData().getDriverVersion()));

        feature("connect", () -> {
            show(conn.getMetaData().getDatabaseProductVersion(), conn.getMetaData().getUserName());
            show(pg.getParameterStatus("server_encoding"), pg.getParameterStatus("DateStyle"), pg.getParameterStatus("TimeZone"));
        });

        feature("types", () -> {
            PreparedStatement insert = conn.prepareStatement(WHOLE_ROW);
            setWholeRow(insert, 1);
            show(insert.executeUpdate());
            PreparedStatement select = conn.prepareStatement("SELECT " + COLUMNS + " FROM items WHERE id = ?");
            select.setInt(1, 1);
            showTypes(select.executeQuery());
            show(select.getParameterMetaData().getParameterTypeName(1));
            PreparedStatement described = conn.prepareStatement(WHOLE_ROW);
            for (int i = 1; i <= NAMES.length + 2; i++) {
                show(described.getParameterMetaData().getParameterTypeName(i), described.getParameterMetaData().getParameterClassName(i));
            }
            ResultSetMetaData meta = conn.prepareStatement("SELECT " + COLUMNS + " FROM items").getMetaData();
            for (int i = 1; i <= meta.getColumnCount(); i++) {
                show(meta.getColumnName(i), meta.getColumnTypeName(i), meta.getTableName(i), Integer.toString(meta.isNullable(i)));
            }
            execute("UPDATE items SET day = ?, ts = ? WHERE id = 1 AND org = 'acme'", Date.valueOf("2024-03-01"), Timestamp.valueOf("2024-03-01 01:02:03.004"));
            query("SELECT day, ts FROM items WHERE id = 1");
        });

        feature("nulls", () -> {
            PreparedStatement insert = conn.prepareStatement(WHOLE_ROW);
            insert.setInt(1, 2);
            insert.setString(2, "acme");
            for (int i = 0; i < NAMES.length; i++) {
                insert.setNull(i + 3, Types.NULL);
            }
            insert.executeUpdate();
            execute("INSERT INTO items (id, org, t, i4, raw, tz) VALUES (?, 'acme', ?, ?, ?, ?)", 5, null, null, null, null);
            PreparedStatement typed = conn.prepareStatement("INSERT INTO items (id, org, t, i4, raw, uid) VALUES (6, 'acme', ?, ?, ?, ?)");
            typed.setNull(1, Types.VARCHAR);
            typed.setNull(2, Types.INTEGER);
            typed.setNull(3, Types.BINARY);
            typed.setNull(4, Types.OTHER);
            typed.executeUpdate();
            query("SELECT " + COLUMNS + " FROM items WHERE id IN (2, 5, 6) AND t IS NULL");
        });

        feature("returning", () -> {
            query("INSERT INTO items (id, org, t, jb) VALUES (3, 'globex', ?, ?) RETURNING id, t, jb", "secret returned", json("jsonb", "{\"secret\": true}"));
            query("UPDATE items SET t = ? WHERE id = ? AND org = ? RETURNING t", "secret updated", 3, "globex");
            PreparedStatement keys = conn.prepareStatement("INSERT INTO items (id, org, t) VALUES (7, 'acme', ?)", Statement.RETURN_GENERATED_KEYS);
            keys.setString(1, "secret with generated keys");
            keys.executeUpdate();
            ResultSet rs = keys.getGeneratedKeys();
            rs.next();
            show(rs.getInt("id"), rs.getString("t"));
        });

        feature("prepared", () -> {
            PreparedStatement insert = conn.prepareStatement(WHOLE_ROW);
            PreparedStatement select = conn.prepareStatement("SELECT " + COLUMNS + " FROM items WHERE id = ?");
            for (int n = 200; n < 208; n++) {
                setWholeRow(insert, n);
                insert.executeUpdate();
                select.setInt(1, n);
                showTypes(select.executeQuery());
            }
            query("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'S\\_%'");
        });

        feature("batch", () -> {
            PreparedStatement st = conn.prepareStatement("INSERT INTO items (id, org, t, i4) VALUES (?, ?, ?, ?)");
            for (int n = 10; n < 20; n++) {
                st.setInt(1, n);
                st.setString(2, "acme");
                st.setString(3, "secret batch " + n);
                st.setInt(4, n);
                st.addBatch();
            }
            show(st.executeBatch());
            Statement plain = conn.createStatement();
            plain.addBatch("INSERT INTO items (id, org, t) VALUES (20, 'acme', 'secret statement')");
            plain.addBatch("UPDATE items SET t = 'secret update' WHERE id = 20 AND org = 'acme'");
            show(plain.executeBatch());
            Connection rewriting = connect("&reWriteBatchedInserts=true");
            PreparedStatement many = rewriting.prepareStatement("INSERT INTO items (id, org, t, i4) VALUES (?, ?, ?, ?)");
            for (int n = 21; n < 28; n++) {
                many.setInt(1, n);
                many.setString(2, "globex");
                many.setString(3, "secret rewritten " + n);
                many.setInt(4, n);
                many.addBatch();
            }
            show(many.executeBatch());
            rewriting.close();
            st.setInt(1, 29);
            st.addBatch();
            st.setInt(1, 10);
            st.addBatch();
            try {
                st.executeBatch();
            } catch (BatchUpdateException e) {
                show(e.getSQLState(), e.getUpdateCounts());
            }
            query("SELECT id, org, t, i4 FROM items WHERE id BETWEEN 10 AND 29 ORDER BY id");
        });

        CopyManager copies = pg.getCopyAPI();
        feature("copy in", () -> {
            show(copies.copyIn("COPY items (id, org, t, i4) FROM STDIN", new StringReader("30\tacme\tsecret copied\t1\n31\tglobex\t\\N\t2\n")));
            show(copies.copyIn("COPY items (id, org, t, raw) FROM STDIN (FORMAT csv, HEADER)",
                    new ByteArrayInputStream("id,org,t,raw\n32,acme,\"secret, \"\"csv\"\"\",\\x0102\n33,acme,,\n".getBytes(StandardCharsets.UTF_8))));
            CopyIn in = copies.copyIn("COPY items (id, org, t) FROM STDIN");
            for (byte b : "36\tacme\tsecret in bytes\n".getBytes(StandardCharsets.UTF_8)) {
                in.writeToCopy(new byte[] {b}, 0, 1);
            }
            show(in.endCopy());
            query("SELECT id, org, t, i4, raw FROM items WHERE id BETWEEN 30 AND 36 ORDER BY id");
            try {
                copies.copyIn("COPY items (id, org, i4) FROM STDIN", new StringReader("34\tacme\t1\n35\tacme\tno number\n"));
            } catch (SQLException e) {
                explain(e);
            }
            query("SELECT count(*) FROM items WHERE id IN (34, 35)");
        });

        feature("copy out", () -> {
            execute("CREATE TABLE copied (id int PRIMARY KEY, org text NOT NULL, t text, jb jsonb)");
            execute("INSERT INTO copied VALUES (1, 'acme', ?, ?), (2, 'globex', NULL, NULL)", "secret\tout", json("jsonb", "{\"secret\": 1}"));
            for (String statement : new String[] {"COPY copied TO STDOUT", "COPY copied (t, id) TO STDOUT (FORMAT csv, HEADER)",
                "COPY (SELECT t, jb, id FROM copied ORDER BY id DESC) TO STDOUT"}) {
                StringWriter out = new StringWriter();
                show(copies.copyOut(statement, out), out.toString());
            }
            ByteArrayOutputStream binary = new ByteArrayOutputStream();
            show(copies.copyOut("COPY copied (t, id) TO STDOUT (FORMAT binary)", binary), binary.toByteArray());
        });

        feature("cursors", () -> {
            PreparedStatement st = conn.prepareStatement("INSERT INTO items (id, org, t) VALUES (?, 'acme', ?)");
            for (int n = 100; n < 130; n++) {
                st.setInt(1, n);
                st.setString(2, "secret row " + n);
                st.addBatch();
            }
            st.executeBatch();
            conn.setAutoCommit(false);
            try (PreparedStatement select = conn.prepareStatement("SELECT id, t FROM items WHERE id BETWEEN ? AND 129 ORDER BY id")) {
                select.setFetchSize(7);
                for (int run = 0; run < 6; run++) {
                    select.setInt(1, 100 + run * 4);
                    rows(select.executeQuery());
                }
            }
            try (Statement named = conn.createStatement()) {
                named.execute("DECLARE named CURSOR FOR SELECT id, t FROM items WHERE id BETWEEN 100 AND 129 ORDER BY id");
                rows(named.executeQuery("FETCH 3 FROM named"));
                named.execute("MOVE 10 IN named");
                rows(named.executeQuery("FETCH NEXT FROM named"));
                named.execute("CLOSE named");
            } finally {
                conn.rollback();
                conn.setAutoCommit(true);
            }
        });

        feature("transactions", () -> {
            conn.setAutoCommit(false);
            execute("INSERT INTO items (id, org, t) VALUES (40, 'acme', 'secret gone')");
            for (String statement : new String[] {"INSERT INTO items (id, org, i4) VALUES (41, 'acme', 'no number')", "UPDATE items SET t = NULL WHERE id = 40 AND org = 'acme'"}) {
                try {
                    execute(statement);
                } catch (SQLException e) {
                    explain(e);
                }
            }
            conn.rollback();
            execute("INSERT INTO items (id, org, t) VALUES (42, 'acme', ?)", "secret kept");
            Savepoint savepoint = conn.setSavepoint();
            execute("UPDATE items SET t = ? WHERE id = 42 AND org = 'acme'", "secret undone");
            conn.rollback(savepoint);
            conn.commit();
            query("SELECT id, t FROM items WHERE id BETWEEN 40 AND 42");
            conn.rollback();
            conn.setAutoCommit(true);
        });

        feature("errors", () -> {
            Object[][] bad = {
                {"SELEC 1"},
                {"SELECT nothing FROM items WHERE id = ?", 1},
                {"INSERT INTO items (id, org, t) VALUES (?, 'acme', 'secret twice')", 1},
                {"INSERT INTO items (id, org, t) VALUES (50, ?, NULL)", null},
                {"INSERT INTO items (id, org, uid) VALUES (51, 'acme', ?)", "no uuid"},
                {"INSERT INTO items (id, org, uid) VALUES (51, 'acme', 'no uuid')"},
                {"INSERT INTO items (id, org, vc) VALUES (51, 'acme', ?)", "much longer than twenty characters"},
                {"INSERT INTO items (id, org, i2) VALUES (51, 'acme', ?)", 100000},
                {"INSERT INTO items (id, org, jb) VALUES (51, 'acme', ?)", "{}"},
                {"SELECT 1/0"},
            };
            for (Object[] b : bad) {
                try {
                    execute((String) b[0], Arrays.copyOfRange(b, 1, b.length));
                    show("no error");
                } catch (SQLException e) {
                    explain(e);
                }
            }
        });

        feature("cancel", () -> {
            Statement sleeper = conn.createStatement();
            new Timer(true).schedule(new TimerTask() {
                @Override
                public void run() {
                    try {
                        sleeper.cancel();
                    } catch (SQLException e) {
                        show("FAILED: " + e.getMessage());
                    }
                }
            }, 500);
            try {
                sleeper.execute("SELECT pg_sleep(30)");
            } catch (SQLException e) {
                explain(e);
            }
            sleeper.setQueryTimeout(1);
            try {
                sleeper.execute("SELECT pg_sleep(30)");
            } catch (SQLException e) {
                explain(e);
            }
            query("SELECT t FROM items WHERE id = 42");
        });

        feature("notify", () -> {
            execute("LISTEN channel");
            try (Connection other = connect(""); Statement st = other.createStatement()) {
                st.execute("NOTIFY channel, 'hello'");
            }
            for (PGNotification n : pg.getNotifications(10000)) {
                show(n.getName(), n.getParameter());
            }
        });

        feature("notices", () -> {
            try (Statement st = conn.createStatement()) {
                st.execute("DO $$ BEGIN RAISE NOTICE 'from the server'; END $$");
                show(st.getWarnings().getSQLState(), st.getWarnings().getMessage());
                st.execute("DROP TABLE IF EXISTS not_there");
                for (SQLWarning w = st.getWarnings(); w != null; w = w.getNextWarning()) {
                    show(w.getSQLState(), w.getMessage());
                }
            }
        });

        feature("big values", () -> {
            execute("INSERT INTO items (id, org, t, raw) VALUES (60, 'acme', ?, ?)", "secret".repeat(500000), "secret\0".repeat(300000).getBytes(StandardCharsets.UTF_8));
            query("SELECT t, raw FROM items WHERE id = 60");
        });
        conn.close();
    }
}
