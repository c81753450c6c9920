/* A JSON reader that skips what nobody asked for (see json.h).
 *
 * Paths are a trie; the reader descends it beside the text. Invariants: recursion is bounded by COLUMN_JSON_DEPTH_MAX;
 * nothing is read behind the text. Failure modes: a text that is no JSON finds nothing. Pure; any thread.
 */
#include "column/json.h"

#include "column/json_path.h"

#include <assert.h>
#include <string.h>

struct scan {
	const uint8_t *at, *end;
	const struct column_json_paths *paths;
	struct column_json *found;
	uint64_t seen[COLUMN_JSON_NODES_MAX / 64]; /* nodes that had their value */
};

static void skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' || *scan->at == '\r'))
		scan->at += 1;
}

static bool is_digit(const struct scan *scan)
{
	return scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9';
}

static bool take(struct scan *scan, uint8_t sign)
{
	bool there = scan->at < scan->end && *scan->at == sign;
	scan->at += there;
	return there;
}

static bool scan_word(struct scan *scan, const char *word, size_t bytes)
{
	if ((size_t)(scan->end - scan->at) < bytes || memcmp(scan->at, word, bytes) != 0)
		return false;
	scan->at += bytes;
	return true;
}

static bool scan_digits(struct scan *scan)
{
	if (!is_digit(scan))
		return false;
	while (is_digit(scan))
		scan->at += 1;
	return true;
}

static bool scan_number(struct scan *scan)
{
	(void)take(scan, '-');
	if (!take(scan, '0') && !scan_digits(scan))
		return false;
	if (take(scan, '.') && !scan_digits(scan))
		return false;
	if (take(scan, 'e') || take(scan, 'E')) {
		if (!take(scan, '+'))
			(void)take(scan, '-');
		return scan_digits(scan);
	}
	return true;
}

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool scan_escape(struct scan *scan)
{
	if (scan->at == scan->end)
		return false;
	uint8_t sign = *scan->at++;
	if (sign != 'u')
		return sign != 0 && strchr("\"\\/bfnrt", sign);
	for (int i = 0; i < 4; i++)
		if (scan->at == scan->end || !is_hex(*scan->at++))
			return false;
	return true;
}

/* Behind the opening quote; the text is what stands up to the closing one. */
static bool scan_string(struct scan *scan, struct column_json *ret_string)
{
	const uint8_t *from = scan->at;
	bool escaped = false;
	while (scan->at < scan->end && *scan->at != '"') {
		uint8_t sign = *scan->at++;
		if (sign < 0x20)
			return false;
		if (sign == '\\') {
			escaped = true;
			if (!scan_escape(scan))
				return false;
		}
	}
	*ret_string = (struct column_json){COLUMN_JSON_STRING, escaped, {from, (size_t)(scan->at - from)}};
	return take(scan, '"');
}

static bool scan_value(struct scan *scan, const struct column_json_node *node, unsigned depth,
                       struct column_json *ret_value);

static bool scan_member(struct scan *scan, const struct column_json_node *node, unsigned depth)
{
	struct column_json name, value;
	skip_blanks(scan);
	if (!take(scan, '"') || !scan_string(scan, &name))
		return false;
	skip_blanks(scan);
	if (!take(scan, ':'))
		return false;
	return scan_value(scan, node ? column_json_child_named(scan->paths, node, &name) : NULL, depth, &value);
}

static bool scan_object(struct scan *scan, const struct column_json_node *node, unsigned depth)
{
	skip_blanks(scan);
	if (take(scan, '}'))
		return true;
	do {
		if (!scan_member(scan, node, depth))
			return false;
		skip_blanks(scan);
	} while (take(scan, ','));
	return take(scan, '}');
}

static bool scan_array(struct scan *scan, const struct column_json_node *node, unsigned depth)
{
	struct column_json value;
	uint32_t place = 0;
	skip_blanks(scan);
	if (take(scan, ']'))
		return true;
	do {
		if (!scan_value(scan, node ? column_json_child_at(scan->paths, node, place) : NULL, depth, &value))
			return false;
		place += 1;
		skip_blanks(scan);
	} while (take(scan, ','));
	return take(scan, ']');
}

static bool scan_body(struct scan *scan, const struct column_json_node *node, unsigned depth,
                      struct column_json *ret_value)
{
	switch (*scan->at) {
	case '"':
		scan->at += 1;
		return scan_string(scan, ret_value);
	case '{':
		scan->at += 1;
		ret_value->kind = COLUMN_JSON_OBJECT;
		return depth > 0 && scan_object(scan, node, depth - 1);
	case '[':
		scan->at += 1;
		ret_value->kind = COLUMN_JSON_ARRAY;
		return depth > 0 && scan_array(scan, node, depth - 1);
	case 't':
		ret_value->kind = COLUMN_JSON_TRUE;
		return scan_word(scan, "true", 4);
	case 'f':
		ret_value->kind = COLUMN_JSON_FALSE;
		return scan_word(scan, "false", 5);
	case 'n':
		ret_value->kind = COLUMN_JSON_NULL;
		return scan_word(scan, "null", 4);
	default:
		ret_value->kind = COLUMN_JSON_NUMBER;
		return scan_number(scan);
	}
}

/* The first value of a node counts, with all below it. */
static bool is_first(struct scan *scan, const struct column_json_node *node)
{
	if (!node)
		return false;
	size_t number = column_json_node_number(scan->paths, node);
	uint64_t bit = (uint64_t)1 << number % 64;
	bool first = !(scan->seen[number / 64] & bit);
	scan->seen[number / 64] |= bit;
	return first;
}

static bool scan_value(struct scan *scan, const struct column_json_node *node, unsigned depth,
                       struct column_json *ret_value)
{
	skip_blanks(scan);
	if (scan->at == scan->end)
		return false;
	const uint8_t *from = scan->at;
	*ret_value = (struct column_json){0};
	bool first = is_first(scan, node);
	if (!scan_body(scan, first ? node : NULL, depth, ret_value))
		return false;
	if (ret_value->kind != COLUMN_JSON_STRING)
		ret_value->text = (struct base_bytes){from, (size_t)(scan->at - from)};
	if (first)
		column_json_node_found(scan->paths, node, ret_value, scan->found);
	return true;
}

bool column_json_find(const struct column_json_paths *paths, struct base_bytes text, struct column_json *found)
{
	struct scan scan;
	struct column_json whole;
	size_t count = column_json_paths_count(paths);
	memset(found, 0, count * sizeof *found);
	scan.at = text.data;
	scan.end = text.data + text.bytes;
	scan.paths = paths;
	scan.found = found;
	memset(scan.seen, 0, (column_json_node_count(paths) + 63) / 64 * sizeof scan.seen[0]);
	bool good = text.bytes > 0 && scan_value(&scan, column_json_root(paths), COLUMN_JSON_DEPTH_MAX, &whole);
	if (good)
		skip_blanks(&scan);
	if (!good || scan.at != scan.end) {
		memset(found, 0, count * sizeof *found);
		return false;
	}
	return true;
}

bool column_json_member(struct base_bytes text, size_t *at, struct column_json *ret_name, struct column_json *ret_value)
{
	struct scan scan = {.at = text.data + *at, .end = text.data + text.bytes};
	bool is_object = text.bytes > 0 && text.data[0] == '{';
	*ret_name = (struct column_json){0};
	scan.at += *at == 0 && text.bytes > 0;
	skip_blanks(&scan);
	if (take(&scan, ','))
		skip_blanks(&scan);
	if (scan.at == scan.end || *scan.at == '}' || *scan.at == ']')
		return false;
	if (is_object) {
		if (!take(&scan, '"') || !scan_string(&scan, ret_name))
			return false;
		skip_blanks(&scan);
		if (!take(&scan, ':'))
			return false;
	}
	if (!scan_value(&scan, NULL, COLUMN_JSON_DEPTH_MAX, ret_value))
		return false;
	*at = (size_t)(scan.at - text.data);
	return true;
}

/* ---- escapes ---- */

static uint32_t hex4(const uint8_t *at)
{
	uint32_t number = 0;
	for (int i = 0; i < 4; i++)
		number = number << 4 | (uint32_t)(at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
	return number;
}

static void write_utf8(struct base_writer *writer, uint32_t code)
{
	if (code < 0x80) {
		base_write_u8(writer, (uint8_t)code);
		return;
	}
	unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	static const uint8_t marks[] = {0, 0xc0, 0xe0, 0xf0};
	base_write_u8(writer, (uint8_t)(marks[more] | code >> (6 * more)));
	while (more-- > 0)
		base_write_u8(writer, (uint8_t)(0x80 | (code >> (6 * more) & 0x3f)));
}

/* \uXXXX at *at, or a pair of them. */
static bool write_code(struct base_bytes text, size_t *at, struct base_writer *writer)
{
	uint32_t code = hex4(text.data + *at);
	*at += 4;
	if (code >= 0xdc00 && code <= 0xdfff)
		return false;
	if (code >= 0xd800 && code <= 0xdbff) {
		bool pair = text.bytes - *at >= 6 && text.data[*at] == '\\' && text.data[*at + 1] == 'u';
		uint32_t low = pair ? hex4(text.data + *at + 2) : 0;
		if (low < 0xdc00 || low > 0xdfff)
			return false;
		*at += 6;
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	write_utf8(writer, code);
	return true;
}

bool column_json_unescape(struct base_bytes text, struct base_writer *writer)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	for (size_t at = 0; at < text.bytes;) {
		uint8_t sign = text.data[at++];
		if (sign == '\\') {
			assert(at < text.bytes); /* the text was scanned */
			sign = text.data[at++];
			if (sign == 'u') {
				if (!write_code(text, &at, writer))
					return false;
				continue;
			}
			const char *place = strchr(from, sign);
			sign = place ? (uint8_t)to[place - from] : sign;
		}
		base_write_u8(writer, sign);
	}
	return !writer->failed;
}
