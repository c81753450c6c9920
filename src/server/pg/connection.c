/* The loop's side of a connection: startup, cutting the stream into messages, sending what the worker made.
 *
 * Life: accepted; started once its startup packet is answered; its messages go to a worker; gone when the socket is
 * closed, no job runs, no wake-up is on its way and the backend is freed (on a worker, for that may block). An idle
 * connection holds no buffer. Failure modes: anything malformed or too large is answered with a FATAL error and closed.
 * Owner: the loop's thread, but for what pg_priv.h says is under the lock.
 */
#include "server/pg/pg_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES_MIN = 4096, SEND_BYTES_MAX = 64 << 10 };

static struct pg_connection *of_job(struct os_job *job)
{
	return BASE_CONTAINER(job, struct pg_connection, job);
}

/* ---- sending from the loop ---- */

static void send_written(struct pg_connection *connection, struct base_writer *writer)
{
	struct base_slice slice;
	if (!connection->net)
		return;
	if (base_writer_take(writer, &slice).code == PYR_OK)
		os_connection_send(connection->net, &slice, 1);
	else
		os_connection_close(connection->net);
}

static void finish(struct pg_connection *connection)
{
	connection->finishing = true;
	if (connection->net)
		os_connection_finish(connection->net);
}

/* Says why, and closes. */
static void dismiss(struct pg_connection *connection, const char *sqlstate, const char *sentence)
{
	struct base_writer writer;
	struct query_error error;
	pyr_ignore(query_fail(&error, sqlstate, "%s", sentence));
	base_writer_init(&writer, SEND_BYTES_MAX);
	pg_write_error(&writer, "FATAL", &error);
	send_written(connection, &writer);
	base_writer_deinit(&writer);
	finish(connection);
}

static void fail(struct pg_connection *connection, const char *sqlstate, const char *sentence)
{
	connection->server->metrics.connections_broken += 1;
	dismiss(connection, sqlstate, sentence);
}

/* ---- the worker ---- */

static void submit(struct pg_connection *connection)
{
	if (connection->working)
		return;
	connection->working = true;
	os_submit(connection->server->executor, &connection->job);
}

static void connection_free(struct pg_connection *connection)
{
	for (size_t i = 0; i < connection->outbox_count; i++)
		base_slice_release(&connection->outbox[i]);
	for (struct base_list *node; (node = base_list_pop(&connection->inbox));)
		free(node);
	pg_server_connection_gone(connection->server, connection);
	os_condition_deinit(&connection->changed);
	os_mutex_deinit(&connection->lock);
	free(connection->outbox);
	free(connection->introduction);
	free(connection->input);
	free(connection);
}

static void free_if_over(struct pg_connection *connection)
{
	os_mutex_lock(&connection->lock);
	bool waking = connection->wake_posted, has_backend = connection->backend != NULL;
	os_mutex_unlock(&connection->lock);
	if (connection->net || connection->working || waking)
		return;
	if (has_backend)
		submit(connection); /* which frees it, since the connection is closed */
	else
		connection_free(connection);
}

void pg_connection_count(struct pg_connection *connection)
{
	if (!connection->backend)
		return;
	struct pg_backend_counts counts = pg_backend_counts_get(connection->backend);
	connection->server->metrics.statements += counts.statements - connection->counted.statements;
	connection->server->metrics.direct_reads += counts.direct_reads - connection->counted.direct_reads;
	connection->server->metrics.prompts += counts.prompts - connection->counted.prompts;
	connection->server->metrics.errors += counts.errors - connection->counted.errors;
	connection->counted = counts;
}

static void worked(struct os_job *job)
{
	struct pg_connection *connection = of_job(job);
	connection->working = false;
	pg_connection_count(connection);
	os_mutex_lock(&connection->lock);
	bool more = !base_list_empty(&connection->inbox) && !connection->closed && !connection->finish_wanted;
	os_mutex_unlock(&connection->lock);
	if (more)
		submit(connection);
	else if (connection->server->draining && connection->net)
		pg_connection_drain(connection);
	else
		free_if_over(connection);
}

/* ---- output ---- */

/* The outbox moves to the socket; tells the worker how much is still on its way. */
void pg_connection_send_outbox(struct pg_connection *connection)
{
	struct base_slice slices[PG_OUTBOX_SLICES_MAX];
	os_mutex_lock(&connection->lock);
	size_t count = connection->outbox_count;
	if (count > 0)
		memcpy(slices, connection->outbox, count * sizeof *slices);
	connection->in_flight_bytes += connection->outbox_bytes;
	connection->outbox_count = connection->outbox_bytes = 0;
	os_mutex_unlock(&connection->lock);
	if (count == 0)
		return;
	if (connection->net)
		os_connection_send(connection->net, slices, count);
	for (size_t i = 0; i < count && !connection->net; i++)
		base_slice_release(&slices[i]);
	size_t queued = connection->net ? os_connection_queued_bytes(connection->net) : 0;
	os_mutex_lock(&connection->lock);
	connection->in_flight_bytes = queued;
	os_condition_signal(&connection->changed);
	os_mutex_unlock(&connection->lock);
}

bool pg_connection_send(struct pg_connection *connection, struct base_slice *slice)
{
	if (connection->net)
		os_connection_send(connection->net, slice, 1);
	base_slice_release(slice);
	return connection->net;
}

void pg_connection_drain(struct pg_connection *connection)
{
	if (connection->working) {
		os_mutex_lock(&connection->lock);
		if (connection->backend)
			pg_backend_drain(connection->backend);
		os_mutex_unlock(&connection->lock);
	}
	if (connection->working || connection->finishing || !connection->net)
		return;
	pg_connection_send_outbox(connection);
	if (connection->started)
		dismiss(connection, "57P01", "terminating connection due to administrator command");
	else
		finish(connection);
}

/* statement_timeout. A deadline that was lifted or changed meanwhile is not this one. */
static void on_deadline(struct os_timer *timer)
{
	struct pg_connection *connection = BASE_CONTAINER(timer, struct pg_connection, timer);
	os_mutex_lock(&connection->lock);
	if (connection->backend && connection->deadline_us > 0 && !connection->deadline_changed)
		pg_backend_time_out(connection->backend);
	os_mutex_unlock(&connection->lock);
}

static void set_timer(struct pg_connection *connection, uint64_t delay_us)
{
	struct os_loop *loop = connection->server->options.loop;
	connection->timer.fire = on_deadline;
	if (delay_us > 0 && connection->net)
		os_timer_start(loop, &connection->timer, delay_us);
	else
		os_timer_stop(loop, &connection->timer);
}

static void on_wake(struct os_task *task)
{
	struct pg_connection *connection = BASE_CONTAINER(task, struct pg_connection, wake);
	os_mutex_lock(&connection->lock);
	connection->wake_posted = false;
	bool has_deadline = connection->deadline_changed;
	uint64_t deadline_us = connection->deadline_us;
	connection->deadline_changed = false;
	bool finishes = connection->finish_wanted;
	bool may_read = connection->inbox_bytes <= PG_INBOX_BYTES_MAX;
	os_mutex_unlock(&connection->lock);
	if (has_deadline)
		set_timer(connection, deadline_us);
	pg_connection_send_outbox(connection);
	if (finishes && connection->net && !connection->finishing)
		os_connection_close(connection->net);
	if (may_read && connection->paused && connection->net) {
		connection->paused = false;
		os_connection_resume(connection->net);
	}
	free_if_over(connection);
}

static void on_drained(void *context)
{
	struct pg_connection *connection = context;
	os_mutex_lock(&connection->lock);
	connection->in_flight_bytes = 0;
	os_condition_signal(&connection->changed);
	os_mutex_unlock(&connection->lock);
}

/* ---- startup ---- */

/* What the packet says is kept for the backend, which is made when there is something to do. */
static void keep_introduction(struct pg_connection *connection, const struct pg_startup *startup)
{
	const char *settings = (const char *)startup->settings.data;
	connection->introduction = malloc(startup->settings.bytes + 1);
	if (!connection->introduction)
		return;
	memcpy(connection->introduction, settings, startup->settings.bytes);
	connection->introduction[startup->settings.bytes] = 0;
	connection->user = connection->introduction + (startup->user - settings);
}

static void answer_startup(struct pg_connection *connection, const struct pg_startup *startup)
{
	static const char *const settings[][2] = {
		{"server_version", "15.0 (Pyralog)"},  {"server_encoding", "UTF8"},
		{"client_encoding", "UTF8"},           {"DateStyle", "ISO, MDY"},
		{"IntervalStyle", "postgres"},         {"TimeZone", "UTC"},
		{"integer_datetimes", "on"},           {"is_superuser", "off"},
		{"standard_conforming_strings", "on"},
	};
	struct base_writer writer;
	base_writer_init(&writer, SEND_BYTES_MAX);
	if (startup->code != PG_PROTOCOL_3) {
		/* A later minor version: NegotiateProtocolVersion says which we speak; no option of it is known. */
		size_t at = pg_message_begin(&writer, 'v');
		base_write_u32be(&writer, PG_PROTOCOL_3);
		base_write_u32be(&writer, 0);
		pg_message_end(&writer, at);
	}
	size_t at = pg_message_begin(&writer, 'R');
	base_write_u32be(&writer, 0); /* AuthenticationOk */
	pg_message_end(&writer, at);
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
		pg_write_parameter(&writer, settings[i][0], settings[i][1]);
	pg_write_parameter(&writer, "application_name", startup->application_name ? startup->application_name : "");
	pg_write_parameter(&writer, "session_authorization", startup->user);
	at = pg_message_begin(&writer, 'K');
	base_write_u32be(&writer, connection->pid);
	base_write_u32be(&writer, connection->secret);
	pg_message_end(&writer, at);
	pg_write_ready(&writer, 'I');
	send_written(connection, &writer);
	base_writer_deinit(&writer);
	keep_introduction(connection, startup);
	connection->started = true;
	os_timer_stop(connection->server->options.loop, &connection->timer);
}

static void refuse_encryption(struct pg_connection *connection)
{
	struct base_slice no = {.data = (const uint8_t *)"N", .bytes = 1};
	os_connection_send(connection->net, &no, 1);
}

static void cancel_other(struct pg_connection *connection, const struct pg_startup *startup)
{
	struct pg_connection *other = pg_server_find(connection->server, startup->pid);
	if (other && other->secret == startup->secret) {
		connection->server->metrics.cancels += 1;
		pg_connection_cancel(other);
	}
	finish(connection);
}

static void on_startup(struct pg_connection *connection, struct base_bytes body)
{
	struct pg_startup startup;
	if (pg_startup_decode(body, &startup).code != PYR_OK) {
		fail(connection, "08P01", "invalid startup packet");
		return;
	}
	if (startup.code == PG_SSL_REQUEST || startup.code == PG_GSSENC_REQUEST)
		refuse_encryption(connection);
	else if (startup.code == PG_CANCEL_REQUEST)
		cancel_other(connection, &startup);
	else if (startup.code >> 16 != 3)
		fail(connection, "0A000", "unsupported frontend protocol: this server speaks 3.0");
	else if (!startup.user || !*startup.user)
		fail(connection, "28000", "no PostgreSQL user name specified in startup packet");
	else
		answer_startup(connection, &startup);
}

/* ---- input ---- */

static bool is_known(char type)
{
	return type && strchr("QPBDECSHFXdcf", type);
}

static void on_message(struct pg_connection *connection, char type, struct base_bytes body)
{
	if (type == 'X') {
		os_connection_close(connection->net);
		connection->finishing = true;
		return;
	}
	if (pg_turn_try(connection, type, body))
		return;
	struct pg_message *message = malloc(sizeof *message + body.bytes);
	if (!message) {
		fail(connection, "53200", "out of memory");
		return;
	}
	message->type = type;
	message->bytes = body.bytes;
	memcpy(message->body, body.data, body.bytes);
	os_mutex_lock(&connection->lock);
	base_list_append(&connection->inbox, &message->node);
	connection->inbox_bytes += message->bytes + sizeof *message;
	bool full = connection->inbox_bytes > PG_INBOX_BYTES_MAX;
	os_mutex_unlock(&connection->lock);
	if (full && !connection->paused) {
		connection->paused = true;
		os_connection_pause(connection->net);
	}
	submit(connection);
}

/* The length of the packet at `at`, of which `left` bytes are here; 0: not enough to tell, or refused. */
static size_t packet_bytes(struct pg_connection *connection, const uint8_t *at, size_t left)
{
	if (!connection->started) {
		if (left < 4)
			return 0;
		size_t bytes = base_load_u32be(at);
		if (bytes >= 8 && bytes <= PG_STARTUP_BYTES_MAX)
			return bytes;
		fail(connection, "08P01", "invalid length of startup packet");
		return 0;
	}
	if (left > 0 && !is_known((char)at[0])) {
		fail(connection, "08P01", "invalid frontend message type");
		return 0;
	}
	if (left < PG_HEADER_BYTES)
		return 0;
	size_t bytes = base_load_u32be(at + 1);
	if (bytes >= 4 && bytes <= PG_MESSAGE_BYTES_MAX)
		return bytes + 1;
	if (bytes < 4)
		fail(connection, "08P01", "invalid message length");
	else
		fail(connection, "54000", "the message is larger than 1 MiB: send less at a time");
	return 0;
}

/* Takes whole packets off the input; leaves the rest at its start. */
static void take_packets(struct pg_connection *connection)
{
	size_t at = 0;
	while (!connection->finishing && connection->net) {
		size_t left = connection->input_bytes - at, header = connection->started ? PG_HEADER_BYTES : 4;
		const uint8_t *packet = connection->input + at;
		size_t bytes = packet_bytes(connection, packet, left);
		if (bytes == 0 || bytes > left)
			break;
		struct base_bytes body = {packet + header, bytes - header};
		at += bytes;
		if (connection->started)
			on_message(connection, (char)packet[0], body);
		else
			on_startup(connection, body);
	}
	connection->input_bytes -= at;
	memmove(connection->input, connection->input + at, connection->input_bytes);
}

static void on_received(void *context, size_t bytes)
{
	struct pg_connection *connection = context;
	connection->input_bytes += bytes;
	assert(connection->input_bytes <= connection->input_capacity);
	take_packets(connection);
	if (connection->input_bytes == 0 || connection->finishing) {
		free(connection->input);
		connection->input = NULL;
		connection->input_bytes = connection->input_capacity = 0;
	}
}

/* Doubles with what has arrived, not with what was announced: a length alone costs the server nothing. */
static bool on_space(void *context, uint8_t **ret_at, size_t *ret_bytes)
{
	struct pg_connection *connection = context;
	if (connection->input_bytes == connection->input_capacity) {
		size_t capacity = connection->input_capacity ? connection->input_capacity * 2 : INPUT_BYTES_MIN;
		uint8_t *input = realloc(connection->input, capacity);
		if (!input)
			return false;
		connection->input = input;
		connection->input_capacity = capacity;
	}
	*ret_at = connection->input + connection->input_bytes;
	*ret_bytes = connection->input_capacity - connection->input_bytes;
	return true;
}

/* ---- the end ---- */

static void on_closed(void *context)
{
	struct pg_connection *connection = context;
	connection->net = NULL;
	connection->finishing = true;
	os_timer_stop(connection->server->options.loop, &connection->timer);
	os_mutex_lock(&connection->lock);
	connection->closed = true;
	if (connection->backend)
		pg_backend_stop(connection->backend);
	os_condition_broadcast(&connection->changed);
	os_mutex_unlock(&connection->lock);
	free_if_over(connection);
}

void pg_connection_close(struct pg_connection *connection)
{
	connection->finishing = true;
	if (connection->net)
		os_connection_close(connection->net);
}

void pg_connection_cancel(struct pg_connection *connection)
{
	os_mutex_lock(&connection->lock);
	if (connection->backend && connection->working)
		pg_backend_cancel(connection->backend);
	os_mutex_unlock(&connection->lock);
}

static void on_startup_late(struct os_timer *timer)
{
	struct pg_connection *connection = BASE_CONTAINER(timer, struct pg_connection, timer);
	connection->server->metrics.connections_broken += 1;
	pg_connection_close(connection);
}

/* ---- the beginning ---- */

static const struct os_connection_handler handler = {
	.space = on_space,
	.received = on_received,
	.drained = on_drained,
	.closed = on_closed,
};

static struct pg_connection *connection_new(struct pg_server *server, struct os_connection *net)
{
	struct pg_connection *connection = calloc(1, sizeof *connection);
	if (!connection)
		return NULL;
	connection->server = server;
	connection->net = net;
	connection->job.run = pg_worker_run;
	connection->job.done = worked;
	connection->wake.run = on_wake;
	connection->timer.fire = on_startup_late;
	os_random(server->options.loop, &connection->secret, sizeof connection->secret);
	os_mutex_init(&connection->lock);
	os_condition_init(&connection->changed);
	base_list_init(&connection->inbox);
	return connection;
}

void pg_connection_accept(struct pg_server *server, struct os_connection *net)
{
	struct pg_connection *connection = connection_new(server, net);
	if (!connection) {
		os_connection_close(net);
		return;
	}
	do
		connection->pid = ++server->next_pid & INT32_MAX;
	while (connection->pid == 0 || pg_server_find(server, connection->pid));
	if (!base_table_insert(&server->by_pid, &connection->by_pid, connection->pid)) {
		os_condition_deinit(&connection->changed);
		os_mutex_deinit(&connection->lock);
		free(connection);
		os_connection_close(net);
		return;
	}
	base_list_append(&server->connections, &connection->node);
	server->connection_count += 1;
	os_connection_start(net, &handler, connection);
	os_timer_start(server->options.loop, &connection->timer, server->options.startup_us_max);
	if (server->connection_count > server->options.connections_max) {
		server->metrics.connections_refused += 1;
		fail(connection, "53300", "sorry, too many clients already");
	}
}
