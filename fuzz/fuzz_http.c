/* Any bytes on a connection of the HTTP port, over a real socket: the first byte chooses what goes before them (nothing, the
 * beginning of a request with a body, a WebSocket handshake). The server must close the connection, or answer and wait for
 * more, and then still answer a request that is right. */
#include "server/http/http.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct http_server *server;

#define UPGRADE                                                                                                        \
	"GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "      \
	"13\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

static const char *const heads[] = {
	"",
	"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n",
	"GET /echo?a=b&c",
	(UPGRADE KEY),
	UPGRADE,
	"GET /echo HTTP/1.1\r\nHost: x\r\n",
};

static void echo(void *context, struct http_request *request)
{
	(void)context;
	const char *argument = http_request_argument(request, "a");
	if (strlen(request->path) > 8192 || (argument && strlen(argument) > 8192))
		abort();
	http_answer(request, 200, "text/plain", base_slice_copy(request->body.data, request->body.bytes));
}

static void *opened(void *context, struct http_socket *socket)
{
	(void)context;
	return socket;
}

static void received(void *state, struct base_bytes message, bool is_text)
{
	if (message.bytes > 1000)
		abort();
	pyr_ignore(http_socket_send(state, message, is_text));
}

static void closed(void *state)
{
	(void)state;
}

static void start(void)
{
	const struct http_route routes[] = {
		{.method = "GET", .path = "/echo", .handle = echo},
		{.method = "POST", .path = "/echo", .body_bytes_max = 1000, .handle = echo},
	};
	const struct http_socket_route sockets[] = {
		{.path = "/socket",
	         .message_bytes_max = 1000,
	         .opened = opened,
	         .received = received,
	         .closed = closed},
	};
	struct http_server_options options = http_server_options_default();
	options.port = 0;
	options.connections_max = 50; /* one that is never closed is noticed soon */
	options.receive_s_max = 1;
	options.routes = routes;
	options.route_count = 2;
	options.socket_routes = sockets;
	options.socket_route_count = 1;
	if (http_server_new(&options, &server, NULL).code != PYR_OK)
		abort();
}

/* -1: the system has no ports left for a moment, as they rest after a connection. */
static int connect_peer(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(http_server_port(server))};
	struct timeval patience = {.tv_sec = 20};
	int peer = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (peer >= 0 && connect(peer, (struct sockaddr *)&address, sizeof address) != 0) {
		close(peer);
		return -1;
	}
	setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	return peer;
}

static void say(int peer, const void *data, size_t bytes)
{
	while (bytes > 0) {
		ssize_t sent = send(peer, data, bytes, MSG_NOSIGNAL);
		if (sent <= 0)
			return; /* closed already */
		data = (const char *)data + sent;
		bytes -= (size_t)sent;
	}
}

static void ask_what_is_right(void)
{
	static const char request[] = "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
			  status[] = "HTTP/1.1 200";
	char answer[sizeof status] = {0};
	int peer = connect_peer();
	if (peer < 0)
		return;
	say(peer, request, sizeof request - 1);
	if (recv(peer, answer, sizeof status - 1, MSG_WAITALL) != sizeof status - 1 || strcmp(answer, status) != 0) {
		struct http_server_metrics now = http_server_metrics_get(server);
		fprintf(stderr, "answered \"%s\"; connections %u, refused %llu\n", answer, now.connections,
		        (unsigned long long)now.connections_refused);
		abort();
	}
	close(peer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char heard[4096];
	if (!server)
		start();
	if (bytes == 0)
		return 0;
	const char *head = heads[data[0] % (sizeof heads / sizeof *heads)];
	int peer = connect_peer();
	if (peer < 0)
		return 0;
	say(peer, head, strlen(head));
	say(peer, data + 1, bytes - 1);
	shutdown(peer, SHUT_WR);
	while (recv(peer, heard, sizeof heard, 0) > 0)
		;
	close(peer);
	ask_what_is_right();
	return 0;
}
