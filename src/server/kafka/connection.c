/* A client's connection: requests in, responses out, in order (see kafka_priv.h).
 *
 * In: a request is 4 bytes of length and that many bytes. A small one arrives whole in a buffer shared by all
 * connections, of which the request keeps a slice; a longer or split one gets a buffer of its own, which grows fourfold
 * as bytes arrive, so that a length alone costs nothing, and begins as large as what this client once sent whole. So an
 * idle connection has no buffer at all.
 * Out: responses leave in the order of their requests, as slices, without a copy; those that one turn of the loop
 * answered (a group commit answers many) leave with one call.
 *
 * Back-pressure: reading stops while too many requests are under way, too many response bytes wait for a slow reader, or
 * the server's memory is taken. A request starts only when those before it have started; a fetch only when no other one
 * of this connection is under way, so that a client can't order more responses than it reads.
 * Failure modes: a length that is negative or over the limit, no progress in the middle of a request or response, and
 * memory that nobody will give back close the connection. Owner: the loop's thread.
 */
#include "server/kafka/kafka_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	SHARED_BYTES = 64 << 10,
	SHARED_ROOM_MIN = 8 << 10, /* less is left: a fresh buffer */
	COPY_BYTES_MAX = 4 << 10,
	OWN_FIRST_BYTES = 16 << 10,
	OWN_GROWTH = 4,
	TRUSTED_BYTES_MAX = 1 << 20, /* at once, for a client that has sent as much before */
	REQUESTS_MAX = 256, /* under way on one connection */
	UNSENT_BYTES_MAX = 4 << 20, /* no request is started beyond */
	SEND_SLICES_MAX = 64,
};

static void hold(struct kafka_connection *connection)
{
	if (connection->paused || connection->closing)
		return;
	connection->paused = true;
	os_connection_pause(connection->os);
}

static void let_go(struct kafka_connection *connection)
{
	if (!connection->paused || connection->closing)
		return;
	connection->paused = false;
	os_connection_resume(connection->os);
}

void kafka_connection_close(struct kafka_connection *connection)
{
	if (connection->closing)
		return;
	connection->closing = true;
	os_connection_close(connection->os);
}

static void refuse(struct kafka_connection *connection, const char *why)
{
	if (connection->closing)
		return;
	connection->server->metrics.request_errors += 1;
	kafka_log_line(connection->server, "a connection was closed: %s", why);
	kafka_connection_close(connection);
}

/* Lets the connection wait until a request gives back its memory. If none is under way, partial requests of other peers
 * hold everything, and this one has to go. */
static void wait_for_memory(struct kafka_connection *connection)
{
	struct kafka_server *server = connection->server;
	server->metrics.memory_waits += 1;
	if (server->metrics.requests_in_flight == 0) {
		refuse(connection, "the memory for requests is used up by requests that were not sent to their end");
		return;
	}
	if (base_list_empty(&connection->memory_node))
		base_list_append(&server->memory_waiters, &connection->memory_node);
	hold(connection);
}

static bool memory_is_there(const struct kafka_server *server, size_t bytes, uint64_t limit)
{
	return server->metrics.memory_bytes <= limit && bytes <= limit - server->metrics.memory_bytes;
}

/* ---- out ---- */

static size_t unsent_bytes(const struct kafka_connection *connection)
{
	return connection->unsent_bytes + os_connection_queued_bytes(connection->os);
}

/* Keeps the server's sum of unsent responses up to date. */
static void count_unsent(struct kafka_connection *connection, size_t bytes)
{
	connection->server->metrics.response_bytes += bytes - connection->counted_bytes;
	connection->counted_bytes = bytes;
}

/* Slices of several responses, to be sent with one call. */
struct outgoing {
	struct kafka_connection *connection;
	size_t count;
	struct base_slice slices[SEND_SLICES_MAX];
};

static void send_outgoing(struct outgoing *outgoing)
{
	if (outgoing->count > 0)
		os_connection_send(outgoing->connection->os, outgoing->slices, outgoing->count);
	outgoing->count = 0;
}

static void add_response(struct outgoing *outgoing, struct kafka_request *request)
{
	if (outgoing->count + request->response_slices > SEND_SLICES_MAX)
		send_outgoing(outgoing);
	if (request->response_slices > SEND_SLICES_MAX) {
		os_connection_send(outgoing->connection->os, request->response, request->response_slices);
		return;
	}
	memcpy(outgoing->slices + outgoing->count, request->response,
	       request->response_slices * sizeof *request->response);
	outgoing->count += request->response_slices;
	request->response_slices = 0; /* they are not the request's any more */
}

static void send_answered(struct kafka_connection *connection)
{
	struct outgoing outgoing;
	outgoing.connection = connection;
	outgoing.count = 0;
	while (!base_list_empty(&connection->requests) && !connection->closing) {
		struct kafka_request *request = BASE_CONTAINER(connection->requests.next, struct kafka_request, node);
		if (!request->answered)
			break;
		base_list_remove(&request->node);
		connection->request_count -= 1;
		connection->unsent_bytes -= request->response_bytes;
		if (request->response_slices > 0)
			add_response(&outgoing, request);
		if (request->close_after) {
			send_outgoing(&outgoing);
			connection->closing = true;
			os_connection_finish(connection->os);
		}
		kafka_request_free(request);
	}
	send_outgoing(&outgoing);
}

static struct kafka_request *next_to_start(struct kafka_connection *connection)
{
	bool fetching = false;
	for (struct base_list *node = connection->requests.next; node != &connection->requests; node = node->next) {
		struct kafka_request *request = BASE_CONTAINER(node, struct kafka_request, node);
		if (!request->started)
			return fetching && kafka_request_is_fetch(request) ? NULL : request;
		fetching |= kafka_request_is_fetch(request) && !request->answered;
	}
	return NULL;
}

static void end_if_drained(struct kafka_connection *connection)
{
	if (connection->request_count > 0) {
		hold(connection);
		return;
	}
	connection->closing = true;
	os_connection_finish(connection->os);
}

void kafka_connection_drain(struct kafka_connection *connection)
{
	for (struct base_list *node = connection->requests.next, *next; node != &connection->requests; node = next) {
		struct kafka_request *request = BASE_CONTAINER(node, struct kafka_request, node);
		next = node->next;
		if (request->started && !request->answered && kafka_request_is_fetch(request))
			kafka_request_hurry(request);
	}
	if (!connection->closing)
		end_if_drained(connection);
}

void kafka_connection_pump(struct kafka_connection *connection)
{
	struct kafka_request *request;
	if (connection->pumping) /* a handler replied at once: the loop below goes on with it */
		return;
	connection->pumping = true;
	send_answered(connection);
	while (!connection->closing && !connection->muted && unsent_bytes(connection) < UNSENT_BYTES_MAX &&
	       (request = next_to_start(connection))) {
		request->started = true;
		kafka_request_start(request);
		send_answered(connection);
	}
	connection->pumping = false;
	if (connection->closing)
		return;
	count_unsent(connection, unsent_bytes(connection));
	if (connection->server->draining)
		end_if_drained(connection);
	else if (connection->muted || connection->request_count >= REQUESTS_MAX || next_to_start(connection))
		hold(connection);
	else if (!memory_is_there(connection->server, 0, connection->server->options.memory_bytes_max) &&
	         connection->request_count > 0)
		wait_for_memory(connection);
	else if (base_list_empty(&connection->memory_node))
		let_go(connection);
}

static void run_flush(struct os_task *task)
{
	struct kafka_server *server = BASE_CONTAINER(task, struct kafka_server, flush_task);
	struct base_list *node;
	server->flushing = false;
	while ((node = base_list_pop(&server->answered)))
		kafka_connection_pump(BASE_CONTAINER(node, struct kafka_connection, answered_node));
	kafka_server_settle(server);
}

void kafka_connection_answered(struct kafka_connection *connection)
{
	struct kafka_server *server = connection->server;
	if (connection->pumping || !base_list_empty(&connection->answered_node))
		return;
	base_list_append(&server->answered, &connection->answered_node);
	if (server->flushing)
		return;
	server->flushing = true;
	server->flush_task.run = run_flush;
	os_loop_defer(server->loop, &server->flush_task);
}

static void on_drained(void *context)
{
	struct kafka_connection *connection = context;
	connection->progress_us = os_now_us(connection->server->loop);
	kafka_connection_pump(connection);
}

/* ---- in ---- */

static void own_release(struct kafka_connection *connection)
{
	if (connection->own)
		kafka_memory_give(connection->server, connection->own->capacity);
	base_buffer_unref(connection->own);
	connection->own = NULL;
	connection->own_bytes = connection->own_wanted = 0;
}

/* Moves what is received of the request into a buffer of `capacity`, or of the request's length if that is less. */
static bool own_resize(struct kafka_connection *connection, size_t capacity)
{
	struct kafka_server *server = connection->server;
	struct base_buffer *bigger =
		base_buffer_new(capacity < connection->own_wanted ? capacity : connection->own_wanted);
	if (!bigger) {
		refuse(connection, "out of memory");
		return false;
	}
	kafka_memory_take(server, bigger->capacity);
	if (connection->own) {
		memcpy(bigger->data, connection->own->data, connection->own_bytes);
		kafka_memory_give(server, connection->own->capacity);
		base_buffer_unref(connection->own);
	}
	connection->own = bigger;
	return true;
}

static void own_grow(struct kafka_connection *connection)
{
	size_t capacity = connection->own->capacity * OWN_GROWTH;
	if (!memory_is_there(connection->server, capacity, connection->server->options.memory_bytes_max))
		wait_for_memory(connection);
	else
		(void)own_resize(connection, capacity);
}

static bool shared_ready(struct kafka_server *server)
{
	if (server->shared && server->shared->capacity - server->shared_used >= SHARED_ROOM_MIN)
		return true;
	base_buffer_unref(server->shared);
	server->shared = base_buffer_new(SHARED_BYTES);
	server->shared_used = 0;
	return server->shared;
}

static bool on_space(void *context, uint8_t **ret_at, size_t *ret_bytes)
{
	struct kafka_connection *connection = context;
	struct kafka_server *server = connection->server;
	if (server->shared_lent_to == connection)
		server->shared_lent_to = NULL;
	if (connection->own_wanted > 0) {
		assert(connection->own && connection->own_bytes < connection->own->capacity);
		*ret_at = connection->own->data + connection->own_bytes;
		*ret_bytes = connection->own->capacity - connection->own_bytes;
		return true;
	}
	if (connection->length_bytes > 0) {
		*ret_at = connection->length + connection->length_bytes;
		*ret_bytes = sizeof connection->length - connection->length_bytes;
		return true;
	}
	if (!shared_ready(server))
		return false;
	/* Whoever had it before received nothing: space() is asked for anew before each received(). */
	server->shared_lent_to = connection;
	*ret_at = server->shared->data + server->shared_used;
	*ret_bytes = server->shared->capacity - server->shared_used;
	return true;
}

/* Queues a request whose bytes are all there; takes over the slice. */
static void queue_request(struct kafka_connection *connection, struct base_slice bytes)
{
	struct kafka_request *request = bytes.owner ? kafka_request_new(connection, bytes) : NULL;
	if (!request) {
		refuse(connection, "out of memory");
		return;
	}
	base_list_append(&connection->requests, &request->node);
	connection->request_count += 1;
}

static bool length_is_fine(struct kafka_connection *connection, uint32_t length)
{
	if (length > 0 && length <= connection->server->options.request_bytes_max)
		return true;
	refuse(connection,
	       length == 0 ? "a request of no bytes" : "a request longer than request_bytes_max (or no Kafka request)");
	return false;
}

/* The length of a request is known, and `there` bytes of it: the rest comes into a buffer of its own. Those bytes must be
 * kept now, so the limit on memory is a quarter higher here. */
static void begin_own(struct kafka_connection *connection, uint32_t length, struct base_bytes there)
{
	uint64_t limit = connection->server->options.memory_bytes_max;
	size_t capacity = OWN_FIRST_BYTES;
	assert(!connection->own && there.bytes < length);
	while (capacity <= there.bytes)
		capacity *= OWN_GROWTH;
	if (capacity < connection->trusted_bytes &&
	    memory_is_there(connection->server, connection->trusted_bytes, limit))
		capacity = connection->trusted_bytes;
	if (!memory_is_there(connection->server, capacity, limit + limit / 4)) {
		refuse(connection, "the memory for requests is used up");
		return;
	}
	connection->own_wanted = length;
	if (!own_resize(connection, capacity))
		return;
	if (there.bytes > 0)
		memcpy(connection->own->data, there.data, there.bytes);
	connection->own_bytes = there.bytes;
}

/* Cuts requests out of what arrived in the shared buffer; a part at the end is moved elsewhere. */
static void split_shared(struct kafka_connection *connection, size_t bytes)
{
	struct kafka_server *server = connection->server;
	size_t at = server->shared_used, end = at + bytes;
	server->shared_used = end;
	while (end - at >= 4 && !connection->closing) {
		uint32_t length = base_load_u32be(server->shared->data + at);
		if (!length_is_fine(connection, length))
			return;
		at += 4;
		if (length > end - at) {
			server->shared_used = at; /* a copy is made: the room is free again */
			begin_own(connection, length, (struct base_bytes){server->shared->data + at, end - at});
			return;
		}
		/* A small request gets its own bytes, so that one that waits long does not keep 64 KiB from being freed. */
		queue_request(connection, length < COPY_BYTES_MAX ? base_slice_copy(server->shared->data + at, length)
		                                                  : base_slice_of(server->shared, at, length));
		at += length;
	}
	if (connection->closing)
		return;
	connection->length_bytes = end - at;
	memcpy(connection->length, server->shared->data + at, end - at);
	server->shared_used = at;
}

static void add_to_length(struct kafka_connection *connection, size_t bytes)
{
	connection->length_bytes += bytes;
	if (connection->length_bytes < sizeof connection->length)
		return;
	uint32_t length = base_load_u32be(connection->length);
	connection->length_bytes = 0;
	if (length_is_fine(connection, length))
		begin_own(connection, length, (struct base_bytes){0});
}

static void add_to_own(struct kafka_connection *connection, size_t bytes)
{
	connection->own_bytes += bytes;
	assert(connection->own_bytes <= connection->own->capacity);
	if (connection->own_bytes == connection->own_wanted) {
		struct base_slice whole = base_slice_of(connection->own, 0, connection->own_bytes);
		if (connection->trusted_bytes < whole.bytes)
			connection->trusted_bytes = whole.bytes < TRUSTED_BYTES_MAX ? whole.bytes : TRUSTED_BYTES_MAX;
		own_release(connection);
		queue_request(connection, whole);
	} else if (connection->own_bytes == connection->own->capacity) {
		own_grow(connection);
	}
}

static void on_received(void *context, size_t bytes)
{
	struct kafka_connection *connection = context;
	struct kafka_server *server = connection->server;
	connection->progress_us = os_now_us(server->loop);
	bool from_shared = server->shared_lent_to == connection;
	if (from_shared)
		server->shared_lent_to = NULL;
	if (connection->closing)
		return;
	if (from_shared)
		split_shared(connection, bytes);
	else if (connection->own_wanted > 0)
		add_to_own(connection, bytes);
	else
		add_to_length(connection, bytes);
	if (!connection->closing)
		kafka_connection_pump(connection);
}

/* ---- life ---- */

/* Requests under way go on without their client. */
static void orphan_requests(struct kafka_connection *connection)
{
	struct base_list *node;
	while ((node = base_list_pop(&connection->requests))) {
		struct kafka_request *request = BASE_CONTAINER(node, struct kafka_request, node);
		request->connection = NULL;
		if (request->answered || !request->started) {
			kafka_request_free(request);
			continue;
		}
		base_list_append(&connection->server->orphans, &request->node);
		kafka_request_cancel(request);
	}
}

static void on_closed(void *context)
{
	struct kafka_connection *connection = context;
	struct kafka_server *server = connection->server;
	connection->closing = true;
	orphan_requests(connection);
	base_list_remove(&connection->node);
	kafka_connection_free(connection);
	kafka_server_settle(server);
}

void kafka_connection_free(struct kafka_connection *connection)
{
	struct kafka_server *server = connection->server;
	struct base_list *node;
	while ((node = base_list_pop(&connection->requests)))
		kafka_request_free(BASE_CONTAINER(node, struct kafka_request, node));
	if (server->shared_lent_to == connection)
		server->shared_lent_to = NULL;
	count_unsent(connection, 0);
	own_release(connection);
	base_list_remove(&connection->memory_node);
	base_list_remove(&connection->answered_node);
	os_timer_stop(server->loop, &connection->unmute);
	server->metrics.connections -= 1;
	free(connection);
}

static const struct os_connection_handler connection_handler = {on_space, on_received, on_drained, on_closed};

void kafka_connection_accepted(void *context, struct os_connection *os)
{
	struct kafka_server *server = context;
	struct kafka_connection *connection = NULL;
	if (server->metrics.connections < server->connections_max && !server->closing && !server->draining)
		connection = calloc(1, sizeof *connection);
	if (!connection) {
		server->metrics.connections_refused += 1;
		if (server->metrics.connections_refused == 1)
			kafka_log_line(server, "a connection was refused: connections_max (%u) is reached",
			               server->options.connections_max);
		os_connection_close(os);
		return;
	}
	connection->server = server;
	connection->os = os;
	connection->progress_us = os_now_us(server->loop);
	base_list_init(&connection->requests);
	base_list_init(&connection->memory_node);
	base_list_init(&connection->answered_node);
	kafka_throttle_init(connection);
	base_list_append(&server->connections, &connection->node);
	server->metrics.connections += 1;
	os_connection_start(os, &connection_handler, connection);
}

void kafka_connection_arrived(void *context, struct os_connection *os)
{
	struct kafka_server *first = context;
	struct kafka_group *group = first->group;
	struct kafka_server *server = group->servers[group->next++ % group->count];
	if (server == first)
		kafka_connection_accepted(server, os);
	else
		os_connection_move(os, server->net, kafka_connection_accepted, server);
}

void kafka_connection_retry_memory(struct kafka_connection *connection)
{
	base_list_remove(&connection->memory_node);
	if (connection->closing)
		return;
	if (connection->own && connection->own_bytes == connection->own->capacity)
		own_grow(connection);
	kafka_connection_pump(connection);
}

void kafka_connection_tick(struct kafka_connection *connection, uint64_t now_us)
{
	if (connection->closing)
		return;
	size_t queued = os_connection_queued_bytes(connection->os);
	bool in_request = connection->own_wanted > 0 || connection->length_bytes > 0;
	if (queued != connection->queued_last || (queued == 0 && (!in_request || connection->paused)))
		connection->progress_us = now_us;
	connection->queued_last = queued;
	count_unsent(connection, connection->unsent_bytes + queued);
	if (now_us - connection->progress_us <= connection->server->options.stall_us_max)
		return;
	connection->server->metrics.connections_stalled += 1;
	refuse(connection,
	       queued > 0 ? "the client does not read its responses" : "the client stopped in the middle of a request");
}
