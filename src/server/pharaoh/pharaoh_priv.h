/* What the files of the Pharaoh port share. Owner: the loop's thread. */
#ifndef PYRALOG_SERVER_PHARAOH_PHARAOH_PRIV_H
#define PYRALOG_SERVER_PHARAOH_PHARAOH_PRIV_H

#include "base/table.h"
#include "server/pharaoh/pharaoh.h"

enum { PHARAOH_UNSENT_MAX = 1 << 20 }; /* bytes of replies of a connection; then it is not served */

struct pharaoh_server {
	struct pharaoh_server_options options;
	struct os_listener *listener;
	struct base_list connections;
	struct pharaoh_server_metrics metrics;
	struct os_timer tick, late_timer;
	uint64_t looked_us; /* at who stalls */
	uint8_t shared[CODEC_PHARAOH_FRAME_MAX]; /* where bytes arrive first */

	/* asks.c */
	struct os_executor *executor;
	struct os_job keep;
	bool keeping;
	struct os_task kick;
	bool kicked;
	pyr_result kept;
	struct pyr_error keep_error;
	struct base_list waiting, covered, late, in_line, watching;

	bool closing;
	struct os_task last;
	void (*closed)(void *context);
	void *closed_context;
};

static inline uint64_t pharaoh_server_now_ms(const struct pharaoh_server *server)
{
	return os_now_us(server->options.loop) / 1000;
}

/* asks.c: what waits for something. */
void pharaoh_asks_init(struct pharaoh_server *server);
/* The ask is in line for a lock: nobody wants it any more. */
void pharaoh_ask_cancel(struct pharaoh_ask *ask);
/* A tick: who watches a session looks whether it has ended. */
void pharaoh_asks_look(struct pharaoh_server *server);
/* Whether the ask is to be answered now: then its reply is in `ret_reply`. Otherwise `answered` is called. */
bool pharaoh_ask_serve(struct pharaoh_server *server, struct pharaoh_ask *ask, struct codec_pharaoh *ret_reply);

/* connection.c */
void pharaoh_connection_accepted(void *context, struct os_connection *os);
void pharaoh_connections_look(struct pharaoh_server *server, uint64_t now_us);
void pharaoh_connections_close(struct pharaoh_server *server);

/* server.c */
void pharaoh_server_settle(struct pharaoh_server *server);

#endif
