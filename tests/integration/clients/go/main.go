// pgx (its own interface, a pool, batches, COPY) and lib/pq (database/sql). client PORT TOPIC
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/lib/pq"
)

func check(found, expected any) {
	if !reflect.DeepEqual(found, expected) {
		log.Fatalf("%v instead of %v", found, expected)
	}
}

func must(err error) {
	if err != nil {
		log.Fatalf("%+v", err)
	}
}

func values(ctx context.Context, pool *pgxpool.Pool) {
	moment := time.Date(2024, 1, 2, 3, 4, 5, 678000, time.UTC)
	var a int32
	var b int64
	var f float64
	var text string
	var when time.Time
	var raw []byte
	var list []int64
	var words []string
	must(pool.QueryRow(ctx, "SELECT $1::int4, $2::int8, $3::float8, $4::text, $5::timestamptz, $6::bytea, $7::int8[], $8::text[]",
		int32(7), int64(1)<<40, 0.25, "\u20ac", moment, []byte{0, 255}, []int64{1, 2}, []string{"a", "{b}"}).
		Scan(&a, &b, &f, &text, &when, &raw, &list, &words))
	check([]any{a, b, f, text, when.Equal(moment), raw, list, words},
		[]any{int32(7), int64(1) << 40, 0.25, "\u20ac", true, []byte{0, 255}, []int64{1, 2}, []string{"a", "{b}"}})
	var n int
	var j map[string]int
	var d time.Duration
	must(pool.QueryRow(ctx, "SELECT 5, '{\"a\": 1}'::jsonb, interval '1 hour'").Scan(&n, &j, &d))
	check([]any{n, j, d}, []any{5, map[string]int{"a": 1}, time.Hour})
}

func count(ctx context.Context, pool *pgxpool.Pool, topic, key string) (n int64) {
	must(pool.QueryRow(ctx, fmt.Sprintf(`SELECT count(*) FROM "%s" WHERE key = $1`, topic), key).Scan(&n))
	return n
}

func writes(ctx context.Context, pool *pgxpool.Pool, topic string) {
	insert := fmt.Sprintf(`INSERT INTO "%s" (key, value) VALUES ($1, $2)`, topic)
	failure := errors.New("undo")
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insert, "undone", "1")
		must(err)
		return failure
	})
	check(err, failure)
	must(pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, insert, "done", "1")
		return err
	}))
	check([]int64{count(ctx, pool, topic, "undone"), count(ctx, pool, topic, "done")}, []int64{0, 1})
	batch := &pgx.Batch{}
	for i := 0; i < 100; i++ {
		batch.Queue(insert, "batch", fmt.Sprint(i))
	}
	must(pool.SendBatch(ctx, batch).Close())
	check(count(ctx, pool, topic, "batch"), int64(100))
	rows := [][]any{{"copied", "a"}, {"copied", nil}, {"copied", "c"}}
	n, err := pool.CopyFrom(ctx, pgx.Identifier{topic}, []string{"key", "value"}, pgx.CopyFromRows(rows))
	must(err)
	check([]int64{n, count(ctx, pool, topic, "copied")}, []int64{3, 3})
	var offset int64
	must(pool.QueryRow(ctx, insert+` RETURNING "offset"`, "returned", "x").Scan(&offset))
	check(offset > 0, true)
}

func failures(ctx context.Context, pool *pgxpool.Pool) {
	_, err := pool.Exec(ctx, "SELECT 1/0")
	var failure *pgconn.PgError
	check(errors.As(err, &failure) && failure.Code == "22012", true)
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	_, err = pool.Exec(short, "SELECT count(*) FROM generate_series(1, 100000000000) a")
	check(err != nil, true)
}

func standard(port, topic string) {
	db, err := sql.Open("postgres", fmt.Sprintf("host=127.0.0.1 port=%s user=go dbname=pyralog sslmode=disable", port))
	must(err)
	defer db.Close()
	rows, err := db.Query(fmt.Sprintf(`SELECT "offset", key FROM "%s" WHERE "offset" < $1 AND partition = $2 ORDER BY 1`, topic), 3, 0)
	must(err)
	seen := 0
	for rows.Next() {
		var offset int64
		var key string
		must(rows.Scan(&offset, &key))
		check([]any{offset, key}, []any{int64(seen), "k"})
		seen++
	}
	check(seen, 3)
	statement, err := db.Prepare("SELECT $1::int * 2")
	must(err)
	for i := 0; i < 3; i++ {
		var n int
		must(statement.QueryRow(i).Scan(&n))
		check(n, i*2)
	}
	tx, err := db.Begin()
	must(err)
	_, err = tx.Exec(fmt.Sprintf(`INSERT INTO "%s" (key, value) VALUES ($1, $2)`, topic), "pq", "1")
	must(err)
	must(tx.Commit())
}

func main() {
	port, topic := os.Args[1], os.Args[2]
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, fmt.Sprintf("postgres://go@127.0.0.1:%s/pyralog?sslmode=disable", port))
	must(err)
	values(ctx, pool)
	writes(ctx, pool, topic)
	failures(ctx, pool)
	standard(port, topic)
	check(count(ctx, pool, topic, "pq"), int64(1))
	pool.Close()
}
