/* Rows of text into Arrow's arrays, by nanoarrow, and those into a file (see arrow_file.h).
 *
 * Failure modes: a value that Arrow's type can't hold ends the file with a sentence that names the column. Sources:
 * arrow.apache.org/docs/format/Columnar.html, "IPC File Format".
 */
#include "shell/arrow_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nanoarrow/nanoarrow_ipc.h>

enum {
	TYPE_BOOL = 16,
	TYPE_BYTEA = 17,
	TYPE_INT8 = 20,
	TYPE_INT2 = 21,
	TYPE_INT4 = 23,
	TYPE_OID = 26,
	TYPE_FLOAT4 = 700,
	TYPE_FLOAT8 = 701,
	TYPE_DATE = 1082,
	TYPE_TIMESTAMP = 1114,
	TYPE_TIMESTAMPTZ = 1184,
	TYPE_NUMERIC = 1700,
};
enum { PRECISION = 38, SCALE = 16 };

struct shell_arrow {
	struct ArrowSchema schema;
	struct ArrowIpcWriter writer;
	bool started;
};

/* ---- the schema ---- */

static ArrowErrorCode set_type(struct ArrowSchema *column, uint32_t type)
{
	static const struct {
		uint32_t type;
		enum ArrowType arrow;
	} plain[] = {
		{TYPE_BOOL, NANOARROW_TYPE_BOOL},    {TYPE_BYTEA, NANOARROW_TYPE_BINARY},
		{TYPE_INT8, NANOARROW_TYPE_INT64},   {TYPE_INT2, NANOARROW_TYPE_INT16},
		{TYPE_INT4, NANOARROW_TYPE_INT32},   {TYPE_OID, NANOARROW_TYPE_UINT32},
		{TYPE_FLOAT4, NANOARROW_TYPE_FLOAT}, {TYPE_FLOAT8, NANOARROW_TYPE_DOUBLE},
		{TYPE_DATE, NANOARROW_TYPE_DATE32},
	};
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (plain[i].type == type)
			return ArrowSchemaSetType(column, plain[i].arrow);
	if (type == TYPE_NUMERIC)
		return ArrowSchemaSetTypeDecimal(column, NANOARROW_TYPE_DECIMAL128, PRECISION, SCALE);
	if (type == TYPE_TIMESTAMP || type == TYPE_TIMESTAMPTZ)
		return ArrowSchemaSetTypeDateTime(column, NANOARROW_TYPE_TIMESTAMP, NANOARROW_TIME_UNIT_MICRO,
		                                  type == TYPE_TIMESTAMPTZ ? "UTC" : NULL);
	return ArrowSchemaSetType(column, NANOARROW_TYPE_STRING);
}

static ArrowErrorCode make_schema(struct ArrowSchema *schema, const struct shell_table *table)
{
	ArrowSchemaInit(schema);
	NANOARROW_RETURN_NOT_OK(ArrowSchemaSetTypeStruct(schema, (int64_t)table->column_count));
	for (size_t i = 0; i < table->column_count; i++) {
		NANOARROW_RETURN_NOT_OK(set_type(schema->children[i], table->columns[i].type));
		NANOARROW_RETURN_NOT_OK(ArrowSchemaSetName(schema->children[i], table->columns[i].name));
	}
	return NANOARROW_OK;
}

/* ---- cells ---- */

static bool number_at(const char **at, size_t digits, int *ret_number)
{
	*ret_number = 0;
	for (size_t i = 0; i < digits; i++) {
		if (!isdigit((unsigned char)**at))
			return false;
		*ret_number = *ret_number * 10 + *(*at)++ - '0';
	}
	return true;
}

static bool skip(const char **at, char sign)
{
	bool is = **at == sign;
	*at += is;
	return is;
}

/* Days since 1970 of the Gregorian calendar; years 1 to 9999. Source: Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", days_from_civil. */
static bool read_date(const char **at, int64_t *ret_days)
{
	int year, month, day;
	if (!number_at(at, 4, &year) || !skip(at, '-') || !number_at(at, 2, &month) || !skip(at, '-') ||
	    !number_at(at, 2, &day) || isdigit((unsigned char)**at))
		return false;
	year -= month <= 2;
	int era = year / 400, of_era = year % 400;
	int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	*ret_days = (int64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
	return true;
}

/* +02, -03:30, or nothing. */
static bool read_zone(const char **at, int64_t *ret_seconds)
{
	int hours, minutes = 0;
	bool behind = **at == '-';
	*ret_seconds = 0;
	if (!skip(at, '+') && !skip(at, '-'))
		return true;
	if (!number_at(at, 2, &hours) || (skip(at, ':') && !number_at(at, 2, &minutes)))
		return false;
	*ret_seconds = (behind ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

static bool read_timestamp(const char *text, int64_t *ret_us)
{
	int64_t days, zone_s;
	int hour, minute, second, us = 0, digit;
	if (!read_date(&text, &days) || !skip(&text, ' ') || !number_at(&text, 2, &hour) || !skip(&text, ':') ||
	    !number_at(&text, 2, &minute) || !skip(&text, ':') || !number_at(&text, 2, &second))
		return false;
	if (skip(&text, '.'))
		for (int unit = 100000; unit > 0 && isdigit((unsigned char)*text); unit /= 10)
			us += number_at(&text, 1, &digit) ? digit * unit : 0;
	if (!read_zone(&text, &zone_s) || *text)
		return false;
	*ret_us = ((days * 24 + hour) * 3600 + minute * 60 + second - zone_s) * 1000000 + us;
	return true;
}

/* The digits of the number times ten to the scale. */
static ArrowErrorCode append_numeric(struct ArrowArray *array, const char *text)
{
	char digits[PRECISION + 2];
	size_t used = 0, behind = 0, whole = strspn(text + (*text == '-'), "0123456789");
	const char *at = text + (*text == '-');
	struct ArrowDecimal decimal;
	if (whole == 0 || whole > PRECISION - SCALE)
		return EINVAL;
	if (*text == '-')
		digits[used++] = '-';
	memcpy(digits + used, at, whole);
	used += whole;
	at += whole;
	for (at += *at == '.'; isdigit((unsigned char)*at); at++, behind++)
		if (behind < SCALE)
			digits[used++] = *at;
		else if (*at != '0')
			return EINVAL;
	for (; behind < SCALE; behind++)
		digits[used++] = '0';
	if (*at)
		return EINVAL;
	ArrowDecimalInit(&decimal, 128, PRECISION, SCALE);
	NANOARROW_RETURN_NOT_OK(ArrowDecimalSetDigits(&decimal, (struct ArrowStringView){digits, (int64_t)used}));
	return ArrowArrayAppendDecimal(array, &decimal);
}

/* \x and two digits a byte. */
static ArrowErrorCode append_bytes(struct ArrowArray *array, const char *text)
{
	size_t bytes = strlen(text) / 2;
	if (text[0] != '\\' || text[1] != 'x')
		return EINVAL;
	uint8_t *data = malloc(bytes + 1);
	if (!data)
		return ENOMEM;
	for (size_t i = 1; i < bytes; i++) {
		const char pair[3] = {text[i * 2], text[i * 2 + 1], 0};
		data[i - 1] = (uint8_t)strtoul(pair, NULL, 16);
	}
	ArrowErrorCode code = ArrowArrayAppendBytes(
		array, (struct ArrowBufferView){.data.data = data, .size_bytes = (int64_t)bytes - 1});
	free(data);
	return code;
}

static ArrowErrorCode append(struct ArrowArray *array, uint32_t type, const char *text)
{
	int64_t number;
	const char *at = text;
	if (!text)
		return ArrowArrayAppendNull(array, 1);
	switch (type) {
	case TYPE_BOOL:
		return ArrowArrayAppendInt(array, text[0] == 't');
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8:
	case TYPE_OID:
		return ArrowArrayAppendInt(array, strtoll(text, NULL, 10));
	case TYPE_FLOAT4:
	case TYPE_FLOAT8:
		return ArrowArrayAppendDouble(array, strtod(text, NULL));
	case TYPE_NUMERIC:
		return append_numeric(array, text);
	case TYPE_BYTEA:
		return append_bytes(array, text);
	case TYPE_DATE:
		return read_date(&at, &number) && !*at ? ArrowArrayAppendInt(array, number) : EINVAL;
	case TYPE_TIMESTAMP:
	case TYPE_TIMESTAMPTZ:
		return read_timestamp(text, &number) ? ArrowArrayAppendInt(array, number) : EINVAL;
	default:
		return ArrowArrayAppendString(array, ArrowCharView(text));
	}
}

/* ---- the file ---- */

static void fail(struct shell_table *table, const char *what, const char *why)
{
	snprintf(table->problem, sizeof table->problem, "the Arrow file is not whole: %.100s%.63s", what, why);
}

static bool start(struct shell_table *table, FILE *out)
{
	struct ArrowIpcOutputStream stream;
	struct ArrowError error = {0};
	struct shell_arrow *arrow = table->arrow = calloc(1, sizeof *arrow);
	if (!arrow || make_schema(&arrow->schema, table) != NANOARROW_OK) {
		fail(table, "out of memory", "");
		return false;
	}
	if (ArrowIpcOutputStreamInitFile(&stream, out, false) != NANOARROW_OK)
		return fail(table, "out of memory", ""), false;
	if (ArrowIpcWriterInit(&arrow->writer, &stream) != NANOARROW_OK) {
		stream.release(&stream);
		fail(table, "out of memory", "");
		return false;
	}
	arrow->started = true;
	if (ArrowIpcWriterStartFile(&arrow->writer, &error) != NANOARROW_OK ||
	    ArrowIpcWriterWriteSchema(&arrow->writer, &arrow->schema, &error) != NANOARROW_OK) {
		fail(table, error.message, "");
		return false;
	}
	return true;
}

static bool fill(struct shell_table *table, struct ArrowArray *batch)
{
	for (size_t row = table->written; row < table->row_count; row++) {
		for (size_t i = 0; i < table->column_count; i++) {
			const char *text = shell_table_cell(table, row, i);
			ArrowErrorCode code = append(batch->children[i], table->columns[i].type, text);
			if (code == EINVAL || code == ERANGE)
				fail(table, "a value has no place in Arrow's type, cast it to text, in column ",
				     table->columns[i].name);
			else if (code != NANOARROW_OK)
				fail(table, "out of memory", "");
			if (code != NANOARROW_OK)
				return false;
		}
		if (ArrowArrayFinishElement(batch) != NANOARROW_OK)
			return fail(table, "out of memory", ""), false;
	}
	return true;
}

static void write_batch(struct shell_table *table, struct ArrowArray *batch)
{
	struct ArrowArrayView view;
	struct ArrowError error = {0};
	struct shell_arrow *arrow = table->arrow;
	ArrowArrayViewInitFromType(&view, NANOARROW_TYPE_UNINITIALIZED);
	if (ArrowArrayFinishBuildingDefault(batch, &error) != NANOARROW_OK ||
	    ArrowArrayViewInitFromSchema(&view, &arrow->schema, &error) != NANOARROW_OK ||
	    ArrowArrayViewSetArray(&view, batch, &error) != NANOARROW_OK ||
	    ArrowIpcWriterWriteArrayView(&arrow->writer, &view, &error) != NANOARROW_OK)
		fail(table, error.message[0] ? error.message : "out of memory", "");
	ArrowArrayViewReset(&view);
}

void shell_arrow_write_rows(struct shell_table *table, FILE *out)
{
	struct ArrowArray batch = {0};
	struct ArrowError error = {0};
	if (table->problem[0] || (!table->arrow && !start(table, out)) || table->written == table->row_count)
		return;
	if (ArrowArrayInitFromSchema(&batch, &table->arrow->schema, &error) != NANOARROW_OK ||
	    ArrowArrayStartAppending(&batch) != NANOARROW_OK)
		fail(table, "out of memory", "");
	else if (fill(table, &batch))
		write_batch(table, &batch);
	if (batch.release)
		ArrowArrayRelease(&batch);
}

void shell_arrow_write_end(struct shell_table *table, FILE *out)
{
	struct ArrowError error = {0};
	if (table->problem[0] || !table->arrow)
		return;
	if (ArrowIpcWriterWriteArrayView(&table->arrow->writer, NULL, &error) != NANOARROW_OK ||
	    ArrowIpcWriterFinalizeFile(&table->arrow->writer, &error) != NANOARROW_OK)
		fail(table, error.message, "");
	else if (fflush(out) != 0)
		fail(table, strerror(errno), "");
}

void shell_arrow_free(struct shell_arrow *arrow)
{
	if (!arrow)
		return;
	if (arrow->started)
		ArrowIpcWriterReset(&arrow->writer);
	if (arrow->schema.release)
		ArrowSchemaRelease(&arrow->schema);
	free(arrow);
}
