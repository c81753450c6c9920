/* The port's insides: server, connections, and the hand-over between the loop's thread and a query's. */
#ifndef PYRALOG_SERVER_PG_PG_PRIV_H
#define PYRALOG_SERVER_PG_PG_PRIV_H

#include "base/list.h"
#include "base/table.h"
#include "os/thread.h"
#include "server/pg/backend.h"
#include "server/pg/pg.h"

enum {
	PG_INBOX_BYTES_MAX = 2 << 20, /* beyond it nothing more is read from the socket */
	PG_OUTBOX_BYTES_MAX = 1 << 20, /* beyond it the statement waits */
	PG_OUTBOX_SLICES_MAX = 128,
};

struct pg_server {
	struct pg_server_options options;
	struct os_listener *listener;
	struct os_executor *executor;
	struct base_list connections;
	struct base_table by_pid;
	uint32_t connection_count;
	uint32_t next_pid;
	struct pg_server_metrics metrics;
	uint64_t turn_us; /* spent on statements in this turn of the loop */
	bool turn_begun; /* the task is deferred that ends it */
	struct os_task turn_over;
	bool draining;
	bool closing;
	void (*closed)(void *context);
	void *closed_context;
	struct os_task last; /* tells that all is gone, from the loop */
};

/* A message on its way to a query's thread. */
struct pg_message {
	struct base_list node;
	char type;
	size_t bytes;
	uint8_t body[];
};

struct pg_connection {
	/* The loop's thread. */
	struct base_list node;
	struct base_table_node by_pid;
	struct pg_server *server;
	struct os_connection *net; /* NULL: closed */
	uint8_t *input;
	size_t input_bytes, input_capacity;
	uint32_t pid, secret;
	bool started; /* the startup packet was answered */
	bool finishing;
	bool working; /* the job is submitted */
	bool on_loop; /* the backend works on the loop itself */
	bool paused;
	char *introduction; /* what its startup packet says: see struct pg_introduction; NULL: memory was out */
	const char *user; /* in it */
	struct os_timer timer; /* for the startup, then for statement_timeout */
	struct os_job job;

	/* The query's thread while `working`, else the loop's. See turn.c. */
	struct pg_backend *backend;
	struct pg_backend_counts counted;

	/* Both, under the lock. */
	struct os_mutex lock;
	struct os_condition changed;
	struct base_list inbox;
	size_t inbox_bytes;
	struct base_slice *outbox; /* of PG_OUTBOX_SLICES_MAX, once there is something to send */
	size_t outbox_count, outbox_bytes;
	size_t in_flight_bytes; /* given to the socket, not gone yet */
	bool closed;
	bool finish_wanted; /* the backend is done with this client */
	uint64_t deadline_us; /* the statement that runs may take so long; 0: as long as it likes */
	bool deadline_changed;
	bool wake_posted;
	struct os_task wake;
};

/* connection.c */
void pg_connection_accept(struct pg_server *server, struct os_connection *net);
void pg_connection_close(struct pg_connection *connection);
/* Ends the connection if it has nothing to do; else, what it does if that never ends. */
void pg_connection_drain(struct pg_connection *connection);
void pg_connection_cancel(struct pg_connection *connection);
/* What threads made goes to the socket; what the loop itself makes, at once. */
void pg_connection_send_outbox(struct pg_connection *connection);
bool pg_connection_send(struct pg_connection *connection, struct base_slice *slice);
void pg_connection_count(struct pg_connection *connection); /* what the backend did becomes metrics */

/* turn.c: carries the message out on the loop, if it may. */
bool pg_turn_try(struct pg_connection *connection, char type, struct base_bytes body);

/* worker.c: the query thread's side. */
void pg_worker_run(struct os_job *job);

/* server.c */
struct pg_connection *pg_server_find(struct pg_server *server, uint32_t pid);
void pg_server_connection_gone(struct pg_server *server, struct pg_connection *connection);

#endif
