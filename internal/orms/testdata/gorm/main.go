// The program of GORM: see doc.go two folders up.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"sort"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

// Author and Note are the models of the tables that all programs work on.
type Author struct {
	ID    int64
	Org   string `gorm:"size:50;not null;default:acme"`
	Name  string `gorm:"size:100;not null"`
	Bio   *string
	Notes []Note
}

type Note struct {
	ID       int64
	Org      string `gorm:"size:50;not null"`
	Color    string `gorm:"size:10;not null;default:red"`
	AuthorID int64  `gorm:"not null;index"`
	Author   Author `gorm:"constraint:OnDelete:CASCADE"`
	Slug     string `gorm:"size:50;not null;uniqueIndex"`
	Stars    int    `gorm:"not null;default:0"`
	Body     string `gorm:"type:text;not null;comment:what it says"`
	Doc      Doc    `gorm:"type:jsonb"`
	Raw      []byte
	Code     *string    `gorm:"size:20"`
	At       *time.Time `gorm:"type:timestamptz"`
	Day      *time.Time `gorm:"type:date"`
	N        *int32
	Big      *int64
	F        *float64 `gorm:"type:double precision"`
	Amount   *string  `gorm:"type:numeric(10,2)"`
	UID      *string  `gorm:"type:uuid"`
	OK       *bool
}

// Doc is a JSON column by GORM's own serializer, as its documentation shows.
type Doc map[string]any

func (Doc) GormDataType() string { return "jsonb" }

func (d *Doc) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*d = nil
		return nil
	case []byte:
		return json.Unmarshal(v, d)
	case string:
		return json.Unmarshal([]byte(v), d)
	}
	return fmt.Errorf("a %T is no document", v)
}

func (d Doc) GormValue(context.Context, *gorm.DB) clause.Expr {
	if d == nil {
		return gorm.Expr("NULL")
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	return gorm.Expr("?", string(text))
}

func to[T any](v T) *T { return &v }

// note is the n-th note.
func note(n int) Note {
	return Note{
		Org: "acme", AuthorID: 1, Slug: fmt.Sprintf("note-%d", n), Stars: n, Body: fmt.Sprintf(`secret body %d: Grüße, 'quoted' 100%% \ back ?`, n),
		Doc: Doc{"k": fmt.Sprintf("secret %d", n), "list": []any{1, 2.5, nil}}, Raw: append([]byte("\x00\xffsecret"), byte(n)),
		Code: to(fmt.Sprintf("secret%d", n)), At: to(time.Date(2024, 2, 29, 12, 34, 56, 789012000, time.UTC)),
		Day: to(time.Date(2024, 2, n%28+1, 0, 0, 0, 0, time.UTC)), N: to(int32(n - 5)), Big: to(int64(n) << 40), F: to(float64(n) / 3),
		Amount: to(fmt.Sprintf("%d.25", n)), UID: to(fmt.Sprintf("00000000-0000-0000-0000-%012d", n)), OK: to(n%2 == 0),
	}
}

func notes(from, to int) []Note {
	var all []Note
	for n := from; n < to; n++ {
		all = append(all, note(n))
	}
	return all
}

type program struct {
	db      *gorm.DB
	feature string
	sent    []string // statements that changed the schema
}

func main() {
	dsn := os.Args[1]
	p := &program{}
	var err error
	p.db, err = gorm.Open(postgres.Open(dsn), &gorm.Config{Logger: schemaLog{p}, NowFunc: func() time.Time { return time.Unix(0, 0).UTC() }})
	if err != nil {
		log.Fatal(err)
	}
	pool, err := p.db.DB()
	if err != nil {
		log.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	fmt.Printf("version\t%s\n", version())
	for _, f := range []struct {
		name string
		play func(db *gorm.DB) error
	}{
		{"create schema", p.createSchema}, {"no drift", p.noDrift}, {"introspection", p.introspection}, {"create", p.create},
		{"bulk create", p.bulkCreate}, {"upsert", p.upsert}, {"read", p.read}, {"relations", p.relations}, {"json paths", p.jsonPaths},
		{"update", p.update}, {"update or create", p.updateOrCreate}, {"bulk update", p.bulkUpdate}, {"streaming", p.streaming}, {"transactions", p.transactions},
		{"raw SQL", p.rawSQL}, {"delete", p.delete}, {"alter schema", p.alterSchema}, {"searches", p.searches},
	} {
		p.feature = f.name
		if err := p.db.Exec("SELECT 'playing: " + f.name + "'").Error; err != nil {
			log.Fatal(err)
		}
		if err := f.play(p.db.Session(&gorm.Session{NewDB: true})); err != nil {
			p.show("FAILED: " + strings.Join(strings.Fields(err.Error()), " "))
		}
	}
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == "gorm.io/gorm" {
			return m.Version
		}
	}
	return "unknown"
}

// schemaLog keeps the statements that change the schema.
type schemaLog struct{ p *program }

func (l schemaLog) LogMode(logger.LogLevel) logger.Interface { return l }
func (schemaLog) Info(context.Context, string, ...any)       {}
func (schemaLog) Warn(context.Context, string, ...any)       {}
func (schemaLog) Error(context.Context, string, ...any)      {}
func (l schemaLog) Trace(_ context.Context, _ time.Time, text func() (string, int64), _ error) {
	if sql, _ := text(); strings.HasPrefix(sql, "CREATE") || strings.HasPrefix(sql, "ALTER") || strings.HasPrefix(sql, "COMMENT") {
		l.p.sent = append(l.p.sent, sql)
	}
}

func (p *program) show(values ...any) {
	var texts []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			texts = append(texts, s)
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			text = []byte(err.Error())
		}
		texts = append(texts, fmt.Sprintf("%T %s", v, text))
	}
	fmt.Println(p.feature + "\t" + strings.Join(texts, " "))
}

// all shows notes.
func (p *program) all(db *gorm.DB) error {
	var found []Note
	if err := db.Order("id").Find(&found).Error; err != nil {
		return err
	}
	for _, n := range found {
		p.show(n)
	}
	return nil
}

func (p *program) createSchema(db *gorm.DB) error {
	err := db.AutoMigrate(&Author{}, &Note{})
	p.show(p.sent)
	return err
}

func (p *program) noDrift(db *gorm.DB) error {
	p.sent = nil
	err := db.AutoMigrate(&Author{}, &Note{})
	p.show(p.sent)
	return err
}

func (p *program) introspection(db *gorm.DB) error {
	tables, err := db.Migrator().GetTables()
	if err != nil {
		return err
	}
	p.show(tables, db.Migrator().HasColumn(&Note{}, "body"), db.Migrator().HasIndex(&Note{}, "idx_notes_slug"))
	for _, model := range []any{&Author{}, &Note{}} {
		columns, err := db.Migrator().ColumnTypes(model)
		if err != nil {
			return err
		}
		for _, c := range columns {
			kind, _ := c.ColumnType()
			length, hasLength := c.Length()
			precision, scale, hasScale := c.DecimalSize()
			nullable, _ := c.Nullable()
			value, hasDefault := c.DefaultValue()
			comment, _ := c.Comment()
			p.show(c.Name(), c.DatabaseTypeName(), kind, length, hasLength, precision, scale, hasScale, nullable, value, hasDefault, comment, fmt.Sprint(c.ScanType()))
		}
		indexes, err := db.Migrator().GetIndexes(model)
		if err != nil {
			return err
		}
		p.show(len(indexes))
	}
	return nil
}

func (p *program) create(db *gorm.DB) error {
	ada := Author{Name: "Ada", Bio: to("secret bio of Ada")}
	if err := db.Create(&ada).Error; err != nil {
		return err
	}
	p.show(ada.ID, ada.Org)
	for n := 1; n < 4; n++ {
		one := note(n)
		if err := db.Create(&one).Error; err != nil {
			return err
		}
		p.show(one.ID)
	}
	bo := Author{Name: "Bo", Notes: []Note{{Org: "acme", Slug: "empty"}, {Org: "acme", Slug: "more", Body: "secret more"}}}
	if err := db.Create(&bo).Error; err != nil {
		return err
	}
	var got Note
	for _, text := range []string{"secret got", "secret unused"} {
		result := db.Where(Note{Slug: "got"}).Attrs(Note{Body: text, AuthorID: 1, Org: "acme"}).FirstOrCreate(&got)
		if result.Error != nil {
			return result.Error
		}
		p.show(got.ID, got.Body, result.RowsAffected)
	}
	if err := db.Select("Slug", "Org", "AuthorID", "Body").Create(to(note(4))).Error; err != nil {
		return err
	}
	if err := db.Model(&Note{}).Create(map[string]any{"Slug": "map", "Org": "acme", "AuthorID": 1, "Body": "secret map", "Raw": []byte("secret")}).Error; err != nil {
		return err
	}
	return p.all(db)
}

func (p *program) bulkCreate(db *gorm.DB) error {
	many := notes(10, 17)
	if err := db.Create(&many).Error; err != nil {
		return err
	}
	p.show(many[0].ID, many[6].ID)
	if err := db.CreateInBatches(notes(17, 24), 3).Error; err != nil {
		return err
	}
	again := []Note{note(10), note(24)}
	result := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&again)
	p.show(result.RowsAffected)
	if result.Error != nil {
		return result.Error
	}
	return p.all(db.Where("stars >= ?", 10))
}

func (p *program) upsert(db *gorm.DB) error {
	one, two := note(10), note(25)
	one.Body = "secret upserted"
	err := db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "slug"}}, DoUpdates: clause.AssignmentColumns([]string{"body", "doc", "stars"})}).Create([]*Note{&one, &two}).Error
	if err != nil {
		return err
	}
	three := note(11)
	three.Body = "secret all upserted"
	if err := db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "slug"}}, UpdateAll: true}).Create(&three).Error; err != nil {
		return err
	}
	four := note(12)
	err = db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "slug"}}, DoUpdates: clause.Assignments(map[string]any{"code": "secret set", "stars": gorm.Expr("notes.stars + 100")})}, clause.Returning{}).Create(&four).Error
	if err != nil {
		return err
	}
	p.show(four)
	return p.all(db.Where("slug IN ?", []string{"note-10", "note-11", "note-12", "note-25"}))
}

func (p *program) read(db *gorm.DB) error {
	var one Note
	if err := db.First(&one, 1).Error; err != nil {
		return err
	}
	p.show(one)
	var last, taken Note
	if err := errors.Join(db.Last(&last).Error, db.Take(&taken, "slug = ?", "note-2").Error); err != nil {
		return err
	}
	p.show(last.Body, taken.Body)
	var bodies []string
	if err := db.Model(&Note{}).Order("id").Limit(3).Offset(1).Pluck("body", &bodies).Error; err != nil {
		return err
	}
	var few []struct {
		Body string
		Doc  Doc
	}
	if err := db.Model(&Note{}).Order("id").Where(map[string]any{"stars": []int{1, 2}}).Find(&few).Error; err != nil {
		return err
	}
	var some []Note
	if err := db.Select("id", "body").Omit("doc").Where(&Note{Stars: 2}).Or("stars = ?", 3).Order("id").Find(&some).Error; err != nil {
		return err
	}
	p.show(bodies, few, some)
	var count, filled, nulls int64
	if err := errors.Join(db.Model(&Note{}).Count(&count).Error, db.Model(&Note{}).Select("count(body)").Scan(&filled).Error, db.Model(&Note{}).Where("doc IS NULL").Count(&nulls).Error); err != nil {
		return err
	}
	p.show(count, filled, nulls)
	var rows []map[string]any
	if err := db.Model(&Note{}).Select("id", "body", "day", "n", "stars * 2 AS twice").Where("stars = 1").Find(&rows).Error; err != nil {
		return err
	}
	p.show(rows)
	var most []struct {
		AuthorID int64
		Most     int
		Filled   int
	}
	if err := db.Model(&Note{}).Select("author_id, max(stars) AS most, count(body) AS filled").Group("author_id").Having("count(*) > ?", 0).Order("author_id").Scan(&most).Error; err != nil {
		return err
	}
	p.show(most)
	var inner []string
	err := db.Table("(?) AS numbered", db.Model(&Note{}).Select("body, row_number() OVER (ORDER BY id) AS nr")).Where("nr < ?", 3).Order("nr").Pluck("body", &inner).Error
	p.show(inner)
	return err
}

func (p *program) relations(db *gorm.DB) error {
	var authors []Author
	if err := db.Preload("Notes", func(db *gorm.DB) *gorm.DB { return db.Order("id").Where("stars < 3") }).Order("id").Find(&authors).Error; err != nil {
		return err
	}
	p.show(authors)
	var joined []Note
	if err := db.Joins("Author").Where("stars < ?", 3).Order("notes.id").Find(&joined).Error; err != nil {
		return err
	}
	p.show(joined)
	var pairs []struct{ Name, Body string }
	if err := db.Model(&Author{}).Select("authors.name, notes.body").Joins("LEFT JOIN notes ON notes.author_id = authors.id AND notes.stars < ?", 3).Order("notes.id").Scan(&pairs).Error; err != nil {
		return err
	}
	p.show(pairs)
	var named []Note
	if err := db.Where("author_id IN (?)", db.Model(&Author{}).Select("id").Where("name = ?", "Bo")).Order("id").Find(&named).Error; err != nil {
		return err
	}
	p.show(named)
	association := db.Model(&Author{ID: 2}).Association("Notes")
	p.show(association.Count())
	return association.Append(&Note{Org: "acme", Slug: "appended", Body: "secret appended"})
}

func (p *program) jsonPaths(db *gorm.DB) error {
	var texts []struct{ K, Second *string }
	err := db.Model(&Note{}).Select("doc ->> 'k' AS k, doc #>> '{list,1}' AS second").Where("stars < ?", 3).Order("id").Scan(&texts).Error
	p.show(texts)
	return err
}

func (p *program) update(db *gorm.DB) error {
	var one Note
	if err := db.First(&one, 1).Error; err != nil {
		return err
	}
	one.Body, one.Doc["k"] = "secret saved", "secret saved"
	if err := db.Save(&one).Error; err != nil {
		return err
	}
	for _, err := range []error{
		db.Model(&one).Update("code", nil).Error,
		db.Model(&Note{}).Where("stars = ?", 2).Updates(map[string]any{"body": "secret updated", "raw": nil, "doc": Doc{"k": "secret"}, "stars": gorm.Expr("stars + ?", 0)}).Error,
		db.Model(&Note{}).Where("stars = ?", 3).Updates(Note{Body: "secret struct", Amount: to("5.5")}).Error,
		db.Model(&Note{}).Where("slug = ?", "empty").UpdateColumns(Note{Body: "secret columns"}).Error,
		db.Model(&Note{}).Where("author_id IN (?)", db.Model(&Author{}).Select("id").Where("name = ?", "Bo")).Select("*").Omit("id", "author_id", "slug", "org", "created_at").Updates(Note{Body: "secret all", Stars: 1}).Error,
	} {
		if err != nil {
			return err
		}
	}
	var returned []Note
	if err := db.Model(&returned).Clauses(clause.Returning{Columns: []clause.Column{{Name: "id"}, {Name: "body"}}}).Where("stars = ?", 3).Update("at", time.Unix(0, 0)).Error; err != nil {
		return err
	}
	p.show(returned)
	return p.all(db.Where("stars <= 3"))
}

func (p *program) updateOrCreate(db *gorm.DB) error {
	for _, text := range []string{"secret first", "secret second"} {
		var n Note
		if err := db.Where(Note{Slug: "uoc"}).Attrs(Note{Org: "acme"}).Assign(Note{Body: text, AuthorID: 1, Stars: 40}).FirstOrCreate(&n).Error; err != nil {
			return err
		}
		p.show(n)
	}
	fresh := note(41)
	fresh.ID = 1000
	if err := db.Save(&fresh).Error; err != nil { // updates nothing, then inserts
		return err
	}
	return p.all(db.Where("stars BETWEEN 40 AND 41"))
}

func (p *program) bulkUpdate(db *gorm.DB) error {
	var many []Note
	if err := db.Where("stars BETWEEN 13 AND 15").Order("id").Find(&many).Error; err != nil {
		return err
	}
	for i := range many {
		many[i].Body, many[i].Doc, many[i].At = fmt.Sprintf("secret many %d", i), nil, nil
	}
	if err := db.Save(&many).Error; err != nil {
		return err
	}
	return p.all(db.Where("stars BETWEEN 13 AND 15"))
}

func (p *program) streaming(db *gorm.DB) error {
	rows, err := db.Model(&Note{}).Order("id").Rows()
	if err != nil {
		return err
	}
	for rows.Next() {
		var n Note
		if err := db.ScanRows(rows, &n); err != nil {
			return err
		}
		p.show(n.Body, n.Doc)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	var part []Note
	return db.FindInBatches(&part, 7, func(*gorm.DB, int) error {
		p.show(len(part), part[0].Body)
		return nil
	}).Error
}

func (p *program) transactions(db *gorm.DB) error {
	undo := errors.New("undo")
	err := db.Transaction(func(tx *gorm.DB) error {
		if err := tx.Create(to(note(50))).Error; err != nil {
			return err
		}
		return undo
	})
	if !errors.Is(err, undo) {
		return err
	}
	err = db.Transaction(func(tx *gorm.DB) error {
		if err := tx.Create(to(note(51))).Error; err != nil {
			return err
		}
		err := tx.Transaction(func(tx *gorm.DB) error {
			return errors.Join(tx.Create(to(note(52))).Error, tx.Create(to(note(51))).Error)
		})
		p.show(fmt.Sprint(err))
		var locked []Note
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("stars BETWEEN 51 AND 52").Find(&locked).Error; err != nil {
			return err
		}
		p.show(locked)
		return nil
	})
	if err != nil {
		return err
	}
	return p.all(db.Where("stars BETWEEN 50 AND 59"))
}

func (p *program) rawSQL(db *gorm.DB) error {
	var few []Note
	if err := db.Raw("SELECT id, body, doc FROM notes WHERE stars = @stars ORDER BY id", map[string]any{"stars": 1}).Scan(&few).Error; err != nil {
		return err
	}
	p.show(few)
	result := db.Exec("INSERT INTO notes (org, author_id, slug, stars, body, day) VALUES ('acme', ?, ?, 60, ?, ?), ('acme', 1, 'raw-2', 60, 'secret raw literal', DATE '2024-01-01')", 1, "raw-1", "secret raw", time.Unix(0, 0))
	p.show(result.RowsAffected)
	if result.Error != nil {
		return result.Error
	}
	var rows []map[string]any
	if err := db.Raw("SELECT n.*, a.bio FROM notes n JOIN authors a ON a.id = n.author_id WHERE n.stars = ? ORDER BY n.id", 60).Scan(&rows).Error; err != nil {
		return err
	}
	p.show(rows)
	return nil
}

func (p *program) delete(db *gorm.DB) error {
	var gone []Note
	if err := db.Clauses(clause.Returning{}).Where("stars = ?", 60).Delete(&gone).Error; err != nil {
		return err
	}
	sort.Slice(gone, func(i, j int) bool { return gone[i].ID < gone[j].ID })
	p.show(gone)
	result := db.Select("Notes").Delete(&Author{ID: 2})
	p.show(result.RowsAffected)
	return result.Error
}

func (p *program) alterSchema(db *gorm.DB) error {
	type author struct {
		Author
		Motto *string
		Age   int `gorm:"not null;default:7"`
	}
	p.sent = nil
	if err := db.Table("authors").AutoMigrate(&author{}); err != nil {
		return err
	}
	p.show(p.sent)
	if err := db.Table("authors").Where("id = ?", 1).Update("motto", "secret motto").Error; err != nil {
		return err
	}
	var rows []map[string]any
	if err := db.Table("authors").Select("id", "bio", "motto", "age").Order("id").Find(&rows).Error; err != nil {
		return err
	}
	p.show(rows)
	return errors.Join(db.Table("authors").Migrator().DropColumn(&author{}, "motto"), db.Table("authors").AutoMigrate(&author{}))
}

func (p *program) searches(db *gorm.DB) error {
	for _, s := range []struct {
		label  string
		search *gorm.DB
	}{
		{"equal", db.Where("body = ?", "secret")}, {"struct", db.Where(&Note{Body: "secret"})}, {"like", db.Where("body LIKE ?", "secret%")},
		{"order", db.Order("code")}, {"in", db.Where("code IN ?", []string{"secret1", "secret2"})}, {"json", db.Where("doc ->> 'k' = ?", "secret")},
		{"between", db.Where("n BETWEEN ? AND ?", 1, 2)}, {"group", db.Select("code").Group("code")}, {"distinct", db.Distinct("body")},
		{"max", db.Select("max(n) AS n")}, {"join", db.Select("notes.id").Joins("JOIN authors ON authors.bio = notes.body")},
	} {
		var found []Note
		result := s.search.Find(&found)
		var refused *pgconn.PgError
		switch {
		case result.Error == nil:
			p.show(s.label, "found", fmt.Sprint(len(found)))
		case errors.As(result.Error, &refused):
			p.show(s.label, "refused", refused.Code)
		default:
			return result.Error
		}
	}
	return nil
}
