/* Rows as a stream of Arrow's C interface (pyralog/arrow.h): texts become columns, batch by batch.
 *
 * Source: arrow.apache.org/docs/format/CDataInterface.html. Both ways of the library give PostgreSQL's text, so that one
 * conversion makes them the same. Invariants: an array owns its buffers, and says so by its release(); a batch's texts fit
 * offsets of 32 bits. Failure modes: ENOMEM; EINVAL for a text that its type does not know, with a sentence. Owner: the
 * thread that has the stream. */
#include "pyralog/arrow.h"

#include "api/api_priv.h"
#include "column/field.h"
#include "query/types.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_ROWS_MAX = 65536, BATCH_BYTES_MAX = 1 << 30 };

struct stream {
	struct pyr_query *query; /* NULL: all rows are there */
	bool over; /* the query gives no more */
	struct pyr_rows *rows; /* those at hand; NULL: none were asked for yet */
	size_t next; /* row */
	locale_t numbers; /* whose decimal point is a point */
	char error[256];
};

/* ---- values ---- */

static bool store_integer(const struct stream *stream, const char *text, size_t bytes, void *at)
{
	char *end;
	long long value = strtoll(text, &end, 10);
	int16_t as_16 = (int16_t)value;
	int32_t as_32 = (int32_t)value; /* of an oid, too: the same bits */
	int64_t as_64 = value;
	(void)stream;
	memcpy(at, bytes == 2 ? (const void *)&as_16 : bytes == 4 ? (const void *)&as_32 : (const void *)&as_64, bytes);
	return end != text && !*end;
}

static bool store_float(const struct stream *stream, const char *text, size_t bytes, void *at)
{
	char *end;
	double as_64 = strtod_l(text, &end, stream->numbers);
	float as_32 = strtof_l(text, NULL, stream->numbers);
	memcpy(at, bytes == 4 ? (const void *)&as_32 : (const void *)&as_64, bytes);
	return end != text && !*end;
}

static bool store_date(const struct stream *stream, const char *text, size_t bytes, void *at)
{
	int64_t days;
	(void)stream;
	if (!column_time_parse(text, strlen(text), COLUMN_TYPE_DATE, &days))
		return false;
	int32_t as_32 = (int32_t)days;
	memcpy(at, &as_32, bytes);
	return true;
}

/* PostgreSQL writes the zone of a timestamptz, and none of a timestamp. */
static bool store_moment(const struct stream *stream, const char *text, size_t bytes, void *at)
{
	int64_t us;
	(void)stream;
	if (!column_time_parse(text, strlen(text), COLUMN_TYPE_TIMESTAMPTZ, &us))
		return false;
	memcpy(at, &us, bytes);
	return true;
}

/* Digits behind the point of all numerics: as many as the engine gives (an average has 16), and 22 in front of it. */
enum { DECIMAL_SCALE = 16, DECIMAL_DIGITS = 38 };

/* "-12.5" as the 128-bit integer -12.5 * 10^16; false: it has more digits than that. */
static bool store_decimal(const struct stream *stream, const char *text, size_t bytes, void *at)
{
	__int128 value = 0;
	int digits = 0, behind = -1;
	const char *sign = text;
	(void)stream;
	for (text += *text == '-'; *text; text++) {
		if (*text == '.' && behind < 0) {
			behind = 0;
			continue;
		}
		if (*text < '0' || *text > '9' || digits == DECIMAL_DIGITS || behind == DECIMAL_SCALE)
			return false;
		value = value * 10 + (*text - '0');
		digits += value != 0;
		behind += behind >= 0;
	}
	for (behind = behind < 0 ? 0 : behind; behind < DECIMAL_SCALE; behind++, digits += value != 0) {
		if (digits == DECIMAL_DIGITS)
			return false;
		value *= 10;
	}
	value = *sign == '-' ? -value : value;
	memcpy(at, &value, bytes);
	return true;
}

enum shape { SHAPE_BITS, SHAPE_FIXED, SHAPE_TEXT, SHAPE_BYTES };

struct kind {
	uint32_t type; /* PostgreSQL's */
	const char *format; /* Arrow's */
	enum shape shape;
	size_t bytes; /* of a fixed one */
	bool (*store)(const struct stream *stream, const char *text, size_t bytes, void *at);
};

static const struct kind *kind_of(uint32_t type)
{
	static const struct kind text = {0, "u", SHAPE_TEXT, 1, NULL};
	static const struct kind kinds[] = {
		{QUERY_TYPE_BOOL, "b", SHAPE_BITS, 0, NULL},
		{QUERY_TYPE_INT2, "s", SHAPE_FIXED, 2, store_integer},
		{QUERY_TYPE_INT4, "i", SHAPE_FIXED, 4, store_integer},
		{QUERY_TYPE_INT8, "l", SHAPE_FIXED, 8, store_integer},
		{QUERY_TYPE_OID, "I", SHAPE_FIXED, 4, store_integer},
		{QUERY_TYPE_FLOAT4, "f", SHAPE_FIXED, 4, store_float},
		{QUERY_TYPE_FLOAT8, "g", SHAPE_FIXED, 8, store_float},
		{QUERY_TYPE_NUMERIC, "d:38,16", SHAPE_FIXED, 16, store_decimal},
		{QUERY_TYPE_BYTEA, "z", SHAPE_BYTES, 1, NULL},
		{QUERY_TYPE_DATE, "tdD", SHAPE_FIXED, 4, store_date},
		{QUERY_TYPE_TIMESTAMP, "tsu:", SHAPE_FIXED, 8, store_moment},
		{QUERY_TYPE_TIMESTAMPTZ, "tsu:UTC", SHAPE_FIXED, 8, store_moment},
	};
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return &text;
}

static int digit(char sign)
{
	return sign >= '0' && sign <= '9' ? sign - '0' : sign >= 'a' && sign <= 'f' ? sign - 'a' + 10 : -1;
}

/* "\x00ff"; *ret_bytes are at most half as many as the text has. */
static bool store_bytes(const char *text, uint8_t *at, size_t *ret_bytes)
{
	size_t count = strlen(text);
	if (count < 2 || count % 2 != 0 || memcmp(text, "\\x", 2) != 0)
		return false;
	*ret_bytes = (count - 2) / 2;
	for (size_t i = 0; i < *ret_bytes; i++) {
		int high = digit(text[2 + 2 * i]), low = digit(text[3 + 2 * i]);
		if (high < 0 || low < 0)
			return false;
		at[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* ---- a column of a batch ---- */

struct column {
	const void *buffers[3]; /* validity, then offsets if it has them, then data: all owned */
	uint8_t *valid, *data;
	int32_t *offsets;
};

static void release_column(struct ArrowArray *array)
{
	struct column *column = array->private_data;
	free(column->valid);
	free(column->data);
	free(column->offsets);
	free(column);
	array->release = NULL;
}

static void set_bit(uint8_t *bits, size_t i)
{
	bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8);
}

static bool store(const struct stream *stream, const struct kind *kind, struct column *column, size_t i,
                  const char *text)
{
	size_t bytes = 0;
	bool fits = true;
	if (kind->shape == SHAPE_FIXED)
		return !text || kind->store(stream, text, kind->bytes, column->data + i * kind->bytes);
	if (kind->shape == SHAPE_BITS) {
		if (text && text[0] == 't')
			set_bit(column->data, i);
		return true;
	}
	uint8_t *at = column->data + column->offsets[i];
	if (text && kind->shape == SHAPE_BYTES) {
		fits = store_bytes(text, at, &bytes);
	} else if (text) {
		bytes = strlen(text);
		memcpy(at, text, bytes);
	}
	column->offsets[i + 1] = column->offsets[i] + (int32_t)bytes;
	return fits;
}

static size_t data_bytes(const struct stream *stream, const struct kind *kind, size_t column, size_t end)
{
	size_t count = end - stream->next, bytes = 0;
	if (kind->shape == SHAPE_BITS)
		return count / 8 + 1;
	if (kind->shape == SHAPE_FIXED)
		return count * kind->bytes;
	for (size_t row = stream->next; row < end; row++) {
		const char *text = pyr_rows_value(stream->rows, row, column);
		bytes += text ? strlen(text) : 0;
	}
	return bytes;
}

/* Its buffers, zeroed; NULL: memory is out. */
static struct column *column_new(const struct stream *stream, const struct kind *kind, size_t i, size_t end)
{
	bool varies = kind->shape == SHAPE_TEXT || kind->shape == SHAPE_BYTES;
	size_t count = end - stream->next;
	struct column *column = calloc(1, sizeof *column);
	if (!column)
		return NULL;
	column->valid = calloc(count / 8 + 1, 1);
	column->data = calloc(data_bytes(stream, kind, i, end) + 1, 1);
	column->offsets = varies ? calloc(count + 1, sizeof *column->offsets) : NULL;
	if (!column->valid || !column->data || (varies && !column->offsets)) {
		free(column->valid);
		free(column->data);
		free(column->offsets);
		free(column);
		return NULL;
	}
	column->buffers[0] = column->valid;
	column->buffers[1] = varies ? (const void *)column->offsets : column->data;
	column->buffers[2] = varies ? column->data : NULL;
	return column;
}

static int make_column(struct stream *stream, size_t i, size_t end, struct ArrowArray *ret_array)
{
	const struct kind *kind = kind_of(stream->rows->columns[i].type);
	struct column *column = column_new(stream, kind, i, end);
	if (!column)
		return ENOMEM;
	*ret_array = (struct ArrowArray){.length = (int64_t)(end - stream->next),
	                                 .n_buffers = column->offsets ? 3 : 2,
	                                 .buffers = column->buffers,
	                                 .release = release_column,
	                                 .private_data = column};
	for (size_t row = stream->next; row < end; row++) {
		const char *text = pyr_rows_value(stream->rows, row, i);
		ret_array->null_count += text == NULL;
		if (text)
			set_bit(column->valid, row - stream->next);
		if (!store(stream, kind, column, row - stream->next, text)) {
			snprintf(stream->error, sizeof stream->error,
			         "column %.100s, row %zu: %.60s is not in the range of Arrow's type",
			         stream->rows->columns[i].name, row, text ? text : "");
			return EINVAL;
		}
	}
	return 0;
}

/* ---- a batch ---- */

struct batch {
	const void *buffers[1];
	struct ArrowArray **children;
	struct ArrowArray columns[];
};

static void release_batch(struct ArrowArray *array)
{
	struct batch *batch = array->private_data;
	for (int64_t i = 0; i < array->n_children; i++)
		if (batch->columns[i].release) /* else it was moved away */
			batch->columns[i].release(&batch->columns[i]);
	free(batch->children);
	free(batch);
	array->release = NULL;
}

static size_t batch_end(const struct stream *stream)
{
	size_t end = stream->next, count = pyr_rows_count(stream->rows), bytes = 0;
	for (; end < count && end - stream->next < BATCH_ROWS_MAX; end++) {
		for (size_t i = 0; i < stream->rows->column_count; i++) {
			const char *text = pyr_rows_value(stream->rows, end, i);
			bytes += text ? strlen(text) : 0;
		}
		if (bytes > BATCH_BYTES_MAX && end > stream->next)
			break;
	}
	return end;
}

static int make_batch(struct stream *stream, size_t end, struct ArrowArray *ret_array)
{
	size_t columns = stream->rows->column_count;
	struct batch *batch = calloc(1, sizeof *batch + columns * sizeof batch->columns[0]);
	struct ArrowArray **children = calloc(columns, sizeof(struct ArrowArray *));
	int failed = batch && children ? 0 : ENOMEM;
	if (failed) {
		free(batch);
		free(children);
		return failed;
	}
	batch->children = children;
	*ret_array = (struct ArrowArray){.length = (int64_t)(end - stream->next),
	                                 .n_buffers = 1,
	                                 .n_children = (int64_t)columns,
	                                 .buffers = batch->buffers,
	                                 .children = children,
	                                 .release = release_batch,
	                                 .private_data = batch};
	for (size_t i = 0; i < columns && !failed; i++) {
		children[i] = &batch->columns[i];
		failed = make_column(stream, i, end, children[i]);
	}
	if (failed)
		release_batch(ret_array);
	return failed;
}

/* The next rows of a query, once those at hand were handed out. */
static int refill(struct stream *stream)
{
	struct pyr_failure failure;
	struct pyr_rows *rows;
	bool needed = stream->query && !stream->over && (!stream->rows || stream->next == pyr_rows_count(stream->rows));
	if (!needed)
		return 0;
	if (pyr_query_next(stream->query, &rows, &failure) != PYR_STATUS_OK) {
		stream->over = true;
		snprintf(stream->error, sizeof stream->error, "%.240s", failure.text);
		return EIO;
	}
	stream->over = pyr_rows_count(rows) == 0;
	if (stream->over && stream->rows) {
		pyr_rows_free(rows); /* the columns are known from those before */
		return 0;
	}
	pyr_rows_free(stream->rows);
	stream->rows = rows;
	stream->next = 0;
	return 0;
}

static int get_next(struct ArrowArrayStream *base, struct ArrowArray *ret_array)
{
	struct stream *stream = base->private_data;
	*ret_array = (struct ArrowArray){0}; /* released: the end */
	int refilled = refill(stream);
	if (refilled || !stream->rows)
		return refilled ? refilled : EIO;
	size_t end = batch_end(stream);
	if (end == stream->next)
		return 0;
	int failed = make_batch(stream, end, ret_array);
	if (!failed)
		stream->next = end;
	else if (failed == ENOMEM)
		snprintf(stream->error, sizeof stream->error, "out of memory");
	return failed;
}

/* ---- the schema ---- */

struct schema {
	struct ArrowSchema **children;
	struct ArrowSchema columns[];
};

static void release_field(struct ArrowSchema *schema)
{
	free(schema->private_data); /* its name */
	schema->release = NULL;
}

static void release_schema(struct ArrowSchema *base)
{
	struct schema *schema = base->private_data;
	for (int64_t i = 0; i < base->n_children; i++)
		if (schema->columns[i].release) /* else it was moved away */
			schema->columns[i].release(&schema->columns[i]);
	free(schema->children);
	free(schema);
	base->release = NULL;
}

static int make_field(const struct api_column *column, struct ArrowSchema *ret_schema)
{
	char *name = strdup(column->name);
	if (!name)
		return ENOMEM;
	*ret_schema = (struct ArrowSchema){.format = kind_of(column->type)->format,
	                                   .name = name,
	                                   .flags = ARROW_FLAG_NULLABLE,
	                                   .release = release_field,
	                                   .private_data = name};
	return 0;
}

static int get_schema(struct ArrowArrayStream *base, struct ArrowSchema *ret_schema)
{
	struct stream *stream = base->private_data;
	int refilled = stream->rows ? 0 : refill(stream);
	if (refilled || !stream->rows)
		return refilled ? refilled : EIO;
	size_t columns = stream->rows->column_count;
	struct schema *schema = calloc(1, sizeof *schema + columns * sizeof schema->columns[0]);
	struct ArrowSchema **children = calloc(columns + 1, sizeof(struct ArrowSchema *));
	int failed = schema && children ? 0 : ENOMEM;
	if (failed) {
		free(schema);
		free(children);
		return failed;
	}
	schema->children = children;
	*ret_schema = (struct ArrowSchema){.format = "+s",
	                                   .name = "",
	                                   .n_children = (int64_t)columns,
	                                   .children = children,
	                                   .release = release_schema,
	                                   .private_data = schema};
	for (size_t i = 0; i < columns && !failed; i++) {
		children[i] = &schema->columns[i];
		failed = make_field(&stream->rows->columns[i], children[i]);
	}
	if (failed)
		release_schema(ret_schema);
	return failed;
}

/* ---- the stream ---- */

static const char *get_last_error(struct ArrowArrayStream *base)
{
	const struct stream *stream = base->private_data;
	return stream->error[0] ? stream->error : NULL;
}

static void release_stream(struct ArrowArrayStream *base)
{
	struct stream *stream = base->private_data;
	pyr_rows_free(stream->rows);
	pyr_query_free(stream->query);
	freelocale(stream->numbers);
	free(stream);
	base->release = NULL;
}

static enum pyr_status make_stream(struct pyr_rows *rows, struct pyr_query *query, struct ArrowArrayStream *ret_stream,
                                   struct pyr_failure *failure)
{
	struct stream *stream = calloc(1, sizeof *stream);
	locale_t numbers = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!stream || !numbers) {
		free(stream);
		if (numbers)
			freelocale(numbers);
		return api_fail(failure, PYR_STATUS_OUT_OF_MEMORY, "", "out of memory");
	}
	*stream = (struct stream){.rows = rows, .query = query, .numbers = numbers};
	*ret_stream = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release_stream, stream};
	return PYR_STATUS_OK;
}

enum pyr_status pyr_rows_arrow(struct pyr_rows *rows, struct ArrowArrayStream *ret_stream, struct pyr_failure *failure)
{
	return make_stream(rows, NULL, ret_stream, failure);
}

enum pyr_status pyr_query_arrow(struct pyr_query *query, struct ArrowArrayStream *ret_stream,
                                struct pyr_failure *failure)
{
	return make_stream(NULL, query, ret_stream, failure);
}
