/* PCRE2 with limits on what compiling and matching may cost (see pattern.h).
 *
 * KIP-848 wants RE2's syntax; what both understand, they understand alike. What PCRE2 knows beyond (backtracking,
 * look-around) can cost exponential time, hence the limit: a name that reaches it does not match. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "group/pattern.h"

#include <pcre2.h>
#include <stdlib.h>

enum { STEPS_MAX = 20000, HEAP_KIB_MAX = 256 };

struct group_pattern {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

void group_pattern_free(struct group_pattern *pattern)
{
	if (!pattern)
		return;
	pcre2_match_context_free(pattern->context);
	pcre2_match_data_free(pattern->data);
	pcre2_code_free(pattern->code);
	free(pattern);
}

static pyr_result compile(struct group_pattern *pattern, struct base_bytes text, struct pyr_error *error)
{
	int number;
	size_t at;
	const uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C;
	pattern->code = pcre2_compile(text.data, text.bytes, options, &number, &at, NULL);
	if (!pattern->code) {
		unsigned char why[128] = "";
		pcre2_get_error_message(number, why, sizeof why);
		return pyr_fail(error, PYR_SYNTAX, "the regular expression is not valid at character %zu: %s", at, why);
	}
	pattern->data = pcre2_match_data_create_from_pattern(pattern->code, NULL);
	pattern->context = pcre2_match_context_create(NULL);
	if (!pattern->data || !pattern->context)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pcre2_set_match_limit(pattern->context, STEPS_MAX);
	pcre2_set_heap_limit(pattern->context, HEAP_KIB_MAX);
	return pyr_ok();
}

pyr_result group_pattern_new(struct base_bytes text, struct group_pattern **ret_pattern, struct pyr_error *error)
{
	if (text.bytes > GROUP_PATTERN_BYTES_MAX)
		return pyr_fail(error, PYR_SYNTAX, "the regular expression is longer than %d bytes",
		                GROUP_PATTERN_BYTES_MAX);
	struct group_pattern *pattern = calloc(1, sizeof *pattern);
	if (!pattern)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	pyr_result result = compile(pattern, text, error);
	if (result.code == PYR_OK)
		*ret_pattern = pattern;
	else
		group_pattern_free(pattern);
	return result;
}

bool group_pattern_matches(const struct group_pattern *pattern, struct base_bytes name)
{
	return pcre2_match(pattern->code, name.data, name.bytes, 0, 0, pattern->data, pattern->context) >= 0;
}
