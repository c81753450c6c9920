/* The HTTP port (server/http/http.h), over real sockets: requests answered at once and by another thread, bad and slow ones,
 * WebSocket. The client is a few lines over a blocking socket, so that it can misbehave. */
#include "server/http/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEXT_BYTES_MAX = 1 << 20 };

struct world {
	struct http_server *server;
	struct http_request *kept; /* by /keep, under the lock */
	pthread_mutex_t lock;
	unsigned closed_sockets;
};

/* ---- handlers ---- */

static void handle_hello(void *context, struct http_request *request)
{
	const char *name = http_request_argument(request, "name");
	char text[256];
	(void)context;
	snprintf(text, sizeof text, "hello %s of %s", name ? name : "nobody", request->path);
	http_answer(request, 200, "text/plain", base_slice_copy(text, strlen(text)));
}

static void handle_large(void *context, struct http_request *request)
{
	struct base_buffer *buffer = base_buffer_new(900000);
	(void)context;
	memset(buffer->data, 'x', buffer->capacity);
	http_answer(request, 200, "text/plain", (struct base_slice){buffer, buffer->data, buffer->capacity});
}

static void *answer_later(void *context)
{
	struct http_request *request = context;
	http_answer(request, 200, "application/json", base_slice_copy(request->body.data, request->body.bytes));
	return NULL;
}

static void handle_rpc(void *context, struct http_request *request)
{
	pthread_t thread;
	(void)context;
	if (strcmp(request->content_type, "application/json") != 0) {
		http_refuse(request, 415, "send JSON, not \"%s\"", request->content_type);
		return;
	}
	assert(pthread_create(&thread, NULL, answer_later, request) == 0);
	pthread_detach(thread);
}

static void handle_keep(void *context, struct http_request *request)
{
	struct world *world = context;
	pthread_mutex_lock(&world->lock);
	world->kept = request;
	pthread_mutex_unlock(&world->lock);
}

static void *echo_opened(void *context, struct http_socket *socket)
{
	(void)context;
	return socket;
}

static void echo_received(void *state, struct base_bytes message, bool is_text)
{
	if (message.bytes == 3 && memcmp(message.data, "bye", 3) == 0)
		http_socket_close(state);
	else
		assert_int_equal(http_socket_send(state, message, is_text).code, PYR_OK);
}

static struct world *the_world;

static void echo_closed(void *state)
{
	(void)state;
	pthread_mutex_lock(&the_world->lock);
	the_world->closed_sockets += 1;
	pthread_mutex_unlock(&the_world->lock);
}

/* ---- the server of a test ---- */

static int start_with(void **state, uint32_t answer_s)
{
	struct world *world = calloc(1, sizeof *world);
	const struct http_route routes[] = {
		{.method = "GET", .path = "/hello", .handle = handle_hello},
		{.method = "GET", .path = "/files/", .handle = handle_hello},
		{.method = "GET", .path = "/large", .handle = handle_large},
		{.method = "GET", .path = "/keep", .handle = handle_keep, .context = world},
		{.method = "POST", .path = "/rpc", .body_bytes_max = 100000, .handle = handle_rpc},
	};
	const struct http_socket_route sockets[] = {
		{.path = "/echo",
	         .message_bytes_max = 1000,
	         .opened = echo_opened,
	         .received = echo_received,
	         .closed = echo_closed},
		{.path = "/named",
	         .subprotocol = "json-rpc",
	         .message_bytes_max = 1000,
	         .opened = echo_opened,
	         .received = echo_received,
	         .closed = echo_closed},
	};
	struct http_server_options options = http_server_options_default();
	struct pyr_error error = {0};
	options.port = 0;
	options.routes = routes;
	options.route_count = sizeof routes / sizeof *routes;
	options.socket_routes = sockets;
	options.socket_route_count = sizeof sockets / sizeof *sockets;
	options.receive_s_max = 1;
	options.answer_s_max = answer_s;
	options.connections_max = 20;
	pthread_mutex_init(&world->lock, NULL);
	assert_int_equal(http_server_new(&options, &world->server, &error).code, PYR_OK);
	assert_true(http_server_port(world->server) > 0);
	*state = the_world = world;
	return 0;
}

static int start(void **state)
{
	return start_with(state, 1);
}

static int start_patient(void **state)
{
	return start_with(state, 60);
}

static int stop(void **state)
{
	struct world *world = *state;
	http_server_stop(world->server);
	http_server_free(world->server);
	free(world);
	return 0;
}

/* ---- the client ---- */

static int connect_to(const struct world *world)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(http_server_port(world->server))};
	struct timeval patience = {.tv_sec = 10};
	int peer = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(peer, (struct sockaddr *)&address, sizeof address), 0);
	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	return peer;
}

static void say(int peer, const void *data, size_t bytes)
{
	assert_int_equal(send(peer, data, bytes, MSG_NOSIGNAL), bytes);
}

static void say_text(int peer, const char *text)
{
	say(peer, text, strlen(text));
}

static char text[TEXT_BYTES_MAX];

/* Until the end of the connection. */
static const char *hear_all(int peer)
{
	size_t used = 0;
	ssize_t got;
	while ((got = recv(peer, text + used, sizeof text - 1 - used, 0)) > 0)
		used += (size_t)got;
	text[used] = 0;
	close(peer);
	return text;
}

/* Until `end` is among it. */
static const char *hear(int peer, const char *end)
{
	size_t used = 0;
	ssize_t got;
	text[0] = 0;
	while (!strstr(text, end) && (got = recv(peer, text + used, sizeof text - 1 - used, 0)) > 0) {
		used += (size_t)got;
		text[used] = 0;
	}
	assert_non_null(strstr(text, end));
	return text;
}

static int connect_and_say(const struct world *world, const char *request)
{
	int peer = connect_to(world);
	say_text(peer, request);
	return peer;
}

static const char *ask(const struct world *world, const char *request)
{
	int peer = connect_to(world);
	say_text(peer, request);
	return hear_all(peer);
}

static void assert_has(const char *whole, const char *part)
{
	if (!strstr(whole, part))
		fail_msg("\"%s\" is not in \"%s\"", part, whole);
}

static struct http_request *wait_for_kept(struct world *world)
{
	struct http_request *kept = NULL;
	while (!kept) {
		sched_yield();
		pthread_mutex_lock(&world->lock);
		kept = world->kept;
		pthread_mutex_unlock(&world->lock);
	}
	return kept;
}

static void wait_for_closed(struct world *world, unsigned count)
{
	for (unsigned closed = 0; closed != count;) {
		sched_yield();
		pthread_mutex_lock(&world->lock);
		closed = world->closed_sockets;
		pthread_mutex_unlock(&world->lock);
	}
}

/* ---- requests ---- */

static void test_requests(void **state)
{
	struct world *world = *state;
	const char *heard = ask(world, "GET /hello?x=1&name=a%26b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_has(heard, "HTTP/1.1 200");
	assert_has(heard, "content-type: text/plain");
	assert_has(heard, "\r\n\r\nhello a&b of /hello");
	heard = ask(world, "GET /files/a%20b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_has(heard, "hello nobody of /files/a b");
	heard = ask(world, "HEAD /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_has(heard, "content-length: 22");
	assert_null(strstr(heard, "hello"));
	heard = ask(world, "GET /nothing HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_has(heard, "HTTP/1.1 404");
	assert_has(heard, "{\"error\":\"there is nothing at /nothing\"}");
	assert_has(ask(world, "DELETE /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "HTTP/1.1 405");
	assert_int_equal(http_server_metrics_get(world->server).requests, 5);
	assert_int_equal(http_server_metrics_get(world->server).request_errors, 2);
}

static void test_large_answers(void **state)
{
	const char *heard = ask(*state, "GET /large HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	assert_int_equal(strlen(strstr(heard, "\r\n\r\n") + 4), 900000);
}

static void test_one_connection_many_requests(void **state)
{
	int peer = connect_to(*state);
	for (int i = 0; i < 100; i++) {
		say_text(peer, "GET /hello?name=z HTTP/1.1\r\nHost: h\r\n\r\n");
		hear(peer, "hello z of /hello");
	}
	say_text(peer,
	         "POST /rpc HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":");
	say_text(peer, "1}");
	hear(peer, "{\"a\":1}");
	say_text(peer, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\nGET /hello?name=second HTTP/1.1\r\nHost: h\r\n\r\n");
	hear(peer, "hello second");
	close(peer);
}

static void test_bodies_are_bounded(void **state)
{
	assert_has(ask(*state, "POST /rpc HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\nabc"),
	           "a request to /rpc may have a body of 100000 bytes");
	assert_has(ask(*state, "POST /rpc HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
	           " 4");
	assert_has(ask(*state, "POST /rpc HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n"), "HTTP/1.1 4");
	assert_has(ask(*state, "POST /rpc HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
	           "HTTP/1.1 411");
	int peer = connect_to(*state); /* no length, no body */
	say_text(peer, "POST /rpc HTTP/1.1\r\nHost: h\r\nContent-Type: a\"b\r\n\r\n");
	hear(peer, "{\"error\":\"send JSON, not \\\"a\\\"b\\\"\"}");
	hear_all(peer);
	assert_has(ask(*state, "GET /hello HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde"), "HTTP/1.1 4");
}

/* libwebsockets turned for ever on these. */
static void test_more_behind_a_body(void **state)
{
	hear_all(connect_and_say(*state,
	                         "POST /rpc HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcHEAD /hello HTTP/1.0\r\n\r\n"));
	hear_all(connect_and_say(*state, "POST /nothing HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcdef"));
	hear_all(connect_and_say(
		*state, "GET /hello HTTP/1.1\r\nHost: h\r\n\r\nPOST /rpc HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcd"));
	assert_has(ask(*state, "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200");
}

static void test_slow_peers_are_ended(void **state)
{
	struct world *world = *state;
	int header = connect_to(world), body = connect_to(world), silent = connect_to(world);
	say_text(header, "GET /hel");
	say_text(body, "POST /rpc HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nab");
	assert_has(hear_all(body), "the request did not arrive in time");
	hear_all(header); /* ends */
	hear_all(silent);
	assert_has(ask(world, "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200");
}

static void test_late_answers(void **state)
{
	struct world *world = *state;
	assert_has(ask(world, "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n"), "HTTP/1.1 504");
	handle_hello(NULL, world->kept);
	assert_has(ask(world, "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200");
	assert_int_equal(http_server_metrics_get(world->server).requests_ended, 1);
}

static void test_answers_to_nobody(void **state)
{
	struct world *world = *state;
	int peer = connect_to(world);
	struct http_request *kept;
	say_text(peer, "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n");
	kept = wait_for_kept(world);
	close(peer);
	handle_hello(NULL, kept);
	assert_has(ask(world, "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200");
}

static void test_hostile_bytes(void **state)
{
	struct world *world = *state;
	static char huge[200000];
	unsigned seed = 7;
	memset(huge, 'a', sizeof huge - 1);
	for (int i = 0; i < 200; i++) {
		char garbage[300];
		int peer = connect_to(world);
		for (size_t k = 0; k < sizeof garbage; k++)
			garbage[k] = (char)(rand_r(&seed) & 255);
		if (i % 2)
			memcpy(garbage, "GET /hello HTTP/1.1\r\n", 21);
		(void)!send(peer, garbage, sizeof garbage, MSG_NOSIGNAL);
		shutdown(peer, SHUT_WR);
		hear_all(peer);
	}
	static const char *const heads[] = {"GET /", "GET /hello HTTP/1.1\r\nAccept: ",
	                                    "GET /hello HTTP/1.1\r\nX-Own: ", "POST /rpc HTTP/1.1\r\nContent-Length: 1",
	                                    "GET /hello?"};
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
		int peer = connect_to(world);
		say_text(peer, heads[i]);
		(void)!send(peer, huge, sizeof huge - 1, MSG_NOSIGNAL);
		(void)!send(peer, "\r\n\r\n", 4, MSG_NOSIGNAL);
		shutdown(peer, SHUT_WR);
		hear_all(peer);
	}
	assert_has(ask(world, "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200");
}

static void test_connections_are_bounded(void **state)
{
	struct world *world = *state;
	int peers[100];
	for (size_t i = 0; i < 100; i++)
		peers[i] = connect_to(world);
	for (size_t i = 99; i > 20; i--)
		assert_string_equal(hear_all(peers[i]), "");
	say_text(peers[0], "GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
	hear(peers[0], "hello nobody");
	assert_true(http_server_metrics_get(world->server).connections_refused >= 79);
	for (size_t i = 0; i <= 20; i++)
		close(peers[i]);
}

/* ---- WebSocket ---- */

static int upgrade(const struct world *world, const char *path, const char *more)
{
	char request[512];
	int peer = connect_to(world);
	snprintf(request, sizeof request,
	         "GET %s HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n",
	         path, more);
	say_text(peer, request);
	return peer;
}

/* Of up to 125 bytes; masked with zeros. */
static void say_frame(int peer, uint8_t first, const char *payload)
{
	uint8_t frame[140] = {first, (uint8_t)(0x80 | strlen(payload))};
	memcpy(frame + 6, payload, strlen(payload));
	say(peer, frame, 6 + strlen(payload));
}

static void hear_frame(int peer, uint8_t first, const char *payload)
{
	uint8_t frame[140] = {0};
	size_t bytes = 2 + strlen(payload);
	assert_int_equal(recv(peer, frame, bytes, MSG_WAITALL), bytes);
	assert_int_equal(frame[0], first);
	assert_int_equal(frame[1], strlen(payload));
	assert_memory_equal(frame + 2, payload, strlen(payload));
}

static void test_websocket(void **state)
{
	struct world *world = *state;
	int peer = upgrade(world, "/echo", "");
	assert_has(hear(peer, "\r\n\r\n"), "101 Switching Protocols");
	assert_has(text, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	say_frame(peer, 0x81, "hello");
	hear_frame(peer, 0x81, "hello");
	say_frame(peer, 0x02, "two "); /* in two fragments */
	say_frame(peer, 0x80, "parts");
	hear_frame(peer, 0x82, "two parts");
	say_frame(peer, 0x89, "ping");
	hear_frame(peer, 0x8a, "ping");
	assert_int_equal(http_server_metrics_get(world->server).sockets, 1);
	say_frame(peer, 0x81, "bye");
	hear_all(peer);
	wait_for_closed(world, 1);
	peer = upgrade(world, "/named", "Sec-WebSocket-Protocol: json-rpc\r\n");
	assert_has(hear(peer, "\r\n\r\n"), "json-rpc");
	say_frame(peer, 0x81, "named");
	hear_frame(peer, 0x81, "named");
	close(peer);
}

static void test_websocket_refused(void **state)
{
	struct world *world = *state;
	assert_null(strstr(hear_all(upgrade(world, "/hello", "")), " 101 "));
	assert_null(strstr(hear_all(upgrade(world, "/named", "")), " 101 "));
	assert_null(strstr(hear_all(upgrade(world, "/named", "Sec-WebSocket-Protocol: other\r\n")), " 101 "));
	int peer = upgrade(world, "/echo", "");
	hear(peer, "\r\n\r\n");
	for (int i = 0; i < 100; i++) { /* one message that never ends */
		char part[] = "\x01\x8f\0\0\0\0aaaaaaaaaaaaaaa";
		part[0] = i > 0 ? 0 : 1;
		if (send(peer, part, 21, MSG_NOSIGNAL) < 0)
			break;
	}
	hear_all(peer);
	assert_has(ask(world, "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200");
}

static void test_stop_answers_what_is_under_way(void **state)
{
	struct world *world = *state;
	int peer = connect_to(world);
	struct http_request *kept;
	pthread_t thread;
	say_text(peer, "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n");
	kept = wait_for_kept(world);
	pthread_create(&thread, NULL, answer_later, kept);
	http_server_stop(world->server);
	pthread_join(thread, NULL);
	assert_has(hear_all(peer), "HTTP/1.1 200");
	http_server_free(world->server);
	free(world);
}

static void test_stop_does_not_wait_for_ever(void **state)
{
	struct world *world = *state;
	int peer = connect_to(world);
	say_text(peer, "GET /keep HTTP/1.1\r\nHost: h\r\n\r\n");
	struct http_request *kept = wait_for_kept(world);
	http_server_stop(world->server);
	assert_string_equal(hear_all(peer), "");
	handle_hello(NULL, kept);
	http_server_free(world->server);
	free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests, start, stop),
		cmocka_unit_test_setup_teardown(test_large_answers, start, stop),
		cmocka_unit_test_setup_teardown(test_one_connection_many_requests, start, stop),
		cmocka_unit_test_setup_teardown(test_bodies_are_bounded, start, stop),
		cmocka_unit_test_setup_teardown(test_more_behind_a_body, start, stop),
		cmocka_unit_test_setup_teardown(test_slow_peers_are_ended, start, stop),
		cmocka_unit_test_setup_teardown(test_late_answers, start, stop),
		cmocka_unit_test_setup_teardown(test_answers_to_nobody, start, stop),
		cmocka_unit_test_setup_teardown(test_hostile_bytes, start, stop),
		cmocka_unit_test_setup_teardown(test_connections_are_bounded, start, stop),
		cmocka_unit_test_setup_teardown(test_websocket, start, stop),
		cmocka_unit_test_setup_teardown(test_websocket_refused, start, stop),
		cmocka_unit_test_setup(test_stop_answers_what_is_under_way, start),
		cmocka_unit_test_setup(test_stop_does_not_wait_for_ever, start_patient),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
