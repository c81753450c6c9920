/* Conversions of declared columns (see field.h). Failure modes: none but not fitting. */
#include "column/field.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES_MAX = 400, EXPONENT_MAX = 1000, DECIMAL_DIGITS_MAX = 38 };

static const char *const reasons[] = {
	[COLUMN_FIT] = "",
	[COLUMN_FIT_NULL] = "",
	[COLUMN_FIT_NOT_JSON] = "the record's value is not JSON",
	[COLUMN_FIT_NOT_BOOLEAN] = "not a boolean",
	[COLUMN_FIT_NOT_NUMBER] = "not a number",
	[COLUMN_FIT_FRACTION] = "not a whole number",
	[COLUMN_FIT_RANGE] = "out of range",
	[COLUMN_FIT_NOT_TEXT] = "no valid text",
	[COLUMN_FIT_NOT_DATE] = "not a date",
	[COLUMN_FIT_NOT_TIME] = "not a time",
	[COLUMN_FIT_NOT_TIMESTAMP] = "not a timestamp",
	[COLUMN_FIT_NOT_UUID] = "not a uuid",
};

const char *column_fit_reason(enum column_fit fit)
{
	return reasons[fit];
}

/* ---- numbers ---- */

static enum column_fit convert_bool(const char *text, size_t bytes, bool *ret_value)
{
	static const struct {
		const char *text;
		bool value;
	} words[] = {{"true", true}, {"t", true}, {"1", true}, {"false", false}, {"f", false}, {"0", false}};
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strlen(words[i].text) == bytes && memcmp(words[i].text, text, bytes) == 0) {
			*ret_value = words[i].value;
			return COLUMN_FIT;
		}
	}
	return COLUMN_FIT_NOT_BOOLEAN;
}

/* A decimal number taken apart: digits without the point, which stands `scale` digits from the right. */
struct decimal {
	char digits[NUMBER_BYTES_MAX + 1];
	size_t count;
	long scale;
	bool negative;
};

static bool split(const char *text, size_t bytes, struct decimal *decimal)
{
	size_t at = 0;
	bool point = false, any = false;
	*decimal = (struct decimal){0};
	if (at < bytes && (text[at] == '-' || text[at] == '+'))
		decimal->negative = text[at++] == '-';
	for (; at < bytes && ((text[at] >= '0' && text[at] <= '9') || (text[at] == '.' && !point)); at++) {
		if (text[at] == '.') {
			point = true;
			continue;
		}
		any = true;
		if (decimal->count > 0 || text[at] != '0') {
			if (decimal->count == NUMBER_BYTES_MAX)
				return false;
			decimal->digits[decimal->count++] = text[at];
		}
		decimal->scale += point;
	}
	if (any && at < bytes && (text[at] == 'e' || text[at] == 'E')) {
		char *end, room[16] = "";
		if (bytes - at - 1 == 0 || bytes - at - 1 >= sizeof room)
			return false;
		memcpy(room, text + at + 1, bytes - at - 1);
		long exponent = strtol(room, &end, 10);
		if (*end || room[0] == ' ' || exponent > EXPONENT_MAX || exponent < -EXPONENT_MAX)
			return false;
		decimal->scale -= exponent;
		at = bytes;
	}
	return any && at == bytes;
}

/* Times ten to `scale`; what does not fit behind the point is rounded, and *ret_rounded. False: out of range. */
static bool scale_to(const struct decimal *decimal, int scale, __int128 *ret_value, bool *ret_rounded)
{
	long kept = (long)decimal->count - (decimal->scale - scale); /* digits that remain */
	__int128 value = 0;
	*ret_rounded = false;
	if (kept > DECIMAL_DIGITS_MAX && decimal->count > 0)
		return false;
	for (long i = 0; i < kept; i++)
		value = value * 10 + (i < (long)decimal->count ? decimal->digits[i] - '0' : 0);
	for (long i = kept < 0 ? 0 : kept; i < (long)decimal->count; i++)
		*ret_rounded |= decimal->digits[i] != '0';
	if (kept >= 0 && kept < (long)decimal->count && decimal->digits[kept] >= '5')
		value += 1;
	*ret_value = decimal->negative ? -value : value;
	return true;
}

static enum column_fit convert_integer(const char *text, size_t bytes, enum column_type type, int64_t *ret_value)
{
	struct decimal decimal;
	__int128 value, most = type == COLUMN_TYPE_INT2 ? INT16_MAX : type == COLUMN_TYPE_INT4 ? INT32_MAX : INT64_MAX;
	bool rounded;
	if (!split(text, bytes, &decimal))
		return COLUMN_FIT_NOT_NUMBER;
	if (!scale_to(&decimal, 0, &value, &rounded))
		return COLUMN_FIT_RANGE;
	if (rounded)
		return COLUMN_FIT_FRACTION;
	if (value > most || value < -most - 1)
		return COLUMN_FIT_RANGE;
	*ret_value = (int64_t)value;
	return COLUMN_FIT;
}

static enum column_fit convert_numeric(const char *text, size_t bytes, struct column_field_type type,
                                       __int128 *ret_value)
{
	struct decimal decimal;
	__int128 value, most = 1;
	bool rounded;
	if (!split(text, bytes, &decimal))
		return COLUMN_FIT_NOT_NUMBER;
	for (int i = 0; i < type.precision; i++)
		most *= 10;
	if (!scale_to(&decimal, type.scale, &value, &rounded) || value >= most || value <= -most)
		return COLUMN_FIT_RANGE;
	*ret_value = value;
	return COLUMN_FIT;
}

static enum column_fit convert_real(const char *text, size_t bytes, bool single, double *ret_value)
{
	struct decimal decimal;
	char room[NUMBER_BYTES_MAX + 32];
	if (bytes >= sizeof room || !split(text, bytes, &decimal))
		return COLUMN_FIT_NOT_NUMBER;
	memcpy(room, text, bytes);
	room[bytes] = 0;
	double value = strtod(room, NULL);
	if (!isfinite(value) || (single && !isfinite((float)value)))
		return COLUMN_FIT_RANGE;
	*ret_value = value;
	return COLUMN_FIT;
}

/* ---- others ---- */

static enum column_fit convert_uuid(const char *text, size_t bytes, __int128 *ret_value)
{
	unsigned __int128 value = 0;
	int digits = 0;
	if (bytes > 2 && text[0] == '{' && text[bytes - 1] == '}') {
		text += 1;
		bytes -= 2;
	}
	for (size_t i = 0; i < bytes; i++) {
		char c = text[i];
		if (c == '-' && digits > 0 && digits % 4 == 0)
			continue;
		int digit = c >= '0' && c <= '9'                     ? c - '0'
		            : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
		                                                     : -1;
		if (digit < 0 || digits++ == 32)
			return COLUMN_FIT_NOT_UUID;
		value = value << 4 | (unsigned)digit;
	}
	*ret_value = (__int128)value;
	return digits == 32 ? COLUMN_FIT : COLUMN_FIT_NOT_UUID;
}

static enum column_fit reason_of_time(enum column_type type)
{
	return type == COLUMN_TYPE_DATE   ? COLUMN_FIT_NOT_DATE
	       : type == COLUMN_TYPE_TIME ? COLUMN_FIT_NOT_TIME
	                                  : COLUMN_FIT_NOT_TIMESTAMP;
}

/* Seconds or milliseconds since 1970, for moments. */
static enum column_fit convert_moment(const char *text, size_t bytes, enum column_type type, int64_t *ret_value)
{
	static const int64_t milliseconds_from = 100000000000, most = INT64_MAX / 1000000;
	struct decimal decimal;
	__int128 micros;
	bool rounded;
	if ((type != COLUMN_TYPE_TIMESTAMP && type != COLUMN_TYPE_TIMESTAMPTZ) || !split(text, bytes, &decimal))
		return reason_of_time(type);
	if (!scale_to(&decimal, 6, &micros, &rounded))
		return COLUMN_FIT_RANGE;
	if (micros / 1000000 >= milliseconds_from || micros / 1000000 <= -milliseconds_from)
		micros /= 1000;
	if (micros > (__int128)most * 100000 || micros < -(__int128)most * 100000)
		return COLUMN_FIT_RANGE;
	*ret_value = (int64_t)micros;
	return COLUMN_FIT;
}

/* The field's text: a string's characters, anything else as it is written. */
static bool text_of(const struct column_json *field, struct base_writer *writer, struct base_bytes *ret_text)
{
	*ret_text = field->text;
	if (field->kind != COLUMN_JSON_STRING || !field->escaped)
		return true;
	writer->bytes = 0;
	if (!column_json_unescape(field->text, writer))
		return false;
	base_write_u8(writer, 0); /* so that even an empty text has an address */
	if (writer->failed)
		return false;
	*ret_text = (struct base_bytes){writer->buffer->data, writer->bytes - 1};
	return true;
}

enum column_fit column_field_convert(struct column_field_type type, const struct column_json *field,
                                     struct base_writer *writer, union column_field_value *ret_value)
{
	struct base_bytes bytes;
	if (field->kind == COLUMN_JSON_NONE || field->kind == COLUMN_JSON_NULL)
		return COLUMN_FIT_NULL;
	if (type.type == COLUMN_TYPE_JSON) {
		size_t quotes = field->kind == COLUMN_JSON_STRING; /* they stand around a string's text */
		ret_value->text = (struct base_bytes){field->text.data - quotes, field->text.bytes + 2 * quotes};
		return COLUMN_FIT;
	}
	if (!text_of(field, writer, &bytes))
		return COLUMN_FIT_NOT_TEXT;
	const char *text = (const char *)bytes.data;
	switch (type.type) {
	case COLUMN_TYPE_BOOL:
		return convert_bool(text, bytes.bytes, &ret_value->boolean);
	case COLUMN_TYPE_INT2:
	case COLUMN_TYPE_INT4:
	case COLUMN_TYPE_INT8:
		return convert_integer(text, bytes.bytes, type.type, &ret_value->integer);
	case COLUMN_TYPE_FLOAT4:
	case COLUMN_TYPE_FLOAT8:
		return convert_real(text, bytes.bytes, type.type == COLUMN_TYPE_FLOAT4, &ret_value->real);
	case COLUMN_TYPE_NUMERIC:
		return convert_numeric(text, bytes.bytes, type, &ret_value->wide);
	case COLUMN_TYPE_UUID:
		return convert_uuid(text, bytes.bytes, &ret_value->wide);
	case COLUMN_TYPE_DATE:
	case COLUMN_TYPE_TIME:
	case COLUMN_TYPE_TIMESTAMP:
	case COLUMN_TYPE_TIMESTAMPTZ:
		if (field->kind == COLUMN_JSON_NUMBER)
			return convert_moment(text, bytes.bytes, type.type, &ret_value->integer);
		return column_time_parse(text, bytes.bytes, type.type, &ret_value->integer) ? COLUMN_FIT
		                                                                            : reason_of_time(type.type);
	default:
		ret_value->text = bytes;
		return COLUMN_FIT;
	}
}
