/* Several loops: messages keep each sender's order, and a connection accepted by one can be served by another, real and
 * simulated. */
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include "base/table.h"
#include "os/real.h"
#include "os/sim/sim.h"

#include <stdlib.h>
#include <string.h>

enum { SENDERS = 3, MESSAGES = 20000, DEADLINE_US = 20000000, STEPS_MAX = 10000 };

/* ---- messages ---- */

struct receiver {
	struct os_loop *loop;
	struct os_timer deadline;
	unsigned received[SENDERS];
	unsigned left;
	bool late;
};

struct message {
	struct os_task task;
	struct receiver *receiver;
	unsigned sender, number;
};

struct sender {
	struct os_loop *loop;
	struct os_task begin, end;
	struct message *messages;
	struct receiver *receiver;
};

static void on_deadline(struct os_timer *timer)
{
	struct receiver *receiver = BASE_CONTAINER(timer, struct receiver, deadline);
	receiver->late = true;
	os_real_loop_stop(receiver->loop);
}

static void on_message(struct os_task *task)
{
	struct message *message = BASE_CONTAINER(task, struct message, task);
	struct receiver *receiver = message->receiver;
	assert_int_equal(receiver->received[message->sender]++, message->number);
	receiver->left -= 1;
	if (receiver->left == 0)
		os_real_loop_stop(receiver->loop);
}

static void send_all(struct os_task *task)
{
	struct sender *sender = BASE_CONTAINER(task, struct sender, begin);
	for (unsigned i = 0; i < MESSAGES; i++)
		os_loop_post(sender->receiver->loop, &sender->messages[i].task);
}

static void stop_sender(struct os_task *task)
{
	os_real_loop_stop(BASE_CONTAINER(task, struct sender, end)->loop);
}

static void begin_sender(struct sender *sender, struct receiver *receiver, unsigned number)
{
	sender->receiver = receiver;
	sender->loop = os_real_loop_new();
	sender->messages = calloc(MESSAGES, sizeof *sender->messages);
	assert_true(sender->loop && sender->messages);
	for (unsigned i = 0; i < MESSAGES; i++)
		sender->messages[i] = (struct message){{.run = on_message}, receiver, number, i};
	sender->begin.run = send_all;
	sender->end.run = stop_sender;
	os_loop_post(sender->loop, &sender->begin);
	assert_int_equal(os_real_loop_start(sender->loop, "sender").code, PYR_OK);
}

static void end_sender(struct sender *sender)
{
	os_loop_post(sender->loop, &sender->end);
	os_real_loop_join(sender->loop);
	os_real_loop_free(sender->loop);
	free(sender->messages);
}

static void messages_keep_each_senders_order(void **state)
{
	struct sender senders[SENDERS] = {0};
	struct receiver receiver = {.loop = os_real_loop_new(), .left = SENDERS * MESSAGES};
	(void)state;
	assert_non_null(receiver.loop);
	receiver.deadline.fire = on_deadline;
	os_timer_start(receiver.loop, &receiver.deadline, DEADLINE_US);
	for (unsigned i = 0; i < SENDERS; i++)
		begin_sender(&senders[i], &receiver, i);
	os_real_loop_run(receiver.loop);
	for (unsigned i = 0; i < SENDERS; i++)
		end_sender(&senders[i]);
	assert_false(receiver.late);
	os_timer_stop(receiver.loop, &receiver.deadline);
	os_real_loop_free(receiver.loop);
}

/* ---- a connection that moves: its first loop accepts, its second echoes ---- */

struct echo {
	struct os_net *net; /* of the second loop */
	struct os_connection *served;
	uint8_t bytes[16];
	struct os_loop *told; /* of the end, or NULL */
	struct os_task end;
};

struct client {
	struct os_connection *connection;
	uint8_t bytes[16];
	size_t received;
	bool closed;
};

static bool echo_space(void *context, uint8_t **ret_at, size_t *ret_bytes)
{
	struct echo *echo = context;
	*ret_at = echo->bytes;
	*ret_bytes = sizeof echo->bytes;
	return true;
}

static void echo_received(void *context, size_t bytes)
{
	struct echo *echo = context;
	struct base_slice copy = base_slice_copy(echo->bytes, bytes);
	os_connection_send(echo->served, &copy, 1);
}

static void echo_closed(void *context)
{
	struct echo *echo = context;
	echo->served = NULL;
	if (echo->told)
		os_loop_post(echo->told, &echo->end);
}

static const struct os_connection_handler echo_handler = {echo_space, echo_received, NULL, echo_closed};

static void on_moved(void *context, struct os_connection *connection)
{
	struct echo *echo = context;
	assert_ptr_equal(connection->net, echo->net);
	echo->served = connection;
	os_connection_start(connection, &echo_handler, echo);
}

static void on_peer(void *context, struct os_connection *connection)
{
	struct echo *echo = context;
	os_connection_move(connection, echo->net, on_moved, echo);
}

static bool client_space(void *context, uint8_t **ret_at, size_t *ret_bytes)
{
	struct client *client = context;
	*ret_at = client->bytes + client->received;
	*ret_bytes = sizeof client->bytes - client->received;
	return true;
}

static void client_received(void *context, size_t bytes)
{
	struct client *client = context;
	client->received += bytes;
	if (client->received == 5)
		os_connection_close(client->connection);
}

static void client_closed(void *context)
{
	((struct client *)context)->closed = true;
}

static const struct os_connection_handler client_handler = {client_space, client_received, NULL, client_closed};

static void say_hello(struct client *client, struct os_net *net, uint16_t port)
{
	struct base_slice hello = base_slice_copy("hello", 5);
	assert_int_equal(os_net_connect(net, "127.0.0.1", port, &client_handler, client, &client->connection).code,
	                 PYR_OK);
	os_connection_send(client->connection, &hello, 1);
}

static void a_simulated_connection_moves(void **state)
{
	struct os_sim *sim = os_sim_new(1);
	struct os_loop *loops[] = {os_sim_loop_new(sim), os_sim_loop_new(sim)};
	struct os_net *nets[] = {os_sim_net_new(loops[0]), os_sim_net_new(loops[1])};
	struct echo echo = {.net = nets[1]};
	struct client client = {0};
	struct os_listener *listener;
	(void)state;
	assert_int_equal(os_net_listen(nets[0], "", 0, on_peer, &echo, &listener, NULL).code, PYR_OK);
	say_hello(&client, nets[0], os_listener_port(listener));
	for (int i = 0; i < STEPS_MAX && (!client.closed || echo.served); i++)
		(void)os_sim_step(sim);
	assert_int_equal(client.received, 5);
	assert_memory_equal(client.bytes, "hello", 5);
	assert_null(echo.served);
	os_listener_close(listener);
	os_sim_net_free(nets[0]);
	os_sim_net_free(nets[1]);
	os_sim_free(sim);
}

static void stop_told(struct os_task *task)
{
	os_real_loop_stop(BASE_CONTAINER(task, struct echo, end)->told);
}

static void a_real_connection_moves(void **state)
{
	struct os_loop *loop = os_real_loop_new();
	struct sender other = {.loop = os_real_loop_new(), .end.run = stop_sender};
	struct receiver deadline = {.loop = loop, .deadline.fire = on_deadline};
	struct os_net *net = os_real_net_new(loop), *other_net = os_real_net_new(other.loop);
	struct echo echo = {.net = other_net, .told = loop, .end.run = stop_told};
	struct client client = {0};
	struct os_listener *listener;
	(void)state;
	assert_true(net && other_net);
	assert_int_equal(os_net_listen(net, "127.0.0.1", 0, on_peer, &echo, &listener, NULL).code, PYR_OK);
	assert_int_equal(os_real_loop_start(other.loop, "other").code, PYR_OK);
	os_timer_start(loop, &deadline.deadline, DEADLINE_US);
	say_hello(&client, net, os_listener_port(listener));
	os_real_loop_run(loop);
	assert_false(deadline.late);
	assert_memory_equal(client.bytes, "hello", 5);
	os_timer_stop(loop, &deadline.deadline);
	os_listener_close(listener);
	end_sender(&other);
	os_real_loop_free(loop);
	os_real_net_free(net);
	os_real_net_free(other_net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_keep_each_senders_order),
		cmocka_unit_test(a_simulated_connection_moves),
		cmocka_unit_test(a_real_connection_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
