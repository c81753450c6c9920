/* A producer that collects records: what its two files share (see pyralog.h). */
#ifndef PYRALOG_API_PRODUCER_H
#define PYRALOG_API_PRODUCER_H

#include "api/api_priv.h"

enum { PRODUCER_RECORDS_MAX = 1 << 16 };

/* Copies of records, each in one piece that its headers' array begins. */
struct producer_batch {
	struct pyr_record *records;
	size_t count, room;
	size_t bytes; /* of all copies */
};

struct producer_background;

struct pyr_producer {
	struct pyralog *log;
	char *topic;
	struct pyr_producer_options options;
	struct producer_batch batch;
	struct producer_background *background; /* NULL: the caller's thread writes */
};

/* PYR_OUT_OF_MEMORY. */
pyr_result producer_batch_add(struct producer_batch *batch, const struct pyr_record *record);
size_t producer_record_bytes(const struct pyr_record *record);
/* Writes all, tells `done` of each, and empties the batch. */
enum pyr_status producer_batch_write(struct pyr_producer *producer, struct producer_batch *batch,
                                     struct pyr_failure *failure);
void producer_batch_empty(struct producer_batch *batch);

/* background.c: options.linger_ms. */
pyr_result producer_background_start(struct pyr_producer *producer);
enum pyr_status producer_background_add(struct pyr_producer *producer, const struct pyr_record *record,
                                        struct pyr_failure *failure);
enum pyr_status producer_background_flush(struct pyr_producer *producer, struct pyr_failure *failure);
void producer_background_stop(struct pyr_producer *producer);

#endif
