/* A node in this process: what the embedded way's files share (see pyralog.h). */
#ifndef PYRALOG_API_EMBEDDED_H
#define PYRALOG_API_EMBEDDED_H

#include "api/api_priv.h"
#include "node/host.h"
#include "os/loop.h"

struct embedded {
	struct pyralog base;
	struct node_host *host;
	struct os_executor *queries; /* threads with the stack that statements need; shard 0's */
	struct os_task task;
};

extern const struct catalog_principal embedded_principal;

static inline struct embedded *embedded_of(struct pyralog *log)
{
	return (struct embedded *)log;
}

static inline struct query_source *embedded_source(struct pyralog *log)
{
	return node_host_source(embedded_of(log)->host);
}

pyr_result embedded_reader_open(struct pyralog *log, struct pyr_reader *reader, struct pyr_error *error);
pyr_result embedded_reader_next(struct pyr_reader *reader, unsigned wait_ms, struct codec_record *ret_record,
                                bool *ret_any, struct pyr_error *error);
void embedded_reader_close(struct pyr_reader *reader);
enum pyr_status embedded_sql(struct pyralog *log, const char *text, const char *const *parameters,
                             size_t parameter_count, struct pyr_rows *rows, struct pyr_failure *failure);

#endif
