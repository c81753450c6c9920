/* How old the first record is that a group has not committed, for each row of lags (see lags.h).
 *
 * What was found is kept by partition and offset, so that a group which stands still is not read for again, at most for
 * KEPT_MS: compaction may have taken the record away. One that a log start has passed does not count. So a page
 * costs one read at most for each row that has moved, and nothing when nobody asks. Owner: the thread that reads. */
#include "node/ages.h"
#include "node/lags.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT_MS = 60000 };

struct known {
	uint32_t partition; /* the log's */
	int64_t committed;
	int64_t found_offset, time_ms;
	int64_t read_ms; /* when it was */
};

struct node_lag_ages {
	struct known *items; /* sorted */
	size_t count;
};

struct node_lag_ages *node_lag_ages_new(void)
{
	return calloc(1, sizeof(struct node_lag_ages));
}

void node_lag_ages_free(struct node_lag_ages *ages)
{
	if (ages)
		free(ages->items);
	free(ages);
}

static int compare(const void *left, const void *right)
{
	const struct known *a = left, *b = right;
	if (a->partition != b->partition)
		return a->partition < b->partition ? -1 : 1;
	return (a->committed > b->committed) - (a->committed < b->committed);
}

static const struct known *find(const struct node_lag_ages *ages, const struct node_lag *row)
{
	struct known key = {.partition = row->partition, .committed = row->committed};
	return ages->count > 0 ? bsearch(&key, ages->items, ages->count, sizeof key, compare) : NULL;
}

static bool still_holds(const struct known *known, const struct node_lag *row, int64_t now_ms)
{
	return known && known->found_offset >= row->log_start && now_ms >= known->read_ms &&
	       now_ms - known->read_ms < KEPT_MS;
}

/* Of the rows that are behind, those that must be read for; the others get what is known. */
static size_t gather(const struct node_lags *lags, const struct node_lag_ages *ages, struct node_age *ret_ages,
                     struct known *ret_known, size_t *ret_known_count)
{
	size_t count = 0;
	*ret_known_count = 0;
	for (size_t i = 0; i < lags->count; i++) {
		const struct node_lag *row = &lags->rows[i];
		const struct known *known = row->lag > 0 ? find(ages, row) : NULL;
		if (still_holds(known, row, lags->now_ms))
			ret_known[(*ret_known_count)++] = *known;
		else if (row->lag > 0)
			ret_ages[count++] = (struct node_age){
				.topic = row->topic, .partition = row->index, .offset = row->committed};
	}
	return count;
}

/* Sorts, and drops what is there twice: groups that stand at the same place. */
static void keep(struct node_lag_ages *ages, struct known *known, size_t count)
{
	size_t kept = 0;
	qsort(known, count, sizeof *known, compare);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || compare(&known[i], &known[kept - 1]) != 0)
			known[kept++] = known[i];
	free(ages->items);
	ages->items = known;
	ages->count = kept;
}

static void tell(struct node_lags *lags, const struct node_lag_ages *ages)
{
	for (size_t i = 0; i < lags->count; i++) {
		struct node_lag *row = &lags->rows[i];
		const struct known *known = row->lag > 0 ? find(ages, row) : NULL;
		if (row->lag == 0)
			row->lag_ms = 0;
		else if (known)
			row->lag_ms = lags->now_ms > known->time_ms ? lags->now_ms - known->time_ms : 0;
	}
}

void node_lags_find_ages(struct node_lags *lags, struct query_source *source, struct node_lag_ages *ages)
{
	static const struct catalog_principal anonymous = {"anonymous"};
	struct node_age *wanted = calloc(lags->count + 1, sizeof *wanted);
	struct known *known = calloc(lags->count + 1, sizeof *known);
	size_t known_count, count;
	if (!wanted || !known) { /* lags in time are not told this time */
		free(wanted);
		free(known);
		return;
	}
	count = gather(lags, ages, wanted, known, &known_count);
	node_ages_find(source, &anonymous, wanted, count);
	for (size_t i = 0, k = 0; k < count; i++) {
		const struct node_lag *row = &lags->rows[i];
		if (row->lag <= 0 || still_holds(find(ages, row), row, lags->now_ms))
			continue;
		const struct node_age *age = &wanted[k++];
		if (age->found_offset >= 0)
			known[known_count++] = (struct known){row->partition, row->committed, age->found_offset,
			                                      age->time_ms, lags->now_ms};
	}
	free(wanted);
	keep(ages, known, known_count);
	tell(lags, ages);
}
