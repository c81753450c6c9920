/* Fields of JSON texts, many at once: one pass over a text finds all that a set of paths names.
 *
 * Source: RFC 8259. The whole text is checked, so that what is found does not depend on what was asked for. Of a name that
 * comes twice in an object the first counts. A set of paths is immutable and may be used by any number of threads.
 */
#ifndef PYRALOG_COLUMN_JSON_H
#define PYRALOG_COLUMN_JSON_H

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"

enum {
	COLUMN_JSON_DEPTH_MAX = 256,
	COLUMN_JSON_STEPS_MAX = 32,
	COLUMN_JSON_NAME_MAX = 255, /* bytes of a step */
	COLUMN_JSON_PATHS_MAX = 256,
	COLUMN_JSON_NODES_MAX = 2048
};

enum column_json_kind {
	COLUMN_JSON_NONE, /* the field is not there */
	COLUMN_JSON_NULL,
	COLUMN_JSON_FALSE,
	COLUMN_JSON_TRUE,
	COLUMN_JSON_NUMBER,
	COLUMN_JSON_STRING,
	COLUMN_JSON_OBJECT,
	COLUMN_JSON_ARRAY,
};

struct column_json {
	enum column_json_kind kind;
	bool escaped; /* STRING: has a backslash */
	struct base_bytes text; /* as written; a string without its quotes */
};

struct column_json_paths;

/* "a.b[0]": names and places; a name with other signs stands in double quotes. PYR_SYNTAX with a sentence. */
pyr_result column_json_path_check(const char *path, struct pyr_error *error);
/* The next step of a path that was checked, from *at on, which is its start at first. *ret_any false: it is at its end. False: the
 * step is a place of an array. */
bool column_json_path_name(const char *path, const char **at, char ret_name[COLUMN_JSON_NAME_MAX + 1], bool *ret_any);
/* PYR_SYNTAX, PYR_OUT_OF_MEMORY. */
pyr_result column_json_paths_new(const char *const *paths, size_t count, struct column_json_paths **ret_paths,
                                 struct pyr_error *error);
void column_json_paths_free(struct column_json_paths *paths); /* NULL is fine */
size_t column_json_paths_count(const struct column_json_paths *paths);
/* found[i] is what path i names. False: the text is no JSON; nothing is found then. */
bool column_json_find(const struct column_json_paths *paths, struct base_bytes text, struct column_json *found);

/* The characters of a string with escapes, in UTF-8. False: half a surrogate pair, or memory is out. */
bool column_json_unescape(struct base_bytes text, struct base_writer *writer);

/* Walks the members of an object (or elements of an array: name is empty): for whoever looks at all of them. `text` must
 * have been checked. False ends it; *at starts at 0. */
bool column_json_member(struct base_bytes text, size_t *at, struct column_json *ret_name,
                        struct column_json *ret_value);

#endif
