/* A network inside the world: bytes arrive later, in pieces of any size, in order, or not at all when it cuts.
 *
 * Each connection has two ends. What one end sends is copied into the wire and scheduled; a close of either end reaches
 * the other behind what was sent before. An end is freed after its closed() and when nothing is scheduled for it.
 */
#include "os/sim/sim_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { DELAY_US = 300, WINDOW_BYTES = 65536 };

struct sim_port {
	struct os_listener base;
	struct sim_port *next;
	uint16_t number;
	os_accepted *accepted;
	void *context;
};

struct sim_end {
	struct os_connection base;
	struct sim_end *peer; /* NULL once it is gone */
	const struct os_connection_handler *handler;
	void *context;
	uint8_t *inbox; /* arrived or on the way, not yet received */
	size_t inbox_bytes;
	size_t inbox_capacity;
	unsigned scheduled; /* events that hold a pointer to this end */
	bool delivering; /* one of them is a delivery */
	bool reading;
	bool finishing;
	bool peer_closed; /* close when the inbox is empty */
	bool closing;
	bool closed;
};

struct sim_net {
	struct os_net base;
};

static struct sim_end *end_of(struct os_connection *connection)
{
	return (struct sim_end *)connection;
}

static struct sim_loop *loop_of_end(const struct sim_end *end)
{
	return (struct sim_loop *)end->base.net->loop;
}

static struct os_sim *sim_of(const struct os_net *net)
{
	return ((struct sim_loop *)net->loop)->sim;
}

static void free_if_done(struct sim_end *end)
{
	if (!end->closed || end->scheduled > 0)
		return;
	if (end->peer)
		end->peer->peer = NULL;
	free(end->inbox);
	free(end);
}

/* For events of a loop that died: nobody hears of it. The other end sees a cut. */
static void schedule_delivery(struct sim_end *end);

static void drop_end(void *argument)
{
	struct sim_end *end = argument;
	end->scheduled -= 1;
	if (!end->closed && end->peer) {
		end->peer->peer_closed = true;
		schedule_delivery(end->peer);
	}
	end->closed = true;
	free_if_done(end);
}

static void schedule(struct sim_end *end, uint64_t delay_us, void (*run)(void *argument))
{
	end->scheduled += 1;
	sim_schedule(loop_of_end(end)->sim, delay_us, loop_of_end(end), run, drop_end, end);
}

static void run_close(void *argument)
{
	struct sim_end *end = argument;
	end->scheduled -= 1;
	if (!end->closed) {
		end->closed = true;
		if (end->peer) {
			end->peer->peer_closed = true;
			schedule_delivery(end->peer);
		}
		if (end->handler)
			end->handler->closed(end->context);
	}
	free_if_done(end);
}

static void net_close(struct os_connection *base)
{
	struct sim_end *end = end_of(base);
	if (end->closing)
		return;
	end->closing = true;
	schedule(end, 1, run_close);
}

static void take_inbox(struct sim_end *end, size_t bytes)
{
	memmove(end->inbox, end->inbox + bytes, end->inbox_bytes - bytes);
	end->inbox_bytes -= bytes;
}

static void run_drained(void *argument)
{
	struct sim_end *end = argument;
	end->scheduled -= 1;
	if (!end->closing && !end->closed) {
		if (end->finishing)
			net_close(&end->base);
		else if (end->handler && end->handler->drained)
			end->handler->drained(end->context);
	}
	free_if_done(end);
}

static void deliver_some(struct sim_end *end)
{
	uint8_t *at = NULL;
	size_t room = 0;
	struct os_sim *sim = loop_of_end(end)->sim;
	if (!end->handler->space(end->context, &at, &room)) {
		net_close(&end->base);
		return;
	}
	size_t bytes = 1 + os_sim_random_below(sim, end->inbox_bytes < room ? end->inbox_bytes : room);
	if (os_sim_random_below(sim, 4) > 0)
		bytes = end->inbox_bytes < room ? end->inbox_bytes : room;
	memcpy(at, end->inbox, bytes);
	take_inbox(end, bytes);
	end->handler->received(end->context, bytes);
	if (end->inbox_bytes == 0 && end->peer)
		schedule(end->peer, 1, run_drained);
}

static void run_delivery(void *argument)
{
	struct sim_end *end = argument;
	struct os_sim *sim = loop_of_end(end)->sim;
	end->scheduled -= 1;
	end->delivering = false;
	bool open = !end->closing && !end->closed;
	if (open && os_sim_random_below(sim, 1000000) < *sim_cut_chance(sim)) {
		net_close(&end->base);
		open = false;
	}
	if (open && end->reading && end->handler && end->inbox_bytes > 0)
		deliver_some(end);
	if (open && end->peer_closed && end->inbox_bytes == 0)
		net_close(&end->base);
	if (!end->closing && !end->closed && end->reading && end->inbox_bytes > 0)
		schedule_delivery(end);
	free_if_done(end);
}

static void schedule_delivery(struct sim_end *end)
{
	if (end->delivering || end->closed)
		return;
	end->delivering = true;
	schedule(end, 1 + os_sim_random_below(loop_of_end(end)->sim, DELAY_US), run_delivery);
}

static void net_send(struct os_connection *base, struct base_slice *slices, size_t count)
{
	struct sim_end *end = end_of(base);
	struct sim_end *peer = end->peer;
	for (size_t i = 0; i < count; i++) {
		if (peer && !peer->closed && !end->closing && !end->finishing && slices[i].bytes > 0) {
			size_t needed = peer->inbox_bytes + slices[i].bytes;
			if (needed > peer->inbox_capacity) {
				peer->inbox_capacity = needed * 2;
				peer->inbox = realloc(peer->inbox, peer->inbox_capacity);
				if (!peer->inbox)
					abort();
			}
			memcpy(peer->inbox + peer->inbox_bytes, slices[i].data, slices[i].bytes);
			peer->inbox_bytes = needed;
		}
		base_slice_release(&slices[i]);
	}
	if (peer)
		schedule_delivery(peer);
}

/* What the peer has not taken, beyond a window that stands for the sockets' own buffers. */
static size_t net_queued_bytes(const struct os_connection *base)
{
	const struct sim_end *peer = ((const struct sim_end *)base)->peer;
	return peer && peer->inbox_bytes > WINDOW_BYTES ? peer->inbox_bytes - WINDOW_BYTES : 0;
}

static void net_pause(struct os_connection *base)
{
	end_of(base)->reading = false;
}

static void net_resume(struct os_connection *base)
{
	end_of(base)->reading = true;
	schedule_delivery(end_of(base));
}

static void net_start(struct os_connection *base, const struct os_connection_handler *handler, void *context)
{
	assert(!end_of(base)->handler);
	end_of(base)->handler = handler;
	end_of(base)->context = context;
	net_resume(base);
}

static void net_finish(struct os_connection *base)
{
	struct sim_end *end = end_of(base);
	end->finishing = true;
	end->reading = false;
	if (!end->peer || end->peer->inbox_bytes == 0)
		net_close(base);
}

static pyr_result net_listen(struct os_net *net, const char *host, uint16_t port, os_accepted *accepted, void *context,
                             struct os_listener **ret_listener, struct pyr_error *error)
{
	struct sim_port **ports = sim_ports(sim_of(net));
	(void)host;
	for (struct sim_port *taken = *ports; taken; taken = taken->next)
		if (port != 0 && taken->number == port)
			return pyr_fail(error, PYR_NETWORK, "port %u is taken; choose another port", port);
	struct sim_port *listener = calloc(1, sizeof *listener);
	if (!listener)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	*listener = (struct sim_port){.base.net = net, .next = *ports, .accepted = accepted, .context = context};
	listener->number = port ? port : sim_next_port(sim_of(net));
	*ports = listener;
	*ret_listener = &listener->base;
	return pyr_ok();
}

static uint16_t net_listener_port(struct os_listener *listener)
{
	return ((struct sim_port *)listener)->number;
}

static void net_listener_close(struct os_listener *base)
{
	struct sim_port *listener = (struct sim_port *)base;
	struct sim_port **at = sim_ports(sim_of(base->net));
	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	free(listener);
}

static struct sim_end *end_new(struct os_net *net)
{
	struct sim_end *end = calloc(1, sizeof *end);
	if (!end)
		abort();
	end->base.net = net;
	return end;
}

/* The listener may be gone, or its process dead, by the time the peer arrives. */
struct arrival {
	struct sim_end *server;
	uint16_t port;
};

static void run_arrival(void *argument)
{
	struct arrival *arrival = argument;
	struct sim_end *server = arrival->server;
	struct sim_port *port = *sim_ports(loop_of_end(server)->sim);
	while (port && port->number != arrival->port)
		port = port->next;
	server->scheduled -= 1;
	if (port)
		port->accepted(port->context, &server->base);
	else
		net_close(&server->base);
	free(arrival);
}

static void drop_arrival(void *argument)
{
	struct arrival *arrival = argument;
	drop_end(arrival->server);
	free(arrival);
}

struct moving {
	struct sim_end *end;
	os_accepted *accepted;
	void *context;
};

static void run_moved(void *argument)
{
	struct moving *moving = argument;
	moving->end->scheduled -= 1;
	moving->accepted(moving->context, &moving->end->base);
	free(moving);
}

static void drop_moved(void *argument)
{
	struct moving *moving = argument;
	drop_end(moving->end);
	free(moving);
}

static void net_move(struct os_connection *base, struct os_net *net, os_accepted *accepted, void *context)
{
	struct sim_end *end = end_of(base);
	struct moving *moving = malloc(sizeof *moving);
	if (!moving)
		abort();
	*moving = (struct moving){end, accepted, context};
	end->base.net = net;
	end->scheduled += 1;
	sim_schedule(sim_of(net), 1 + os_sim_random_below(sim_of(net), DELAY_US), loop_of_end(end), run_moved,
	             drop_moved, moving);
}

static pyr_result net_connect(struct os_net *net, const char *host, uint16_t port_number,
                              const struct os_connection_handler *handler, void *context,
                              struct os_connection **ret_connection)
{
	struct sim_port *port = *sim_ports(sim_of(net));
	struct sim_end *client = end_new(net);
	(void)host;
	client->handler = handler;
	client->context = context;
	client->reading = true;
	*ret_connection = &client->base;
	while (port && port->number != port_number)
		port = port->next;
	if (!port) {
		net_close(&client->base);
		return pyr_ok();
	}
	struct arrival *arrival = calloc(1, sizeof *arrival);
	if (!arrival)
		abort();
	*arrival = (struct arrival){.server = end_new(port->base.net), .port = port_number};
	arrival->server->peer = client;
	client->peer = arrival->server;
	arrival->server->scheduled += 1;
	sim_schedule(sim_of(net), 1 + os_sim_random_below(sim_of(net), DELAY_US), loop_of_end(arrival->server),
	             run_arrival, drop_arrival, arrival);
	return pyr_ok();
}

static const struct os_net_ops sim_net_ops = {
	.listen = net_listen,
	.listener_port = net_listener_port,
	.listener_close = net_listener_close,
	.connect = net_connect,
	.start = net_start,
	.move = net_move,
	.send = net_send,
	.queued_bytes = net_queued_bytes,
	.pause = net_pause,
	.resume = net_resume,
	.finish = net_finish,
	.close = net_close,
};

struct os_net *os_sim_net_new(struct os_loop *loop)
{
	struct sim_net *net = calloc(1, sizeof *net);
	if (net)
		net->base = (struct os_net){.ops = &sim_net_ops, .loop = loop};
	return net ? &net->base : NULL;
}

void os_sim_net_free(struct os_net *net)
{
	free(net);
}

void os_sim_net_set_cut_chance(struct os_sim *sim, uint32_t in_a_million)
{
	*sim_cut_chance(sim) = in_a_million;
}
