/* Applying edits. Pure; any thread. */
#include "query/edits.h"

#include "base/cursor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EDITED_MAX = 64 << 20 };

void query_edits_deinit(struct query_edits *edits)
{
	for (size_t i = 0; i < edits->count; i++)
		free(edits->list[i].insert);
	free(edits->list);
	*edits = (struct query_edits){0};
}

static bool make_room(struct query_edits *edits)
{
	if (edits->count < edits->room)
		return true;
	size_t room = edits->room ? edits->room * 2 : 32;
	struct query_edit *list = realloc(edits->list, room * sizeof *list);
	if (!list)
		return false;
	edits->list = list;
	edits->room = room;
	return true;
}

void query_edit_add(struct query_edits *edits, enum query_edit_kind kind, size_t at, size_t bytes, const char *format,
                    ...)
{
	va_list arguments;
	char *insert = NULL;
	va_start(arguments, format);
	int written = vasprintf(&insert, format, arguments);
	va_end(arguments);
	if (written < 0 || !make_room(edits)) {
		if (written >= 0)
			free(insert);
		edits->failed = true;
		return;
	}
	edits->list[edits->count] = (struct query_edit){at, bytes, kind, (uint32_t)edits->count, insert};
	edits->count += 1;
}

static int compare(const void *left, const void *right)
{
	const struct query_edit *a = left, *b = right;
	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	int order = a->sequence < b->sequence ? -1 : 1;
	return a->kind == QUERY_EDIT_CLOSE ? -order : order;
}

static void write_edited(const struct query_edits *edits, const char *text, size_t from, size_t to,
                         struct base_writer *writer)
{
	size_t at = from;
	for (size_t i = 0; i < edits->count; i++) {
		const struct query_edit *edit = &edits->list[i];
		if (edit->at < at || edit->at + edit->bytes > to)
			continue;
		base_write_bytes(writer, text + at, edit->at - at);
		base_write_bytes(writer, edit->insert, strlen(edit->insert));
		at = edit->at + edit->bytes;
	}
	base_write_bytes(writer, text + at, to - at);
	base_write_u8(writer, 0);
}

char *query_edits_apply(struct query_edits *edits, const char *text, size_t from, size_t to)
{
	struct base_writer writer;
	struct base_slice written;
	if (edits->failed)
		return NULL;
	if (edits->count > 1)
		qsort(edits->list, edits->count, sizeof *edits->list, compare);
	base_writer_init(&writer, EDITED_MAX);
	write_edited(edits, text, from, to, &writer);
	if (base_writer_take(&writer, &written).code != PYR_OK)
		return base_writer_deinit(&writer), NULL;
	char *copy = strdup((const char *)written.data);
	base_slice_release(&written);
	return copy;
}
