/* A node in this process: what the embedded way's files share (see pyralog.h). */
#ifndef PYRALOG_API_EMBEDDED_H
#define PYRALOG_API_EMBEDDED_H

#include "api/admin.h"
#include "node/host.h"
#include "os/loop.h"
#include "os/thread.h"
#include "query/session.h"

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

bool embedded_is(const struct pyralog *log); /* and not a connection */

static inline struct query_source *embedded_source(struct pyralog *log)
{
	return node_host_source(embedded_of(log)->host);
}

/* For an answer from a loop; on the stack of who waits. */
struct embedded_wait {
	struct os_mutex lock;
	struct os_condition changed;
	bool over;
};

void embedded_wait_init(struct embedded_wait *wait);
void embedded_wait_end(struct embedded_wait *wait); /* the answer is there; the last that the loop does with it */
void embedded_wait_for(struct embedded_wait *wait); /* and its end */

/* embedded_topics.c */
pyr_result embedded_topic_create(struct pyralog *log, const char *topic, unsigned partitions, struct pyr_error *error);
pyr_result embedded_topic_delete(struct pyralog *log, const char *topic, struct pyr_error *error);
pyr_result embedded_topic_list(struct pyralog *log, struct api_topics *topics, struct pyr_error *error);
pyr_result embedded_topic_settings(struct pyralog *log, const char *topic, struct api_settings *settings,
                                   struct pyr_error *error);
pyr_result embedded_topic_alter(struct pyralog *log, const char *topic, const struct pyr_setting *settings,
                                size_t count, struct pyr_error *error);
pyr_result embedded_topic_grow(struct pyralog *log, const char *topic, unsigned partitions, struct pyr_error *error);
pyr_result embedded_group_alter(struct pyralog *log, const char *group, const struct pyr_setting *settings,
                                size_t count, struct pyr_error *error);
/* embedded_admin.c: a question to the groups' coordinator. */
pyr_result embedded_ask(struct pyralog *log, const char *group, int16_t key, int16_t version, const void *message,
                        pyr_result (*take)(void *context, const void *response, struct pyr_error *error), void *context,
                        struct pyr_error *error);
/* Of a partition, from the shard that has it, if there is such a one; *ret_partition is the log's. */
pyr_result embedded_look(struct pyralog *log, const char *topic, int32_t partition, struct log_partition_info *ret_info,
                         size_t *ret_shard, uint32_t *ret_partition, struct pyr_error *error);

pyr_result embedded_reader_open(struct pyralog *log, struct pyr_reader *reader, struct pyr_error *error);
pyr_result embedded_reader_next(struct pyr_reader *reader, unsigned wait_ms, struct codec_record *ret_record,
                                bool *ret_any, struct pyr_error *error);
void embedded_reader_close(struct pyr_reader *reader);
enum pyr_status embedded_sql(struct pyralog *log, const char *text, const char *const *parameters,
                             size_t parameter_count, struct pyr_rows *rows, struct pyr_failure *failure);

/* embedded_sql.c: of a statement that runs, as texts. */
enum pyr_status embedded_take_columns(struct pyr_rows *into, const struct query_statement *statement,
                                      struct pyr_failure *failure);
enum pyr_status embedded_take_rows(struct pyr_rows *into, const struct query_statement *statement, size_t rows,
                                   struct pyr_failure *failure);
bool embedded_is_for_a_session(enum query_kind kind);

/* embedded_query.c */
enum pyr_status embedded_query_start(struct pyr_query *query, const char *text, const char *const *parameters,
                                     size_t parameter_count, struct pyr_failure *failure);
enum pyr_status embedded_query_next(struct pyr_query *query, struct pyr_rows *rows, struct pyr_failure *failure);
void embedded_query_cancel(struct pyr_query *query);
void embedded_query_free(struct pyr_query *query);

#endif
