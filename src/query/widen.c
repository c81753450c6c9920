/* Numerics given as parameters that need more digits in front of the point than numeric without a scale leaves them: 38 less
 * QUERY_NUMERIC_SCALE. The statement is then planned anew, for this run, with fewer digits behind the point.
 *
 * Invariant: what the statement was described as stays so: a numeric is a numeric. Failure modes: more than 38 digits are 22003.
 * A session's thread.
 */
#include "query/session_priv.h"

#include <stdlib.h>
#include <string.h>

enum { DIGITS = 38, EXPONENT_MAX = 10000 };

struct digits {
	long before, behind; /* the point, without zeros that mean nothing */
};

/* False: it is no number that has digits; the engine says so. */
static bool count_digits(struct base_bytes text, struct digits *ret_digits)
{
	long whole = 0, fraction = 0, zeros = 0, leading = 0, exponent = 0;
	char room[64];
	size_t i = text.bytes > 0 && (text.data[0] == '-' || text.data[0] == '+');
	for (; i < text.bytes && text.data[i] >= '0' && text.data[i] <= '9'; i++)
		whole += whole > 0 || text.data[i] != '0';
	i += i < text.bytes && text.data[i] == '.';
	for (; i < text.bytes && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
		fraction += 1;
		zeros = text.data[i] == '0' ? zeros + 1 : 0;
		leading += whole == 0 && leading == fraction - 1 && text.data[i] == '0';
	}
	if (i < text.bytes) {
		size_t left = text.bytes - i - 1;
		if ((text.data[i] != 'e' && text.data[i] != 'E') || left == 0 || left >= sizeof room)
			return false;
		memcpy(room, text.data + i + 1, left);
		room[left] = '\0';
		char *end;
		exponent = strtol(room, &end, 10);
		if (*end || exponent > EXPONENT_MAX || exponent < -EXPONENT_MAX)
			return false;
	}
	bool nothing = whole == 0 && leading == fraction;
	ret_digits->before = nothing ? 0 : whole + exponent - leading * (whole == 0);
	ret_digits->behind = nothing ? 0 : fraction - zeros - exponent;
	return true;
}

/* How many digits behind the point leave room for all parameters. */
static pyr_result choose_scale(const struct query_statement *statement, const struct base_bytes *parameters,
                               size_t count, int *ret_scale, struct query_error *error)
{
	long before = DIGITS - QUERY_NUMERIC_SCALE;
	*ret_scale = QUERY_NUMERIC_SCALE;
	for (size_t i = 0; i < count; i++) {
		struct digits digits;
		bool numeric = statement->parameter_types[i] == QUERY_TYPE_NUMERIC && parameters[i].data;
		if (!numeric || !count_digits(parameters[i], &digits) || digits.before <= DIGITS - QUERY_NUMERIC_SCALE)
			continue;
		if (digits.before + (digits.behind > 0 ? digits.behind : 0) > DIGITS)
			return query_fail(error, "22003",
			                  "parameter $%zu has more than %d digits, which is what a numeric holds here",
			                  i + 1, DIGITS);
		before = digits.before > before ? digits.before : before;
	}
	*ret_scale = DIGITS - (int)before;
	return pyr_ok();
}

pyr_result query_statement_widen(struct query_statement *statement, const struct base_bytes *parameters, size_t count,
                                 struct query_error *error)
{
	int scale;
	PYR_TRY(choose_scale(statement, parameters, count, &scale, error));
	if (scale == statement->numeric_scale)
		return pyr_ok();
	PYR_TRY(query_statement_replan(statement, scale, error));
	statement->numeric_scale = scale;
	return pyr_ok();
}
