# ActiveRecord's features, with its migrations: see doc.go two folders up.

require "stringio"
require "logger"
require "active_record"

dsn = ARGV[0]
ActiveRecord::Base.default_timezone = :utc
ActiveRecord::Base.record_timestamps = false
ActiveRecord::Base.establish_connection(url: dsn, pool: 1, prepared_statements: true, min_messages: "warning")
ActiveRecord::Migration.verbose = false

class Author < ActiveRecord::Base
  has_many :notes, -> { order(:id) }, dependent: :destroy
end

class Note < ActiveRecord::Base
  belongs_to :author
end

SEALED = %w[body doc raw code at day n big f amount uid ok].freeze

class MakeTables < ActiveRecord::Migration[6.1]
  def change
    create_table :authors do |t|
      t.string :org, limit: 50, null: false, default: "acme"
      t.string :name, limit: 100, null: false
      t.text :bio
    end
    create_table :notes do |t|
      t.string :org, limit: 50, null: false
      t.references :author, null: false, foreign_key: true
      t.string :slug, limit: 50, null: false, index: { unique: true }
      t.integer :stars, null: false, default: 0
      t.text :body, null: false, comment: "what it says"
      t.jsonb :doc
      t.binary :raw
      t.string :code, limit: 20
      t.column :at, "timestamp with time zone"
      t.date :day
      t.integer :n
      t.bigint :big
      t.float :f
      t.decimal :amount, precision: 10, scale: 2
      t.uuid :uid
      t.boolean :ok
    end
  end
end

class AddMotto < ActiveRecord::Migration[6.1]
  def change
    add_column :authors, :motto, :text
    add_column :authors, :age, :integer, null: false, default: 7
    rename_column :authors, :age, :years
    add_index :authors, :years
  end
end

def text(value)
  case value
  when Time, ActiveSupport::TimeWithZone then value.utc.strftime("%Y-%m-%dT%H:%M:%S.%6N")
  when BigDecimal then value.to_s("F")
  when Array then "[" + value.map { |v| text(v) }.join(", ") + "]"
  when Hash then "{" + value.map { |k, v| "#{k}: #{text(v)}" }.join(", ") + "}"
  when ActiveRecord::Base then text(value.attributes)
  when String then value.encoding == Encoding::BINARY ? "bytes " + value.unpack1("H*") : value.inspect
  else value.inspect
  end
end

$feature = ""
def show(*values)
  puts $feature + "\t" + values.map { |v| v.is_a?(String) ? v : text(v) }.join(" ")
end

def feature(name)
  $feature = name
  connection = ActiveRecord::Base.connection
  connection.execute("SELECT 'playing: #{name}'")
  yield connection
rescue StandardError => e
  show("FAILED: #{e.class}: #{e.message.split.join(' ')} #{e.backtrace.first}")
end

def values(n)
  { body: "secret body #{n}: Grüße, 'quoted' 100% \\ back ?", doc: { k: "secret #{n}", list: [1, 2.5, nil], deep: { a: "é" } },
    raw: ("\x00\xFFsecret".b + n.chr.b), code: "secret#{n}", at: Time.utc(2024, 2, 29, 12, 34, 56.789012r), day: Date.new(2024, 2, n % 28 + 1),
    n: n - 5, big: n * 2**40, f: n / 3.0, amount: BigDecimal(n) / 4, uid: format("00000000-0000-0000-0000-%012d", n), ok: n.even? }
end

def row(n, **more)
  { org: "acme", author_id: 1, slug: "note-#{n}", stars: n, **values(n), **more }
end

def all(notes)
  notes.order(:id).each { |n| show(n.id, n.slug, n.stars, SEALED.map { |name| n[name] }) }
end

puts "version\t" + ActiveRecord.version.to_s

feature("create schema") do
  MakeTables.migrate(:up)
  show("made")
end

feature("no drift") do |connection|
  show(connection.column_exists?(:notes, :code, :string, limit: 20), connection.column_exists?(:notes, :doc, :jsonb),
       connection.column_exists?(:notes, :amount, :decimal, precision: 10, scale: 2), connection.column_exists?(:authors, :bio, :text))
end

feature("introspection") do |connection|
  show(connection.tables.sort, connection.views, connection.data_sources.sort, connection.primary_keys("notes"))
  %w[authors notes].each do |table|
    connection.columns(table).each { |c| show(table, c.name, c.sql_type, c.type, c.limit, c.precision, c.scale, c.null, c.default, c.default_function, c.comment, c.collation) }
    connection.indexes(table).each { |i| show(i.name, i.columns, i.unique) }
    connection.foreign_keys(table).each { |k| show(k.to_table, k.column) }
  end
  require "active_record/schema_dumper"
  dumped = StringIO.new
  ActiveRecord::SchemaDumper.dump(ActiveRecord::Base.connection, dumped)
  dumped.string.lines.each { |line| show(line.chomp) }
end

feature("create") do
  show(Author.create!(name: "Ada", bio: "secret bio of Ada"))
  (1..3).each { |n| show(Note.create!(row(n)).id) }
  bo = Author.new(name: "Bo")
  bo.notes.build(org: "acme", slug: "empty", body: "")
  bo.notes.build(org: "acme", slug: "more", body: "secret more", doc: ["secret"])
  bo.save!
  2.times { |i| show(Note.create_with(org: "acme", author_id: 1, body: "secret got #{i}").find_or_create_by!(slug: "got").body) }
  all(Note.all)
end

feature("bulk create") do
  show(Note.insert_all!((10...17).map { |n| row(n) }, returning: %i[id body doc]).rows)
  show(Note.insert_all([row(10, body: "secret ignored"), row(24)]).rows)
  show(Note.create!((17...20).map { |n| row(n) }).map(&:id))
  all(Note.where("stars >= 10"))
end

feature("upsert") do
  show(Note.upsert_all([row(10, body: "secret upserted"), row(25)], unique_by: :slug, returning: %i[slug body]).rows)
  Note.upsert(row(11, body: "secret again"), unique_by: :slug)
  all(Note.where(slug: %w[note-10 note-11 note-25]))
end

feature("read") do
  show(Note.find(1), Note.find_by(slug: "note-2").body, Note.first.body, Note.last.body)
  show(Note.where(stars: [1, 2]).order(:id).pluck(:id, :body, :doc), Note.order(:id).limit(3).offset(1).pluck(:body))
  show(Note.select(:id, :body).where(stars: 1..2).order(:id).map(&:attributes), Note.where(stars: 1).or(Note.where(slug: "got")).order(:id).pluck(:code))
  show(Note.count, Note.count(:body), Note.where(doc: nil).count, Note.where.not(code: nil).exists?, Note.maximum(:stars), Note.group(:author_id).count)
  show(Note.where(stars: 1).pick(:doc), Note.find(1).reload.amount, Note.select("notes.*, stars * 2 AS twice").find(1).twice)
  show(Note.from(Note.select("notes.*, row_number() OVER (ORDER BY id) AS nr"), :notes).where("nr < 3").order("nr").map(&:body))
end

feature("relations") do
  show(Author.preload(:notes).order(:id).map { |a| [a.name, a.bio, a.notes.map(&:body)] })
  show(Author.eager_load(:notes).order("authors.id", "notes.id").map { |a| [a.name, a.bio, a.notes.map(&:body)] })
  show(Note.includes(:author).where(authors: { name: "Bo" }).order(:id).map { |n| [n.author.bio, n.body] })
  show(Author.joins(:notes).where(notes: { stars: 1 }).pluck("authors.bio", "notes.body"), Note.where(author_id: Author.where(name: "Bo").select(:id)).order(:id).pluck(:slug))
  show(Author.left_joins(:notes).group("authors.id").order("authors.id").pluck("authors.id", Arel.sql("count(notes.id)")))
end

feature("json paths") do
  show(Note.where("stars < 3").order(:id).pluck(Arel.sql("doc ->> 'k'"), Arel.sql("doc #>> '{deep,a}'"), Arel.sql("doc -> 'list' -> 1")))
end

feature("update") do
  one = Note.find(1)
  one.update!(body: "secret saved", doc: { k: "secret saved" }, code: nil)
  one.update_columns(amount: 9.5, day: Date.new(2000, 1, 1))
  one.touch(:at, time: Time.utc(2001, 2, 3))
  show(Note.where(stars: 2).update_all(body: "secret updated", raw: nil, doc: { k: "secret" }))
  show(Note.where(stars: 3).update_all(["body = ?, stars = stars + 0", "secret from SQL"]), one.increment!(:stars, 0).stars)
  Note.where(author_id: 2).find_each { |n| n.update!(ok: true, n: 7) }
  all(Note.where("stars <= 3"))
end

feature("update or create") do
  %w[first second].each do |word|
    n = Note.find_or_initialize_by(slug: "uoc")
    n.update!(org: "acme", author_id: 1, stars: 40, body: "secret #{word}")
  end
  all(Note.where(stars: 40))
end

feature("bulk update") do
  ids = Note.where(stars: 12..14).order(:id).pluck(:id)
  Note.update(ids, ids.map { |i| { body: "secret many #{i}", doc: nil, at: nil } })
  all(Note.where(id: ids))
end

feature("streaming") do
  Note.find_each(batch_size: 5) { |n| show(n.body, n.doc) }
  show(Note.in_batches(of: 7).map { |batch| batch.pluck(:body).size })
end

feature("transactions") do
  Note.transaction do
    Note.create!(row(50))
    raise ActiveRecord::Rollback
  end
  Note.transaction do
    Note.create!(row(51))
    begin
      Note.transaction(requires_new: true) do
        Note.create!(row(52))
        Note.create!(row(51))
      end
    rescue ActiveRecord::RecordNotUnique => e
      show(e.class.name, e.cause.message.split.join(" "))
    end
    show(Note.lock.where(stars: 51..52).map(&:body))
    Note.find_by(stars: 51).with_lock { show("locked") }
  end
  all(Note.where(stars: 50..59))
end

feature("raw SQL") do |connection|
  show(Note.find_by_sql(["SELECT id, body, doc FROM notes WHERE stars = ?", 1]).map(&:attributes))
  connection.execute("INSERT INTO notes (org, author_id, slug, stars, body, day) VALUES ('acme', 1, 'raw', 60, #{connection.quote("secret 'raw'")}, '2024-01-01')")
  show(connection.exec_query("SELECT n.*, a.bio FROM notes n JOIN authors a ON a.id = n.author_id WHERE n.stars = $1 ORDER BY n.id", "SQL",
                             [ActiveRecord::Relation::QueryAttribute.new("stars", 60, ActiveRecord::Type::Integer.new)]).to_a)
  show(connection.select_all("SELECT body, at, amount FROM notes WHERE id = 1").to_a, connection.select_value("SELECT body FROM notes WHERE stars = 60"))
end

feature("delete") do
  show(Note.where(stars: 60).delete_all, Note.find_by(stars: 25).destroy.body)
  Author.find_by(name: "Bo").destroy!
  show(Author.count, Note.count)
end

feature("alter schema") do |connection|
  AddMotto.migrate(:up)
  Author.reset_column_information
  Author.find(1).update!(motto: "secret motto")
  show(Author.order(:id).to_a)
  AddMotto.migrate(:down)
  Author.reset_column_information
  show(connection.columns("authors").map(&:name), Author.order(:id).to_a)
  AddMotto.migrate(:up)
end

feature("searches") do
  {
    "equal" => -> { Note.where(body: "secret").to_a }, "in" => -> { Note.where(code: %w[secret1 secret2]).to_a }, "order" => -> { Note.order(:code).to_a },
    "range" => -> { Note.where(n: 1..2).to_a }, "like" => -> { Note.where("body LIKE ?", "secret%").to_a }, "json" => -> { Note.where("doc ->> 'k' = ?", "secret").to_a },
    "distinct" => -> { Note.distinct.pluck(:body) }, "group" => -> { Note.group(:code).count.to_a }, "maximum" => -> { [Note.maximum(:n)] },
    "not" => -> { Note.where.not(body: "secret").to_a }, "update" => -> { [Note.where(code: "secret").update_all(stars: 1)] },
  }.each do |label, search|
    show(label, "found", search.call.size.to_s)
  rescue ActiveRecord::StatementInvalid => e
    show(label, "refused", e.cause.result.error_field(PG::Result::PG_DIAG_SQLSTATE))
  end
end
