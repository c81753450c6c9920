/* The query thread's side of a connection: takes messages from the inbox, puts answers into the outbox.
 *
 * One job of a connection runs at a time, so its backend has one thread at a time. The only thing it waits for, besides
 * the query itself, is room in the outbox; a peer that makes no room for stall_us_max loses its connection. Lock: the
 * connection's, taken alone.
 */
#include "server/pg/pg_priv.h"

#include "os/environment.h"

#include <stdlib.h>

enum { LARGE_MESSAGE_BYTES = 64 << 10 };

static void post_wake(struct pg_connection *connection)
{
	if (connection->wake_posted)
		return;
	connection->wake_posted = true;
	os_loop_post(connection->server->options.loop, &connection->wake);
}

static struct pg_message *next_message(struct pg_connection *connection)
{
	os_mutex_lock(&connection->lock);
	struct base_list *node =
		connection->closed || connection->finish_wanted ? NULL : base_list_pop(&connection->inbox);
	struct pg_message *message = (struct pg_message *)(void *)node;
	if (message) {
		bool was_full = connection->inbox_bytes > PG_INBOX_BYTES_MAX;
		connection->inbox_bytes -= message->bytes + sizeof *message;
		if (was_full && connection->inbox_bytes <= PG_INBOX_BYTES_MAX)
			post_wake(connection);
	}
	os_mutex_unlock(&connection->lock);
	return message;
}

static bool has_room(const struct pg_connection *connection)
{
	return connection->outbox_count < PG_OUTBOX_SLICES_MAX &&
	       connection->outbox_bytes + connection->in_flight_bytes < PG_OUTBOX_BYTES_MAX;
}

static void park(void *context)
{
	os_job_park(&((struct pg_connection *)context)->job);
}

static void unpark(void *context)
{
	os_job_unpark(&((struct pg_connection *)context)->job);
}

/* False: the peer is gone, or has not read for too long. Under the lock. */
static bool sees_room(struct pg_connection *connection)
{
	while (!connection->closed && !has_room(connection)) {
		size_t before = connection->outbox_bytes + connection->in_flight_bytes;
		bool moved = os_condition_wait_for(&connection->changed, &connection->lock,
		                                   connection->server->options.stall_us_max);
		if (!moved && before == connection->outbox_bytes + connection->in_flight_bytes)
			return false;
	}
	return !connection->closed;
}

/* The same. While it waits others may run. */
static bool wait_for_room(struct pg_connection *connection)
{
	if (connection->closed || has_room(connection))
		return !connection->closed;
	os_mutex_unlock(&connection->lock);
	pg_backend_stalls(connection->backend);
	park(connection);
	os_mutex_lock(&connection->lock);
	bool good = sees_room(connection);
	os_mutex_unlock(&connection->lock);
	unpark(connection);
	os_mutex_lock(&connection->lock);
	return good && !connection->closed;
}

static bool send_slice(void *context, struct base_slice *slice)
{
	struct pg_connection *connection = context;
	if (connection->on_loop)
		return pg_connection_send(connection, slice);
	os_mutex_lock(&connection->lock);
	if (!connection->outbox)
		connection->outbox = calloc(PG_OUTBOX_SLICES_MAX, sizeof *connection->outbox);
	bool good = connection->outbox && wait_for_room(connection);
	if (good) {
		connection->outbox[connection->outbox_count++] = *slice;
		connection->outbox_bytes += slice->bytes;
		*slice = (struct base_slice){0};
	} else {
		connection->finish_wanted = true;
	}
	post_wake(connection);
	os_mutex_unlock(&connection->lock);
	base_slice_release(slice);
	return good;
}

static void set_deadline(void *context, uint64_t delay_us)
{
	struct pg_connection *connection = context;
	os_mutex_lock(&connection->lock);
	connection->deadline_us = delay_us;
	connection->deadline_changed = true;
	post_wake(connection);
	os_mutex_unlock(&connection->lock);
}

static bool have_backend(struct pg_connection *connection)
{
	struct pg_sink sink = {send_slice, connection, set_deadline, {park, unpark, connection}};
	struct pg_introduction introduction = {connection->user, connection->pid, connection->introduction};
	struct pg_backend *backend;
	if (connection->backend)
		return true;
	if (pg_backend_new(connection->server->options.engine, connection->server->options.source, &introduction, &sink,
	                   &backend)
	            .code != PYR_OK)
		return false;
	os_mutex_lock(&connection->lock);
	connection->backend = backend; /* under the lock: a cancel request looks at it */
	if (connection->closed)
		pg_backend_stop(backend);
	os_mutex_unlock(&connection->lock);
	return true;
}

static void give_up(struct pg_connection *connection)
{
	os_mutex_lock(&connection->lock);
	connection->finish_wanted = true;
	post_wake(connection);
	os_mutex_unlock(&connection->lock);
}

static void free_backend(struct pg_connection *connection)
{
	os_mutex_lock(&connection->lock);
	struct pg_backend *backend = connection->backend;
	connection->backend = NULL;
	os_mutex_unlock(&connection->lock);
	pg_backend_free(backend);
}

static bool is_closed(struct pg_connection *connection)
{
	os_mutex_lock(&connection->lock);
	bool closed = connection->closed;
	os_mutex_unlock(&connection->lock);
	return closed;
}

void pg_worker_run(struct os_job *job)
{
	struct pg_connection *connection = BASE_CONTAINER(job, struct pg_connection, job);
	struct pg_message *message;
	while ((message = next_message(connection))) {
		bool going = have_backend(connection) &&
		             pg_backend_message(connection->backend, message->type,
		                                (struct base_bytes){message->body, message->bytes});
		bool large = message->bytes > LARGE_MESSAGE_BYTES;
		free(message);
		if (large)
			os_memory_trim(); /* its parse tree was many times as large */
		if (!going) {
			give_up(connection);
			break;
		}
	}
	/* What a client without Sync or Flush has caused stays in the buffer, as the protocol says. */
	if (is_closed(connection))
		free_backend(connection);
}
