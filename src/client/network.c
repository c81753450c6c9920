/* A client of a Pharaoh network (see network.h). Invariant: an ask is in one list, its node's or that of the late ones, until it is
 * answered. */
#include "client/network.h"

#include "base/table.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LATE_US = 50000, OUT_MAX = 16 << 20, MAP_AGAIN_US = 100000 };

struct client_network_node {
	struct client_network *network;
	char host[CLIENT_NETWORK_HOST_MAX + 1];
	uint16_t port;
	struct os_connection *os; /* NULL: closed */
	uint8_t *in; /* CODEC_PHARAOH_FRAME_MAX */
	size_t in_bytes;
	struct base_writer out;
	struct os_task flush;
	bool flushing;
	uint32_t map_id; /* of the request for the map; 0: none is under way */
	struct base_list asks; /* sent, the oldest first */
};

struct client_network {
	struct os_loop *loop;
	struct os_net *net;
	struct client_network_node *nodes[CLIENT_NETWORK_NODES_MAX];
	size_t node_count, seed_count, turn;
	struct client_network_node *slots[CODEC_PHARAOH_SLOTS]; /* NULL: not known */
	uint64_t mapped_us; /* when the map was asked for */
	struct base_list late;
	struct os_timer late_timer;
	uint32_t last_id;
	bool closing, ending;
	struct os_task last;
	void (*closed)(void *context);
	void *closed_context;
};

static void dispatch(struct client_network *network, struct client_network_ask *ask);

/* ---- asks ---- */

static void finish(struct client_network_ask *ask, pyr_result result, const struct codec_pharaoh *reply,
                   const struct pyr_error *error)
{
	os_timer_stop(ask->network->loop, &ask->timer);
	base_list_remove(&ask->node);
	ask->answered(ask, result, reply, error);
}

static void time_is_over(struct os_timer *timer)
{
	struct client_network_ask *ask = BASE_CONTAINER(timer, struct client_network_ask, timer);
	if (!ask->trouble.text[0])
		pyr_ignore(pyr_fail(&ask->trouble, PYR_NETWORK, "the Pharaoh network does not answer"));
	finish(ask, pyr_result_of(PYR_NETWORK), NULL, &ask->trouble);
}

static void be_late(struct client_network *network, struct client_network_ask *ask)
{
	if (base_list_empty(&network->late))
		os_timer_start(network->loop, &network->late_timer, LATE_US);
	base_list_append(&network->late, &ask->node);
}

static void late_is_over(struct os_timer *timer)
{
	struct client_network *network = BASE_CONTAINER(timer, struct client_network, late_timer);
	struct base_list now;
	base_list_init(&now);
	base_list_splice(&now, &network->late);
	for (struct base_list *node; (node = base_list_pop(&now));)
		dispatch(network, BASE_CONTAINER(node, struct client_network_ask, node));
}

/* ---- nodes ---- */

static struct client_network_node *node_at(struct client_network *network, const char *host, uint16_t port)
{
	for (size_t i = 0; i < network->node_count; i++)
		if (network->nodes[i]->port == port && strcmp(network->nodes[i]->host, host) == 0)
			return network->nodes[i];
	if (network->node_count == CLIENT_NETWORK_NODES_MAX)
		return NULL;
	struct client_network_node *node = calloc(1, sizeof *node);
	if (!node)
		return NULL;
	node->network = network;
	node->port = port;
	snprintf(node->host, sizeof node->host, "%s", host);
	base_writer_init(&node->out, OUT_MAX);
	base_list_init(&node->asks);
	network->nodes[network->node_count++] = node;
	return node;
}

static struct client_network_node *node_of(struct client_network *network, struct base_bytes host, uint16_t port)
{
	char text[CLIENT_NETWORK_HOST_MAX + 1];
	if (host.bytes == 0 || host.bytes > CLIENT_NETWORK_HOST_MAX || port == 0)
		return NULL;
	memcpy(text, host.data, host.bytes);
	text[host.bytes] = '\0';
	return node_at(network, text, port);
}

static void settle(struct client_network *network);

static void send_out(struct os_task *task)
{
	struct client_network_node *node = BASE_CONTAINER(task, struct client_network_node, flush);
	struct base_slice slice;
	node->flushing = false;
	if (!node->os) {
		settle(node->network);
		return;
	}
	if (node->out.bytes > 0 && base_writer_take(&node->out, &slice).code == PYR_OK)
		os_connection_send(node->os, &slice, 1);
	else if (node->out.failed)
		os_connection_close(node->os); /* out of memory: all is asked again */
}

static uint32_t write_request(struct client_network_node *node, const struct codec_pharaoh *request)
{
	struct client_network *network = node->network;
	struct codec_pharaoh numbered = *request;
	network->last_id += network->last_id == UINT32_MAX ? 2 : 1;
	numbered.id = network->last_id;
	codec_pharaoh_encode(&node->out, false, &numbered);
	if (!node->flushing)
		os_loop_defer(network->loop, &node->flush);
	node->flushing = true;
	return numbered.id;
}

static void ask_for_map(struct client_network_node *node)
{
	struct codec_pharaoh request = {.op = CODEC_PHARAOH_MAP};
	if (node->map_id > 0)
		return;
	node->network->mapped_us = os_now_us(node->network->loop);
	node->map_id = write_request(node, &request);
}

/* What this node believes: a hint, which replies set right. */
static void take_map(struct client_network *network, struct base_bytes value)
{
	struct base_reader reader = base_reader_init(value.data, value.bytes);
	struct codec_pharaoh_run run;
	while (codec_pharaoh_run_read(&reader, &run)) {
		struct client_network_node *node = run.epoch > 0 ? node_of(network, run.host, run.port) : NULL;
		for (uint16_t i = 0; node && i < run.count; i++)
			network->slots[run.first + i] = node;
	}
}

/* ---- replies ---- */

static void moved(struct client_network_node *node, struct client_network_ask *ask, const struct codec_pharaoh *reply)
{
	struct client_network *network = node->network;
	uint16_t slot = codec_pharaoh_slot(&ask->request);
	struct client_network_node *owner = node_of(network, reply->name, reply->port);
	bool again = os_now_us(network->loop) - network->mapped_us < MAP_AGAIN_US;
	network->slots[slot] = owner;
	pyr_ignore(pyr_fail(&ask->trouble, PYR_NETWORK, "slot %u has no owner at the moment", slot));
	base_list_remove(&ask->node);
	if (!again)
		ask_for_map(node);
	if (owner && owner != node &&
	    ask->sent % 8 != 0) /* two that name each other are not asked for ever without a pause */
		dispatch(network, ask);
	else
		be_late(network, ask);
}

static bool is_gone_already(const struct client_network_ask *ask, const struct codec_pharaoh *reply)
{
	return ask->sent > 1 && reply->code == PYR_NOT_FOUND &&
	       (ask->request.op == CODEC_PHARAOH_UNLOCK || ask->request.op == CODEC_PHARAOH_CLOSE);
}

static void take_answer(struct client_network_node *node, struct client_network_ask *ask,
                        const struct codec_pharaoh *reply)
{
	struct pyr_error error = {.code = reply->code};
	if (reply->code == PYR_NOT_LEADER) {
		moved(node, ask, reply);
		return;
	}
	if (reply->code == PYR_OK || is_gone_already(ask, reply)) {
		finish(ask, pyr_ok(), reply, NULL);
		return;
	}
	snprintf(error.text, sizeof error.text, "%.*s", (int)reply->name.bytes, (const char *)reply->name.data);
	finish(ask, pyr_result_of(reply->code), reply, &error);
}

static void take_reply(struct client_network_node *node, const struct codec_pharaoh *reply)
{
	if (node->map_id > 0 && reply->id == node->map_id) {
		node->map_id = 0;
		if (reply->code == PYR_OK)
			take_map(node->network, reply->value);
		return;
	}
	for (struct base_list *at = node->asks.next; at != &node->asks; at = at->next) {
		struct client_network_ask *ask = BASE_CONTAINER(at, struct client_network_ask, node);
		if (ask->request.id != reply->id)
			continue;
		take_answer(node, ask, reply);
		return;
	}
	/* Of one whose time was over. */
}

static bool on_space(void *context, uint8_t **ret_at, size_t *ret_bytes)
{
	struct client_network_node *node = context;
	*ret_at = node->in + node->in_bytes;
	*ret_bytes = CODEC_PHARAOH_FRAME_MAX - node->in_bytes;
	return *ret_bytes > 0;
}

static void on_received(void *context, size_t bytes)
{
	struct client_network_node *node = context;
	size_t from = 0, frame;
	struct codec_pharaoh reply;
	node->in_bytes += bytes;
	for (;;) {
		struct base_bytes left = {node->in + from, node->in_bytes - from};
		pyr_result result = codec_pharaoh_frame(left, &frame);
		if (result.code == PYR_OK && (frame == 0 || frame > left.bytes))
			break;
		left.bytes = frame;
		if (result.code != PYR_OK || codec_pharaoh_decode(left, true, &reply).code != PYR_OK) {
			os_connection_close(node->os);
			return;
		}
		take_reply(node, &reply);
		from += frame;
	}
	node->in_bytes -= from;
	memmove(node->in, node->in + from, node->in_bytes);
}

/* ---- connections ---- */

static void forget_node(struct client_network_node *node)
{
	struct client_network *network = node->network;
	for (size_t i = 0; i < CODEC_PHARAOH_SLOTS; i++)
		if (network->slots[i] == node)
			network->slots[i] = NULL;
	network->turn += 1;
}

void client_network_free(struct client_network *network)
{
	for (size_t i = 0; i < network->node_count; i++) {
		base_writer_deinit(&network->nodes[i]->out);
		free(network->nodes[i]->in);
		free(network->nodes[i]);
	}
	free(network);
}

static void end(struct os_task *task)
{
	struct client_network *network = BASE_CONTAINER(task, struct client_network, last);
	void (*closed)(void *) = network->closed;
	void *context = network->closed_context;
	os_timer_stop(network->loop, &network->late_timer);
	client_network_free(network);
	closed(context);
}

static void settle(struct client_network *network)
{
	for (size_t i = 0; i < network->node_count; i++)
		if (network->nodes[i]->os || network->nodes[i]->flushing)
			return;
	if (!network->closing || network->ending)
		return;
	network->ending = true;
	network->last.run = end;
	os_loop_post(network->loop, &network->last);
}

static void on_closed(void *context)
{
	struct client_network_node *node = context;
	struct base_list lost;
	node->os = NULL;
	node->in_bytes = 0;
	node->map_id = 0;
	base_writer_deinit(&node->out);
	base_writer_init(&node->out, OUT_MAX);
	forget_node(node);
	base_list_init(&lost);
	base_list_splice(&lost, &node->asks);
	for (struct base_list *at; (at = base_list_pop(&lost));) {
		struct client_network_ask *ask = BASE_CONTAINER(at, struct client_network_ask, node);
		pyr_ignore(pyr_fail(&ask->trouble, PYR_NETWORK, "%s:%u can't be reached, or closed the connection",
		                    node->host, node->port));
		be_late(node->network, ask);
	}
	settle(node->network);
}

static const struct os_connection_handler handler = {on_space, on_received, NULL, on_closed};

static bool connect_to(struct client_network_node *node)
{
	struct client_network *network = node->network;
	if (node->os)
		return true;
	node->in = node->in ? node->in : malloc(CODEC_PHARAOH_FRAME_MAX);
	node->flush.run = send_out;
	if (!node->in || os_net_connect(network->net, node->host, node->port, &handler, node, &node->os).code != PYR_OK)
		return false;
	ask_for_map(node);
	return true;
}

static void dispatch(struct client_network *network, struct client_network_ask *ask)
{
	struct client_network_node *node = network->slots[codec_pharaoh_slot(&ask->request)];
	uint64_t now_us = os_now_us(network->loop);
	if (!node)
		node = network->nodes[network->turn % network->seed_count];
	if (!connect_to(node)) {
		pyr_ignore(pyr_fail(&ask->trouble, PYR_NETWORK, "%s:%u can't be reached", node->host, node->port));
		forget_node(node);
		be_late(network, ask);
		return;
	}
	if (ask->request.wait_ms > 0)
		ask->request.wait_ms =
			ask->wait_until_us > now_us + 1000 ? (uint32_t)((ask->wait_until_us - now_us) / 1000) : 1;
	ask->sent += 1;
	ask->request.id = write_request(node, &ask->request);
	base_list_append(&node->asks, &ask->node);
}

void client_network_ask(struct client_network *network, struct client_network_ask *ask)
{
	uint64_t wait_us = (uint64_t)ask->request.wait_ms * 1000;
	ask->network = network;
	ask->sent = 0;
	ask->trouble = (struct pyr_error){0};
	ask->timer = (struct os_timer){.fire = time_is_over};
	ask->wait_until_us = os_now_us(network->loop) + wait_us;
	base_list_init(&ask->node);
	if (network->closing) {
		ask->answered(ask, pyr_result_of(PYR_NETWORK), NULL,
		              &(struct pyr_error){.text = "the handle is closed"});
		return;
	}
	os_timer_start(network->loop, &ask->timer, wait_us + ask->timeout_us);
	dispatch(network, ask);
}

/* ---- life ---- */

static pyr_result add_seed(struct client_network *network, const char *text, size_t bytes, struct pyr_error *error)
{
	char place[CLIENT_NETWORK_HOST_MAX + 8], *end = NULL;
	snprintf(place, sizeof place, "%.*s", (int)bytes, text);
	char *colon = strrchr(place, ':');
	unsigned long port = colon ? strtoul(colon + 1, &end, 10) : 0;
	if (!colon || colon == place || bytes >= sizeof place || port < 1 || port > UINT16_MAX || *end != '\0')
		return pyr_fail(error, PYR_USAGE, "%.*s is no node of a Pharaoh network: give host:port", (int)bytes,
		                text);
	*colon = '\0';
	return node_at(network, place, (uint16_t)port) ? pyr_ok() : pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
}

pyr_result client_network_new(struct os_loop *loop, struct os_net *net, const char *nodes,
                              struct client_network **ret_network, struct pyr_error *error)
{
	struct client_network *network = calloc(1, sizeof *network);
	pyr_result result = pyr_ok();
	if (!network)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	network->loop = loop;
	network->net = net;
	network->late_timer.fire = late_is_over;
	base_list_init(&network->late);
	for (const char *at = nodes; result.code == PYR_OK;) {
		size_t bytes = strcspn(at, ",");
		result = add_seed(network, at, bytes, error);
		at += bytes;
		if (*at == '\0')
			break;
		at += 1;
	}
	network->seed_count = network->node_count;
	if (result.code == PYR_OK) {
		*ret_network = network;
		return result;
	}
	client_network_free(network);
	return result;
}

static void refuse_all(struct base_list *asks)
{
	while (!base_list_empty(asks))
		finish(BASE_CONTAINER(asks->next, struct client_network_ask, node), pyr_result_of(PYR_NETWORK), NULL,
		       &(struct pyr_error){.text = "the handle is closed"});
}

void client_network_close(struct client_network *network, void (*closed)(void *context), void *context)
{
	assert(!network->closing);
	network->closing = true;
	network->closed = closed;
	network->closed_context = context;
	refuse_all(&network->late);
	for (size_t i = 0; i < network->node_count; i++) {
		refuse_all(&network->nodes[i]->asks);
		if (network->nodes[i]->os)
			os_connection_close(network->nodes[i]->os);
	}
	settle(network);
}
