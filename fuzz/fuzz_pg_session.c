/* server/pg/backend.h with hostile conversations: messages of every kind in any order, over topics in memory.
 *
 * An input is a list of steps, a byte each and what it needs; most pick a statement, a name or a value from a table, so that
 * conversations get far, some send raw bytes. Checked: the answers are whole messages of known types, every Query and Sync
 * is answered with one ReadyForQuery whose status is one of three, an error in the extended protocol mutes everything up to
 * Sync, and nothing is left when the conversation ends. */
#include "../tests/unit/fake_source.h"

#include "server/pg/backend.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { STEPS_MAX = 40, BODY_BYTES = 2048 };

static const char *const statements[] = {
	"SELECT 1",
	"SELECT key, value FROM flights WHERE partition = 1 LIMIT 3",
	"SELECT $1::int + 1, $2::text",
	"BEGIN",
	"COMMIT",
	"ROLLBACK",
	"SAVEPOINT a",
	"ROLLBACK TO a",
	"RELEASE a",
	"SELECT 1/0",
	"",
	"SELECT 1; SELECT 2; SELECT nope; SELECT 3",
	"BEGIN; INSERT INTO empty (value) VALUES ('{}'); COMMIT",
	"INSERT INTO empty (key, value) VALUES ('a', $1)",
	"INSERT INTO empty (value) VALUES ('x') RETURNING \"offset\"",
	"INSERT INTO flights (value) VALUES ('x')",
	"COPY empty (key, value) FROM STDIN",
	"COPY (SELECT key FROM odd) TO STDOUT",
	"SELECT 1; COPY empty (value) FROM STDIN WITH (FORMAT csv, HEADER true); SELECT 2",
	"DECLARE c CURSOR FOR SELECT value FROM flights",
	"DECLARE h CURSOR WITH HOLD FOR SELECT \"offset\" FROM odd",
	"FETCH 2 FROM c",
	"FETCH ALL FROM h",
	"MOVE 1 FROM c",
	"CLOSE c",
	"CLOSE ALL",
	"DEALLOCATE ALL",
	"DISCARD ALL",
	"SET statement_timeout = '1h'",
	"SHOW statement_timeout",
	"RESET ALL",
	"EXPLAIN SELECT count(*) FROM flights",
	"PREPARE p AS SELECT 1",
	"SELECT count(*) FROM pyralog.queries",
	"ALTER TOPIC odd ADD COLUMN IF NOT EXISTS n int",
	"SELECT value FROM flights WHERE partition = 0 AND \"offset\" = 5",
	"SELECT * FROM flights WHERE partition = $1 AND \"offset\" BETWEEN $2 AND 7",
	"SELECT key, n FROM odd WHERE partition = 1 AND \"offset\" < 3 ORDER BY \"offset\"",
};
static const char *const names[] = {"", "a", "c", "h"};
static const char *const rows[] = {"a\tb\n", "value\n1\n", "\\.\n", "\"", "k", "\n\n", "a\tb\tc\n"};

/* The steps' bytes. */
struct script {
	const uint8_t *data;
	size_t left;
};

struct fuzz {
	struct pg_backend *backend;
	size_t ready, errors, copies_begun, ended; /* messages 'Z', 'E', 'G', and 'C' or 'E' */
	char status;
};

static struct fake_source source;
static struct query_engine *engine;

static uint8_t take(struct script *script)
{
	if (script->left == 0)
		return 0;
	script->left -= 1;
	return *script->data++;
}

/* ---- what comes out ---- */

static void count_message(struct fuzz *fuzz, const uint8_t *at, size_t bytes)
{
	assert(strchr("TDCEZIKNSGHcdt123sn", at[0]) && at[0]);
	fuzz->errors += at[0] == 'E';
	fuzz->copies_begun += at[0] == 'G';
	fuzz->ended += at[0] == 'E' || at[0] == 'C';
	if (at[0] == 'Z') {
		assert(bytes == 6 && strchr("ITE", at[5]));
		fuzz->ready += 1;
		fuzz->status = (char)at[5];
	}
}

static bool on_send(void *context, struct base_slice *slice)
{
	struct fuzz *fuzz = context;
	for (size_t at = 0; at < slice->bytes;) {
		assert(slice->bytes - at >= 5);
		size_t bytes = (size_t)base_load_u32be(slice->data + at + 1) + 1;
		assert(bytes >= 5 && bytes <= slice->bytes - at);
		count_message(fuzz, slice->data + at, bytes);
		at += bytes;
	}
	base_slice_release(slice);
	return true;
}

/* ---- what goes in ---- */

struct body {
	uint8_t bytes[BODY_BYTES];
	size_t used;
};

static void put(struct body *body, const void *bytes, size_t count)
{
	assert(body->used + count <= BODY_BYTES);
	memcpy(body->bytes + body->used, bytes, count);
	body->used += count;
}

static void put_text(struct body *body, const char *text)
{
	put(body, text, strlen(text) + 1);
}

static void put_number(struct body *body, uint32_t number, size_t bytes)
{
	for (size_t i = bytes; i-- > 0;)
		put(body, &(uint8_t){(uint8_t)(number >> (8 * i))}, 1);
}

static const char *pick_statement(struct script *script)
{
	return statements[take(script) % (sizeof statements / sizeof *statements)];
}

static const char *pick_name(struct script *script)
{
	return names[take(script) % (sizeof names / sizeof *names)];
}

static void put_bind(struct body *body, struct script *script)
{
	uint8_t shape = take(script);
	put_text(body, pick_name(script));
	put_text(body, pick_name(script));
	put_number(body, 0, 2);
	put_number(body, shape % 3, 2);
	for (unsigned i = 0; i < shape % 3u; i++) {
		put_number(body, shape & 8 ? UINT32_MAX : 1, 4); /* null, or one sign */
		put(body, "7", shape & 8 ? 0 : 1);
	}
	put_number(body, shape & 16 ? 1 : 0, 2);
	if (shape & 16)
		put_number(body, 1, 2);
}

static void put_raw(struct body *body, struct script *script)
{
	for (unsigned count = take(script); count > 0 && script->left > 0; count--)
		put(body, &(uint8_t){take(script)}, 1);
}

static void fill(struct body *body, char type, bool raw, struct script *script)
{
	body->used = 0;
	if (raw) {
		put_raw(body, script);
	} else if (type == 'Q') {
		put_text(body, pick_statement(script));
	} else if (type == 'P') {
		put_text(body, pick_name(script));
		put_text(body, pick_statement(script));
		put_number(body, 0, 2);
	} else if (type == 'B') {
		put_bind(body, script);
	} else if (type == 'D' || type == 'C') {
		put(body, take(script) % 2 ? "S" : "P", 1);
		put_text(body, pick_name(script));
	} else if (type == 'E') {
		put_text(body, pick_name(script));
		put_number(body, take(script) % 4, 4);
	} else if (type == 'd') {
		const char *row = rows[take(script) % (sizeof rows / sizeof *rows)];
		put(body, row, strlen(row));
	} else if (type == 'f') {
		put_text(body, "no more");
	}
}

/* ---- a conversation ---- */

static void send_step(struct fuzz *fuzz, char type, const struct body *body, bool prompt)
{
	size_t ready = fuzz->ready, begun = fuzz->copies_begun, ended = fuzz->ended;
	static bool copying, skipping;
	if (!fuzz->status) /* the first step */
		copying = skipping = false;
	bool was_copying = copying, was_skipping = skipping;
	size_t errors = fuzz->errors;
	/* As the loop does: what it can't do is a thread's. The source never waits, so it serves for both. */
	struct base_bytes bytes = {body->bytes, body->used};
	enum pg_prompt outcome = prompt ? pg_backend_try(fuzz->backend, &source.base, type, bytes) : PG_PROMPT_LATER;
	assert(outcome != PG_PROMPT_OVER);
	assert(outcome == PG_PROMPT_DONE || pg_backend_message(fuzz->backend, type, bytes));
	assert(pg_backend_flush(fuzz->backend));
	fuzz->status = fuzz->status ? fuzz->status : 'I';
	if (was_copying)
		copying = fuzz->ended == ended || fuzz->copies_begun > begun;
	else
		copying = fuzz->copies_begun > begun && fuzz->ready == ready;
	if (!was_copying && type == 'Q' && !was_skipping)
		assert(copying || fuzz->ready == ready + 1);
	if (!was_copying && type == 'S')
		assert(fuzz->ready == ready + 1);
	if (was_skipping && type != 'S' && !was_copying)
		assert(fuzz->ready == ready && fuzz->errors == errors);
	if (fuzz->ready > ready)
		skipping = false;
	else if (fuzz->errors > errors)
		skipping = true;
}

static void start(void)
{
	struct query_engine_options options = query_engine_options_default();
	struct pyr_error error;
	fake_source_init(&source);
	assert(query_engine_new(&options, &engine, &error).code == PYR_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const char types[] = "QQQPPBBEEDCSSHdcfF";
	struct script script = {data, bytes};
	struct fuzz fuzz = {.status = 0};
	struct pg_introduction introduction = {.user = "somebody"};
	struct pg_sink sink = {.send = on_send, .context = &fuzz};
	struct body body;
	if (!engine)
		start();
	assert(pg_backend_new(engine, &source.base, &introduction, &sink, &fuzz.backend).code == PYR_OK);
	for (int i = 0; i < STEPS_MAX && script.left > 0; i++) {
		uint8_t step = take(&script);
		char type = types[step % (sizeof types - 1)];
		fill(&body, type, step >= 240, &script);
		send_step(&fuzz, type, &body, (data[0] ^ i) % 2);
	}
	pg_backend_free(fuzz.backend);
	assert(atomic_load(&source.live_scans) == 0);
	return 0;
}
