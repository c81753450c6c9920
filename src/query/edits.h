/* Edits of a text, gathered in any order and applied at once.
 *
 * Statements are rewritten for the engine by editing the client's own text where the parse tree says so: what is not
 * touched reaches the engine as it was written.
 */
#ifndef PYRALOG_QUERY_EDITS_H
#define PYRALOG_QUERY_EDITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At one place, they come in this order. Wrappings nest: of those that close at one place the latest comes first, of
 * those that open there the earliest; so wrap from the outside in. */
enum query_edit_kind { QUERY_EDIT_CLOSE, QUERY_EDIT_AFTER, QUERY_EDIT_OPEN, QUERY_EDIT_REPLACE };

struct query_edit {
	size_t at;
	size_t bytes; /* of the text that go away; 0 unless QUERY_EDIT_REPLACE */
	enum query_edit_kind kind;
	uint32_t sequence;
	char *insert;
};

struct query_edits {
	struct query_edit *list;
	size_t count;
	size_t room;
	bool failed; /* memory was out */
};

void query_edits_deinit(struct query_edits *edits);
[[gnu::format(printf, 5, 6)]] void query_edit_add(struct query_edits *edits, enum query_edit_kind kind, size_t at,
                                                  size_t bytes, const char *format, ...);
/* The text from `from` to `to`, edited; for the caller to free(). NULL: memory is, or was, out. Edits that lie outside,
 * or inside of a replaced stretch, are left out. */
char *query_edits_apply(struct query_edits *edits, const char *text, size_t from, size_t to);

#endif
