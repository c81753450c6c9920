/* A client of the Pharaoh network (see pharaoh.h). */
#include "client/pharaoh.h"

#include "base/table.h"
#include "os/real.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REDIRECTS_MAX = 4 };

static void stop_waiting(struct client_pharaoh *client)
{
	if (client->waiting)
		os_real_loop_stop(client->loop);
	client->waiting = false;
}

static bool on_space(void *context, uint8_t **ret_at, size_t *ret_bytes)
{
	struct client_pharaoh *client = context;
	*ret_at = client->in + client->in_bytes;
	*ret_bytes = CODEC_PHARAOH_FRAME_MAX - client->in_bytes;
	return *ret_bytes > 0;
}

static void drop_frame(struct client_pharaoh *client)
{
	client->in_bytes -= client->frame_bytes;
	memmove(client->in, client->in + client->frame_bytes, client->in_bytes);
	client->frame_bytes = 0;
}

static void take_reply(struct client_pharaoh *client, const struct codec_pharaoh *reply)
{
	if (reply->id == client->asked) {
		client->reply = *reply;
		client->answered = true;
		stop_waiting(client);
		return;
	}
	if (client->told)
		client->told(client->context, reply);
	drop_frame(client);
}

static void take_replies(struct client_pharaoh *client)
{
	struct codec_pharaoh reply;
	size_t frame = 0;
	while (!client->answered && client->os) {
		struct base_bytes bytes = {client->in, client->in_bytes};
		if (codec_pharaoh_frame(bytes, &frame).code != PYR_OK) {
			os_connection_close(client->os);
			return;
		}
		if (frame == 0 || frame > client->in_bytes)
			return;
		bytes.bytes = client->frame_bytes = frame;
		if (codec_pharaoh_decode(bytes, true, &reply).code != PYR_OK) {
			os_connection_close(client->os);
			return;
		}
		take_reply(client, &reply);
	}
}

static void on_received(void *context, size_t bytes)
{
	struct client_pharaoh *client = context;
	client->in_bytes += bytes;
	take_replies(client);
}

static void on_closed(void *context)
{
	struct client_pharaoh *client = context;
	bool waited = client->waiting;
	client->os = NULL;
	stop_waiting(client);
	if (!waited && client->lost)
		client->lost(client->context);
}

static const struct os_connection_handler connection_handler = {on_space, on_received, NULL, on_closed};

static void on_timeout(struct os_timer *timer)
{
	struct client_pharaoh *client = BASE_CONTAINER(timer, struct client_pharaoh, timer);
	client->timed_out = true;
	stop_waiting(client);
}

static pyr_result connect_to(struct client_pharaoh *client, struct pyr_error *error)
{
	pyr_result result =
		os_net_connect(client->net, client->host, client->port, &connection_handler, client, &client->os);
	if (result.code != PYR_OK)
		return pyr_fail(error, PYR_NETWORK, "%s:%u can't be reached", client->host, client->port);
	return result;
}

pyr_result client_pharaoh_open(struct client_pharaoh *client, struct os_loop *loop, struct os_net *net,
                               const char *host, uint16_t port, struct pyr_error *error)
{
	*client = (struct client_pharaoh){.loop = loop, .net = net, .port = port};
	snprintf(client->host, sizeof client->host, "%s", host);
	client->timer.fire = on_timeout;
	client->in = malloc(CODEC_PHARAOH_FRAME_MAX);
	if (!client->in)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	return connect_to(client, error);
}

void client_pharaoh_close(struct client_pharaoh *client)
{
	client->lost = NULL;
	client->told = NULL;
	os_timer_stop(client->loop, &client->timer);
	if (client->os)
		os_connection_close(client->os);
}

void client_pharaoh_deinit(struct client_pharaoh *client)
{
	free(client->in);
	*client = (struct client_pharaoh){0};
}

void client_pharaoh_send(struct client_pharaoh *client, const struct codec_pharaoh *request)
{
	struct codec_pharaoh numbered = *request;
	struct base_writer writer;
	struct base_slice frame;
	if (!client->os)
		return;
	numbered.id = ++client->last_id;
	base_writer_init(&writer, CODEC_PHARAOH_FRAME_MAX);
	codec_pharaoh_encode(&writer, false, &numbered);
	if (base_writer_take(&writer, &frame).code == PYR_OK)
		os_connection_send(client->os, &frame, 1);
	base_writer_deinit(&writer);
}

/* What was handed out before is not needed any more. */
static pyr_result ask_once(struct client_pharaoh *client, const struct codec_pharaoh *request, uint64_t timeout_us,
                           struct pyr_error *error)
{
	if (client->frame_bytes > 0)
		drop_frame(client);
	client->answered = client->timed_out = false;
	client_pharaoh_send(client, request);
	client->asked = client->last_id;
	os_timer_start(client->loop, &client->timer, timeout_us);
	take_replies(client);
	client->waiting = !client->answered && client->os;
	if (client->waiting)
		os_real_loop_run(client->loop);
	os_timer_stop(client->loop, &client->timer);
	client->asked = 0;
	if (client->answered)
		return pyr_ok();
	return pyr_fail(error, PYR_NETWORK,
	                client->timed_out ? "%s:%u does not answer"
	                                  : "%s:%u is not a Pharaoh port, or closed the connection",
	                client->host, client->port);
}

/* The reply names who has the slot. */
static pyr_result follow(struct client_pharaoh *client, struct pyr_error *error)
{
	struct base_bytes host = client->reply.name;
	if (host.bytes == 0 || client->reply.port == 0)
		return pyr_fail(error, PYR_NOT_LEADER, "slot %u has no owner at the moment", client->reply.slot);
	struct os_connection *old = client->os;
	memcpy(client->host, host.data, host.bytes);
	client->host[host.bytes] = '\0';
	client->port = client->reply.port;
	if (old) {
		client->waiting = true; /* until it is closed */
		os_connection_close(old);
		os_real_loop_run(client->loop);
	}
	client->in_bytes = client->frame_bytes = 0;
	return connect_to(client, error);
}

pyr_result client_pharaoh_ask(struct client_pharaoh *client, const struct codec_pharaoh *request, uint64_t timeout_us,
                              struct codec_pharaoh *ret_reply, struct pyr_error *error)
{
	for (int i = 0; i < REDIRECTS_MAX; i++) {
		PYR_TRY(ask_once(client, request, timeout_us, error));
		*ret_reply = client->reply;
		if (client->reply.code == PYR_OK)
			return pyr_ok();
		if (client->reply.code != PYR_NOT_LEADER)
			return pyr_fail(error, client->reply.code, "%.*s", (int)client->reply.name.bytes,
			                (const char *)client->reply.name.data);
		PYR_TRY(follow(client, error));
	}
	return pyr_fail(error, PYR_NOT_LEADER, "the slot moves from node to node");
}
