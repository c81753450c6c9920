/* Regular expressions for topic names, of bounded cost: PCRE2 behind this header. Any thread, one at a time. */
#ifndef PYRALOG_GROUP_PATTERN_H
#define PYRALOG_GROUP_PATTERN_H

#include "base/buffer.h"
#include "base/error.h"

struct group_pattern;

enum { GROUP_PATTERN_BYTES_MAX = 4096 };

/* PYR_SYNTAX with a sentence, PYR_OUT_OF_MEMORY. */
pyr_result group_pattern_new(struct base_bytes text, struct group_pattern **ret_pattern, struct pyr_error *error);
void group_pattern_free(struct group_pattern *pattern); /* NULL is fine */
/* Does it match the whole of `name`? One that would take too many steps does not. */
bool group_pattern_matches(const struct group_pattern *pattern, struct base_bytes name);

#endif
