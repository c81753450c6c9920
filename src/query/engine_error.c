/* The engine's error messages, as PostgreSQL's SQLSTATEs.
 *
 * A message starts with its class ("Binder Error: ..."); the C API tells no more. What follows an empty line is a
 * drawing of the rewritten text, which the client never wrote.
 */
#include "query/engine_duckdb.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *start, *sqlstate;
} classes[] = {
	{"Parser Error: ", "42601"},
	{"Syntax Error: ", "42601"},
	{"Binder Error: ", "42703"},
	{"Catalog Error: ", "42883"},
	{"Conversion Error: ", "22P02"},
	{"Out of Range Error: ", "22003"},
	{"Invalid Input Error: ", "22023"},
	{"Invalid Type Error: ", "42804"},
	{"Mismatch Type Error: ", "42804"},
	{"Constraint Error: ", "23000"},
	{"Permission Error: ", "42501"},
	{"Not implemented Error: ", "0A000"},
	{"Out of Memory Error: ", "53200"},
	{"INTERRUPT Error: ", "57014"},
	{"Interrupt Error: ", "57014"},
	{"IO Error: ", "58030"},
	{"Expression tree is too deep", "54001"},
	{"Sequence Error: ", "22023"},
	{"TransactionContext Error: ", "25000"},
};

static const char *sqlstate_of(const char *message, const char **ret_text)
{
	*ret_text = message;
	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
		size_t bytes = strlen(classes[i].start);
		if (strncmp(message, classes[i].start, bytes) != 0)
			continue;
		*ret_text = classes[i].start[bytes - 1] == ' ' ? message + bytes : message;
		return classes[i].sqlstate;
	}
	return "XX000";
}

/* What the words tell more of than the class. */
struct part {
	const char *part, *sqlstate;
};

static const struct part parts[] = {
	{"date field value out of range", "22008"},
	{"timestamp field value out of range", "22008"},
	{"time field value out of range", "22008"},
	{"invalid date field format", "22007"},
	{"invalid timestamp field format", "22007"},
	{"invalid time field format", "22007"},
	{"is out of range for the destination type", "22003"},
	{"value is out of range", "22003"},
	{"More than one row returned by a subquery", "21000"},
	{"cannot take logarithm", "2201E"},
	{"Date out of range", "22008"},
	{"extract specifier", "22023"},
	/* RE2's, of a pattern that is none */
	{"missing )", "2201B"},
	{"missing ]", "2201B"},
	{"unexpected )", "2201B"},
	{"no argument for repetition operator", "2201B"},
	{"bad repetition operator", "2201B"},
	{"invalid escape sequence", "2201B"},
	{"invalid perl operator", "2201B"},
	{"invalid character class range", "2201B"},
};

/* Of the engine's binder and parser. */
static const struct part shapes[] = {
	{"clause cannot contain aggregates", "42803"},
	{"aggregate function calls cannot", "42803"},
	{"clause cannot contain window functions", "42P20"},
	{"term out of range - should be between", "42P10"},
	{"Duplicate CTE name", "42712"},
	{"Ambiguous reference to table", "42712"},
	{"LIMIT/OFFSET cannot be negative", "2201W"},
	{"side of join!", "42703"},
	{"Unknown TimeZone", "22023"},
	{"does not support the supplied arguments", "42883"},
};

static const char *find_part(const struct part *table, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strstr(text, table[i].part))
			return table[i].sqlstate;
	return NULL;
}

/* Digits that are too many are out of range; anything else is no number. */
static bool is_number_out_of_range(const char *text)
{
	char number[64], type[16];
	return sscanf(text, "Could not convert string '%63[0-9+-]' to %15[A-Z]", number, type) == 2 &&
	       strcmp(type, "INT") == 0;
}

static const char *refine_value(const char *sqlstate, const char *text)
{
	const char *found = find_part(parts, sizeof parts / sizeof *parts, text);
	if (found)
		return found;
	return is_number_out_of_range(text) ? "22003" : sqlstate;
}

/* Class 42 for what the words tell more of than the engine's class. */
static const char *refine(const char *sqlstate, const char *text)
{
	const char *found = find_part(shapes, sizeof shapes / sizeof *shapes, text);
	if (found)
		return found;
	if (strncmp(sqlstate, "42703", 5) != 0)
		return strncmp(text, "Table with name", 15) == 0 ? "42P01"
		       : strstr(text, "Type with name")          ? "42704"
		                                                 : sqlstate;
	if (strncmp(text, "Referenced table", 16) == 0)
		return "42P01";
	if (strstr(text, "No function matches") || strstr(text, "Could not choose a best candidate"))
		return "42883";
	if (strncmp(text, "Ambiguous reference", 19) == 0)
		return "42702";
	if (strstr(text, "GROUP BY clause"))
		return "42803";
	if (strncmp(text, "Referenced column", 17) == 0 || strstr(text, "does not have a column") ||
	    strstr(text, "not found in FROM clause"))
		return "42703";
	return strstr(text, "Cannot compare") || strstr(text, "cast") ? "42804" : "42601";
}

static pyr_result fail_column(struct query_error *error, const char *text)
{
	char name[128] = "";
	if (sscanf(text, "Referenced column \"%127[^\"]\"", name) != 1)
		return pyr_ok();
	return query_fail(error, "42703", "column \"%s\" does not exist", name);
}

/* Errors of our own table functions bring their SQLSTATE along: "...pyralog:XX001:sentence". */
static pyr_result fail_own(struct query_error *error, const char *message)
{
	const char *own = message ? strstr(message, QUERY_OWN_ERROR) : NULL;
	char sqlstate[QUERY_SQLSTATE_BYTES + 1] = "";
	size_t prefix = strlen(QUERY_OWN_ERROR);
	if (!own || strlen(own) < prefix + QUERY_SQLSTATE_BYTES + 1)
		return pyr_ok();
	memcpy(sqlstate, own + prefix, QUERY_SQLSTATE_BYTES);
	return query_fail(error, sqlstate, "%s", own + prefix + QUERY_SQLSTATE_BYTES + 1);
}

pyr_result query_fail_engine(struct query_error *error, const char *message)
{
	const char *text;
	PYR_TRY(fail_own(error, message));
	if (!message)
		return query_fail(error, "XX000", "the engine failed without a reason");
	const char *sqlstate = sqlstate_of(message, &text);
	sqlstate = strncmp(sqlstate, "22", 2) == 0 ? refine_value(sqlstate, text) : refine(sqlstate, text);
	if (strcmp(sqlstate, "57014") == 0)
		return query_fail(error, sqlstate, "canceling statement due to user request");
	if (strcmp(sqlstate, "42703") == 0)
		PYR_TRY(fail_column(error, text));
	const char *drawing = strstr(text, "\n\nLINE ");
	int bytes = drawing ? (int)(drawing - text) : (int)strnlen(text, QUERY_MESSAGE_MAX);
	return query_fail(error, sqlstate, "%.*s", bytes, text);
}
