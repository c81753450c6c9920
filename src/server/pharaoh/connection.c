/* A client's connection to the Pharaoh port: frames in, replies out (see pharaoh.h).
 *
 * In: bytes arrive in a buffer that all connections share. What is not a whole frame, or may not be served yet, goes to a buffer
 * of the connection's own, which grows with what has arrived, up to one frame's longest. An idle connection has none.
 * Out: replies are gathered, and leave at the end of the loop's turn.
 *
 * A connection is not served, and not read, while its request waits for a promise or for the clock, and while more than
 * PHARAOH_UNSENT_MAX bytes wait for its client. */
#include "server/pharaoh/pharaoh_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { OWN_FIRST_BYTES = 4 << 10, OUT_MAX = 16 << 20, LOCKS_WAITED_MAX = 1024 };

struct connection {
	struct base_list node;
	struct pharaoh_server *server;
	struct os_connection *os;
	uint8_t *own; /* NULL, or in_bytes of own_capacity are in use */
	size_t own_capacity, in_bytes;
	struct base_writer out;
	struct pharaoh_ask ask; /* the request that the connection waits for, if it is stalled */
	bool stalled, paused, closing, flushing;
	struct os_task flush;
	struct base_list locks; /* of struct lock_ask */
	size_t lock_count;
	uint64_t progress_us;
	size_t queued_last;
};

/* A request that stands in line: others of its connection go on. */
struct lock_ask {
	struct pharaoh_ask ask;
	struct base_list node;
	struct connection *connection;
};

static void close_connection(struct connection *connection)
{
	if (connection->closing)
		return;
	connection->closing = true;
	os_connection_close(connection->os);
}

static void break_connection(struct connection *connection)
{
	if (!connection->closing)
		connection->server->metrics.connections_broken += 1;
	close_connection(connection);
}

/* ---- out ---- */

static void free_connection(struct connection *connection)
{
	base_writer_deinit(&connection->out);
	free(connection->own);
	free(connection);
}

static size_t unsent(const struct connection *connection)
{
	return connection->out.bytes + os_connection_queued_bytes(connection->os);
}

static void send_out(struct connection *connection)
{
	struct base_slice slice;
	if (connection->out.bytes == 0 && !connection->out.failed)
		return;
	if (base_writer_take(&connection->out, &slice).code == PYR_OK)
		os_connection_send(connection->os, &slice, 1);
	else
		close_connection(connection); /* out of memory */
}

static void on_drained(void *context);

/* What leaves at once has no drained() behind it. */
static void flush(struct os_task *task)
{
	struct connection *connection = BASE_CONTAINER(task, struct connection, flush);
	connection->flushing = false;
	if (!connection->os) { /* it was closed meanwhile */
		if (!connection->stalled)
			free_connection(connection);
		return;
	}
	if (connection->closing)
		return;
	send_out(connection);
	if (connection->paused && unsent(connection) == 0)
		on_drained(connection);
}

static void reply_with(struct connection *connection, const struct codec_pharaoh *reply)
{
	if (connection->closing)
		return;
	codec_pharaoh_encode(&connection->out, true, reply);
	if (connection->flushing)
		return;
	connection->flushing = true;
	os_loop_defer(connection->server->options.loop, &connection->flush);
}

/* ---- requests ---- */

static void serve_frames(struct connection *connection);

static void answered(struct pharaoh_ask *ask, const struct codec_pharaoh *reply)
{
	struct connection *connection = BASE_CONTAINER(ask, struct connection, ask);
	connection->stalled = false;
	if (!connection->os) {
		if (!connection->flushing)
			free_connection(connection);
		return;
	}
	reply_with(connection, reply);
	size_t frame = CODEC_PHARAOH_LENGTH_BYTES + (size_t)base_load_u32le(connection->own);
	connection->in_bytes -= frame;
	memmove(connection->own, connection->own + frame, connection->in_bytes);
	serve_frames(connection);
}

static void free_lock_ask(struct lock_ask *lock)
{
	base_list_remove(&lock->node);
	lock->connection->lock_count -= 1;
	free(lock);
}

static void lock_answered(struct pharaoh_ask *ask, const struct codec_pharaoh *reply)
{
	struct lock_ask *lock = BASE_CONTAINER(ask, struct lock_ask, ask);
	reply_with(lock->connection, reply);
	free_lock_ask(lock);
}

static void serve_lock(struct connection *connection, const struct codec_pharaoh *request)
{
	struct lock_ask *lock = connection->lock_count < LOCKS_WAITED_MAX ? calloc(1, sizeof *lock) : NULL;
	struct codec_pharaoh reply;
	if (!lock) {
		pharaoh_refuse(
			request, pyr_result_of(PYR_TOO_LARGE),
			&(struct pyr_error){.text = "the connection waits for as many locks and sessions as it may"},
			&reply);
		reply_with(connection, &reply);
		return;
	}
	lock->connection = connection;
	lock->ask.request = *request;
	lock->ask.answered = lock_answered;
	base_list_append(&connection->locks, &lock->node);
	connection->lock_count += 1;
	if (pharaoh_ask_serve(connection->server, &lock->ask, &reply)) {
		reply_with(connection, &reply);
		free_lock_ask(lock);
	}
}

/* False: the connection waits for it. */
static bool serve(struct connection *connection, const struct codec_pharaoh *request)
{
	struct codec_pharaoh reply;
	if ((request->op == CODEC_PHARAOH_LOCK || request->op == CODEC_PHARAOH_WATCH) && request->wait_ms > 0) {
		serve_lock(connection, request);
		return true;
	}
	connection->ask.request = *request;
	connection->ask.answered = answered;
	connection->stalled = !pharaoh_ask_serve(connection->server, &connection->ask, &reply);
	if (!connection->stalled)
		reply_with(connection, &reply);
	return !connection->stalled;
}

static void refuse_frame(struct connection *connection, const struct codec_pharaoh *request)
{
	struct codec_pharaoh reply;
	pharaoh_refuse(
		request, pyr_result_of(PYR_INVALID_REQUEST),
		&(struct pyr_error){.text = "the request is not one of this protocol: see docs/formats/pharaoh.md"},
		&reply);
	reply_with(connection, &reply);
	send_out(connection);
	connection->server->metrics.connections_broken += 1;
	connection->closing = true;
	os_connection_finish(connection->os);
}

/* Serves what is there; how many bytes of it are done with. */
static size_t serve_bytes(struct connection *connection, const uint8_t *data, size_t bytes)
{
	size_t from = 0, frame;
	struct codec_pharaoh request;
	while (!connection->stalled && !connection->closing && unsent(connection) < PHARAOH_UNSENT_MAX) {
		struct base_bytes left = {data + from, bytes - from};
		if (codec_pharaoh_frame(left, &frame).code != PYR_OK) {
			break_connection(connection);
			break;
		}
		if (frame == 0 || frame > left.bytes)
			break;
		left.bytes = frame;
		if (codec_pharaoh_decode(left, false, &request).code != PYR_OK)
			refuse_frame(connection, &request);
		else if (serve(connection, &request))
			from += frame;
	}
	return from;
}

static void pause_or_resume(struct connection *connection)
{
	bool pause = connection->stalled || unsent(connection) >= PHARAOH_UNSENT_MAX;
	if (connection->closing || pause == connection->paused)
		return;
	connection->paused = pause;
	if (pause)
		os_connection_pause(connection->os);
	else
		os_connection_resume(connection->os);
}

static bool own_holds(struct connection *connection, size_t bytes)
{
	size_t capacity = connection->own_capacity > 0 ? connection->own_capacity : OWN_FIRST_BYTES;
	while (capacity < bytes)
		capacity *= 2;
	if (capacity <= connection->own_capacity)
		return true;
	uint8_t *own = realloc(connection->own, capacity);
	if (!own)
		return false;
	connection->own = own;
	connection->own_capacity = capacity;
	return true;
}

/* What was received and not served is the connection's own from here on; a request that waits points into it. */
static void keep_rest(struct connection *connection, const uint8_t *data, size_t bytes)
{
	if (connection->closing || bytes == 0)
		return;
	if (!own_holds(connection, bytes)) {
		close_connection(connection);
		return;
	}
	memmove(connection->own, data, bytes);
	connection->in_bytes = bytes;
	size_t frame;
	if (connection->stalled &&
	    codec_pharaoh_frame((struct base_bytes){connection->own, bytes}, &frame).code == PYR_OK)
		pyr_ignore(codec_pharaoh_decode((struct base_bytes){connection->own, frame}, false,
		                                &connection->ask.request));
}

static void serve_frames(struct connection *connection)
{
	size_t bytes = connection->in_bytes, done = serve_bytes(connection, connection->own, bytes);
	connection->in_bytes = 0;
	keep_rest(connection, connection->own + done, bytes - done);
	if (connection->in_bytes == 0 && !connection->closing) {
		free(connection->own);
		connection->own = NULL;
		connection->own_capacity = 0;
	}
	pause_or_resume(connection);
}

/* ---- in ---- */

static bool on_space(void *context, uint8_t **ret_at, size_t *ret_bytes)
{
	struct connection *connection = context;
	if (connection->in_bytes == 0) {
		*ret_at = connection->server->shared;
		*ret_bytes = sizeof connection->server->shared;
		return true;
	}
	if (connection->in_bytes == connection->own_capacity && !own_holds(connection, connection->in_bytes + 1))
		return false;
	*ret_at = connection->own + connection->in_bytes;
	*ret_bytes = connection->own_capacity - connection->in_bytes;
	return true;
}

static void on_received(void *context, size_t bytes)
{
	struct connection *connection = context;
	connection->progress_us = os_now_us(connection->server->options.loop);
	if (connection->closing)
		return;
	if (connection->in_bytes > 0) {
		connection->in_bytes += bytes;
		serve_frames(connection);
		return;
	}
	const uint8_t *shared = connection->server->shared;
	size_t done = serve_bytes(connection, shared, bytes);
	keep_rest(connection, shared + done, bytes - done);
	pause_or_resume(connection);
}

static void on_drained(void *context)
{
	struct connection *connection = context;
	if (!connection->closing && !connection->stalled && connection->in_bytes > 0)
		serve_frames(connection);
	else if (!connection->closing)
		pause_or_resume(connection);
}

static void on_closed(void *context)
{
	struct connection *connection = context;
	struct pharaoh_server *server = connection->server;
	connection->closing = true;
	connection->os = NULL;
	while (!base_list_empty(&connection->locks)) {
		struct lock_ask *lock = BASE_CONTAINER(connection->locks.next, struct lock_ask, node);
		pharaoh_ask_cancel(&lock->ask);
		free_lock_ask(lock);
	}
	base_list_remove(&connection->node);
	server->metrics.connections -= 1;
	if (!connection->stalled && !connection->flushing)
		free_connection(connection);
	pharaoh_server_settle(server);
}

static const struct os_connection_handler connection_handler = {on_space, on_received, on_drained, on_closed};

void pharaoh_connection_accepted(void *context, struct os_connection *os)
{
	struct pharaoh_server *server = context;
	struct connection *connection = NULL;
	if (server->metrics.connections < server->options.connections_max && !server->closing)
		connection = calloc(1, sizeof *connection);
	server->metrics.connections_total += 1;
	if (!connection) {
		server->metrics.connections_refused += 1;
		os_connection_close(os);
		return;
	}
	connection->server = server;
	connection->os = os;
	connection->flush.run = flush;
	connection->progress_us = os_now_us(server->options.loop);
	base_writer_init(&connection->out, OUT_MAX);
	base_list_init(&connection->locks);
	base_list_append(&server->connections, &connection->node);
	server->metrics.connections += 1;
	os_connection_start(os, &connection_handler, connection);
}

/* ---- all of them ---- */

static void look(struct connection *connection, uint64_t now_us)
{
	if (connection->closing)
		return;
	size_t queued = os_connection_queued_bytes(connection->os);
	bool waits_for_client = queued > 0 || (connection->in_bytes > 0 && !connection->stalled);
	if (!waits_for_client || queued != connection->queued_last)
		connection->progress_us = now_us;
	connection->queued_last = queued;
	if (now_us - connection->progress_us > connection->server->options.stall_us_max)
		break_connection(connection);
}

void pharaoh_connections_look(struct pharaoh_server *server, uint64_t now_us)
{
	for (struct base_list *node = server->connections.next, *next; node != &server->connections; node = next) {
		next = node->next;
		look(BASE_CONTAINER(node, struct connection, node), now_us);
	}
}

void pharaoh_connections_close(struct pharaoh_server *server)
{
	for (struct base_list *node = server->connections.next; node != &server->connections; node = node->next)
		close_connection(BASE_CONTAINER(node, struct connection, node));
}
