import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.*;
import java.util.*;

/** What pgjdbc's metadata says, as Hibernate, DBeaver and others ask for it: see doc.go two folders up. */
public class Metadata {
    static String feature = "";
    static Connection conn;

    interface Code {
        void run() throws Exception;
    }

    static void feature(String name, Code code) throws Exception {
        feature = name;
        try (Statement st = conn.createStatement()) {
            st.execute("SELECT 'playing: " + name + "'");
        }
        try {
            code.run();
        } catch (SQLException e) {
            show("FAILED: " + String.join(" ", e.getMessage().split("\\s+")));
        }
    }

    static void show(Object... values) {
        StringBuilder line = new StringBuilder(feature + "\t");
        for (Object v : values) line.append(v).append(' ');
        System.out.println(line.toString().stripTrailing());
    }

    /** Rows, without the catalog's name, which is another one at each run. */
    static void rows(String title, ResultSet rs) throws SQLException {
        ResultSetMetaData m = rs.getMetaData();
        while (rs.next()) {
            StringBuilder line = new StringBuilder(title + ":");
            for (int i = 1; i <= m.getColumnCount(); i++)
                if (!m.getColumnLabel(i).toUpperCase().endsWith("_CAT")) line.append(' ').append(m.getColumnLabel(i)).append('=').append(stable(rs.getString(i)));
            show(line);
        }
        rs.close();
    }

    /** A specific name has the object's OID at its end. */
    static String stable(String value) {
        return value == null ? null : value.replaceAll("_1\\d{4}$", "_n");
    }

    static void describe(ResultSetMetaData m) throws SQLException {
        for (int i = 1; i <= m.getColumnCount(); i++)
            show(m.getColumnLabel(i), m.getColumnName(i), m.getTableName(i), m.getSchemaName(i), m.getColumnTypeName(i), m.getColumnType(i), m.getPrecision(i),
                m.getScale(i), m.getColumnDisplaySize(i), m.isNullable(i), m.isAutoIncrement(i), m.isSigned(i), m.isCaseSensitive(i), m.getColumnClassName(i));
    }

    static void script(String file) throws Exception {
        try (Statement st = conn.createStatement()) {
            for (String sql : Files.readString(Path.of(file)).split(";\n")) if (!sql.isBlank()) st.execute(sql);
        }
        show("done");
    }

    public static void main(String[] args) throws Exception {
        java.net.URI uri = java.net.URI.create(args[args.length - 1]);
        Properties p = new Properties();
        String[] user = uri.getUserInfo().split(":");
        p.setProperty("user", user[0]);
        if (user.length > 1) p.setProperty("password", user[1]);
        p.setProperty("options", "-c pgseal.org=acme");
        conn = DriverManager.getConnection("jdbc:postgresql://" + uri.getHost() + ":" + uri.getPort() + uri.getPath(), p);
        DatabaseMetaData d = conn.getMetaData();
        System.out.println("version\t" + d.getDriverVersion());

        feature("create schema", () -> script("testdata/schema.sql"));
        feature("create", () -> script("testdata/rows.sql"));
        feature("introspection", () -> {
            show(d.getDatabaseProductName(), d.getMaxColumnNameLength(), d.getSQLKeywords().length());
            rows("schemas", d.getSchemas(null, "public"));
            rows("tables", d.getTables(null, "public", "%", null));
            rows("tables", d.getTables(null, null, "notes", new String[] {"TABLE", "VIEW"}));
            rows("columns", d.getColumns(null, "public", "%", "%"));
            rows("columns", d.getColumns(conn.getCatalog(), null, "notes", "bod%"));
            for (String table : new String[] {"authors", "notes"}) {
                rows("key", d.getPrimaryKeys(null, "public", table));
                rows("imported", d.getImportedKeys(null, "public", table));
                rows("exported", d.getExportedKeys(null, "public", table));
                rows("index", d.getIndexInfo(null, "public", table, false, true));
                rows("unique", d.getIndexInfo(null, "public", table, true, false));
                rows("best", d.getBestRowIdentifier(null, "public", table, DatabaseMetaData.bestRowSession, true));
                rows("version", d.getVersionColumns(null, "public", table));
                rows("privileges", d.getTablePrivileges(null, "public", table));
                rows("column privileges", d.getColumnPrivileges(null, "public", table, "%"));
            }
            rows("cross", d.getCrossReference(null, "public", "authors", null, "public", "notes"));
            rows("functions", d.getFunctions(null, "public", "%"));
            rows("function columns", d.getFunctionColumns(null, "public", "%", "%"));
            rows("procedures", d.getProcedures(null, "public", "%"));
            rows("procedure columns", d.getProcedureColumns(null, "public", "%", "%"));
            rows("types", d.getUDTs(null, "public", "%", null));
            rows("table types", d.getTableTypes());
            Set<String> known = Set.of("text", "jsonb", "bytea", "numeric", "timestamptz", "uuid", "mood", "positive", "bool", "serial");
            try (ResultSet rs = d.getTypeInfo()) {
                while (rs.next()) if (known.contains(rs.getString(1))) show("type", rs.getString(1), rs.getInt(2), rs.getInt(3), rs.getBoolean(8), rs.getBoolean(12));
            }
        });
        feature("read", () -> {
            try (PreparedStatement st = conn.prepareStatement("SELECT * FROM notes WHERE id = ?")) {
                describe(st.getMetaData());
                ParameterMetaData parameters = st.getParameterMetaData();
                show(parameters.getParameterCount(), parameters.getParameterTypeName(1), parameters.getParameterClassName(1));
                st.setLong(1, 1);
                rows("row", st.executeQuery());
            }
            try (PreparedStatement st = conn.prepareStatement("INSERT INTO notes (org, author_id, slug, body, doc, at, amount, uid) VALUES (?, ?, ?, ?, ?::jsonb, ?, ?, ?)")) {
                ParameterMetaData parameters = st.getParameterMetaData();
                for (int i = 1; i <= parameters.getParameterCount(); i++) show(parameters.getParameterTypeName(i), parameters.getParameterClassName(i));
            }
            try (Statement st = conn.createStatement(); ResultSet rs = st.executeQuery("SELECT v.*, n.slug FROM note_view v JOIN notes n ON n.id = v.id")) {
                describe(rs.getMetaData());
            }
        });
        feature("update", () -> {
            try (Statement st = conn.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_UPDATABLE)) {
                ResultSet rs = st.executeQuery("SELECT id, org, author_id, slug, body, code FROM notes ORDER BY id");
                rs.first();
                rs.updateString("body", "secret updated in place");
                rs.updateRow();
                rs.moveToInsertRow();
                rs.updateString("org", "acme");
                rs.updateInt("author_id", 1);
                rs.updateString("slug", "inserted");
                rs.updateString("body", "secret inserted in place");
                rs.insertRow();
                rs.last();
                rs.refreshRow();
                show(rs.getString("body"));
            }
            try (Statement st = conn.createStatement()) {
                rows("row", st.executeQuery("SELECT id, body FROM notes ORDER BY id"));
                show(st.executeUpdate("UPDATE notes SET body = 'secret again' WHERE id = 1", Statement.RETURN_GENERATED_KEYS));
                rows("keys", st.getGeneratedKeys());
            }
        });
        feature("searches", () -> {
            Map<String, String> all = new LinkedHashMap<>();
            all.put("equal", "SELECT id FROM notes WHERE body = 'secret'");
            all.put("order", "SELECT id FROM notes ORDER BY code");
            for (Map.Entry<String, String> e : all.entrySet()) {
                try (Statement st = conn.createStatement(); ResultSet rs = st.executeQuery(e.getValue())) {
                    int n = 0;
                    while (rs.next()) n++;
                    show(e.getKey(), "found", n);
                } catch (SQLException error) {
                    show(e.getKey(), "refused", error.getSQLState());
                }
            }
        });
        conn.close();
    }
}
