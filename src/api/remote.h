/* A connection to a server: what the remote way's files share (see pyralog.h). */
#ifndef PYRALOG_API_REMOTE_H
#define PYRALOG_API_REMOTE_H

#include "api/api_priv.h"
#include "client/admin.h"
#include "os/thread.h"

enum { REMOTE_HOST_BYTES_MAX = 256 };

/* A connection to the Kafka port, on a loop that runs while something is asked. */
struct remote_link {
	struct client_admin admin;
	struct os_loop *loop;
	struct os_net *net;
};

struct remote {
	struct pyralog base;
	char host[REMOTE_HOST_BYTES_MAX];
	uint16_t kafka_port, pg_port;
	struct os_mutex lock; /* of what follows but `pg` */
	struct remote_link link;
	uint32_t turn; /* which partition a record without a key gets next */
	struct os_mutex pg_lock;
	struct pg_conn *pg; /* libpq's PGconn; NULL: not asked for yet */
};

static inline struct remote *remote_of(struct pyralog *log)
{
	return (struct remote *)log;
}

pyr_result remote_link_open(struct remote_link *link, const struct remote *remote, struct pyr_error *error);
void remote_link_close(struct remote_link *link); /* a zeroed one is fine */
/* A question on the handle's own connection. */
pyr_result remote_ask(struct pyralog *log, int16_t key, const void *message, client_admin_take *take, void *context,
                      struct pyr_error *error);
/* Where a partition begins and ends. PYR_UNKNOWN_PARTITION. */
pyr_result remote_range(struct remote_link *link, const char *topic, int32_t partition, struct client_range *ret_range,
                        struct pyr_error *error);
/* The batch at *at of what was fetched, checked, and *at behind it; *ret_any false: no whole one is left before `end`. The
 * reader is the caller's to end. */
pyr_result remote_open_batch(const uint8_t *bytes, size_t *at, size_t end, struct codec_record_reader *ret_records,
                             bool *ret_any);
/* An error of Kafka's, about the topic. */
pyr_result remote_refused(int16_t code, const char *topic, struct pyr_error *error);

pyr_result remote_produce(struct pyralog *log, const char *topic, struct pyr_record *records, size_t count,
                          struct pyr_error *error);
pyr_result remote_reader_open(struct pyralog *log, struct pyr_reader *reader, struct pyr_error *error);
pyr_result remote_reader_next(struct pyr_reader *reader, unsigned wait_ms, struct codec_record *ret_record,
                              bool *ret_any, struct pyr_error *error);
void remote_reader_close(struct pyr_reader *reader);
enum pyr_status remote_sql(struct pyralog *log, const char *text, const char *const *parameters, size_t parameter_count,
                           struct pyr_rows *rows, struct pyr_failure *failure);

/* remote_sql.c: libpq's PGconn and PGresult. */
struct pg_conn;
struct pg_result;
enum pyr_status remote_pg_open(const struct remote *remote, struct pg_conn **ret_pg, struct pyr_failure *failure);
/* Its rows, or what the server, or the network, says is wrong. */
enum pyr_status remote_settle(struct pg_conn *pg, struct pg_result *result, struct pyr_rows *rows,
                              struct pyr_failure *failure);

/* remote_query.c */
enum pyr_status remote_query_start(struct pyr_query *query, const char *text, const char *const *parameters,
                                   size_t parameter_count, struct pyr_failure *failure);
enum pyr_status remote_query_next(struct pyr_query *query, struct pyr_rows *rows, struct pyr_failure *failure);
void remote_query_cancel(struct pyr_query *query);
void remote_query_free(struct pyr_query *query);

#endif
