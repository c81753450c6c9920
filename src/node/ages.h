/* The time stamps of the first records from given offsets on: how far behind in time somebody is who has consumed up to there. */
#ifndef PYRALOG_NODE_AGES_H
#define PYRALOG_NODE_AGES_H

#include "query/source.h"

struct node_age {
	const char *topic;
	int32_t partition;
	int64_t offset; /* from here on */
	int64_t found_offset,
		time_ms; /* of the first record there; found_offset -1: there is none, or it can't be read */
};

/* Reads, so never on a loop. What the loops do for it is bounded: references to a few batches of each. */
void node_ages_find(struct query_source *source, const struct catalog_principal *principal, struct node_age *ages,
                    size_t count);

#endif
