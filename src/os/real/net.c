/* TCP by libuv. What can be written at once is; the rest waits in a write request that holds the slices.
 *
 * Invariant: `queued` is the bytes of write requests under way; as long as it is not zero nothing is written directly,
 * so bytes keep their order. Failure modes: any error of the socket closes the connection; the handler hears closed().
 * Owner: the loop's thread.
 */
#include "base/table.h"
#include "os/real/real_priv.h"

#include <assert.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 1024, DIRECT_BUFFERS = 64 };

struct real_net {
	struct os_net base;
	uv_loop_t *uv;
};

struct real_listener {
	struct os_listener base;
	uv_tcp_t tcp;
	os_accepted *accepted;
	void *context;
};

struct real_connection {
	struct os_connection base;
	uv_tcp_t tcp;
	uv_connect_t connecting;
	const struct os_connection_handler *handler;
	void *context;
	size_t queued;
	bool connected;
	bool reading;
	bool finishing;
};

struct write_request {
	uv_write_t uv;
	struct real_connection *connection;
	size_t bytes;
	size_t slice_count;
	struct base_slice slices[];
};

static struct real_connection *real_of(struct os_connection *connection)
{
	return (struct real_connection *)connection;
}

static uv_stream_t *stream_of(struct real_connection *connection)
{
	return (uv_stream_t *)&connection->tcp;
}

static bool is_closing(struct real_connection *connection)
{
	return uv_is_closing((uv_handle_t *)&connection->tcp);
}

static void on_closed(uv_handle_t *handle)
{
	struct real_connection *connection = handle->data;
	if (connection->handler)
		connection->handler->closed(connection->context);
	free(connection);
}

static void net_close(struct os_connection *base)
{
	struct real_connection *connection = real_of(base);
	if (!is_closing(connection))
		uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

static void on_space(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
	struct real_connection *connection = handle->data;
	uint8_t *at = NULL;
	size_t bytes = 0;
	(void)suggested;
	if (!connection->handler->space(connection->context, &at, &bytes))
		bytes = 0; /* libuv reports ENOBUFS to on_read, which closes */
	*ret_buffer = uv_buf_init((char *)at, (unsigned)(bytes < INT32_MAX ? bytes : INT32_MAX));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
	struct real_connection *connection = stream->data;
	(void)buffer;
	if (got > 0) {
		connection->handler->received(connection->context, (size_t)got);
		real_loop_breathe(stream->loop->data, (size_t)got);
	} else if (got < 0) {
		net_close(&connection->base);
	}
}

static void read_if_wanted(struct real_connection *connection)
{
	if (!connection->connected || is_closing(connection))
		return;
	if (connection->reading && !connection->finishing)
		uv_read_start(stream_of(connection), on_space, on_read);
	else
		uv_read_stop(stream_of(connection));
}

static void net_pause(struct os_connection *base)
{
	real_of(base)->reading = false;
	read_if_wanted(real_of(base));
}

static void net_resume(struct os_connection *base)
{
	real_of(base)->reading = true;
	read_if_wanted(real_of(base));
}

static void net_start(struct os_connection *base, const struct os_connection_handler *handler, void *context)
{
	struct real_connection *connection = real_of(base);
	assert(!connection->handler);
	connection->handler = handler;
	connection->context = context;
	net_resume(base);
}

static void write_request_free(struct write_request *request)
{
	for (size_t i = 0; i < request->slice_count; i++)
		base_slice_release(&request->slices[i]);
	free(request);
}

static void on_written(uv_write_t *write, int status)
{
	struct write_request *request = (struct write_request *)(void *)write;
	struct real_connection *connection = request->connection;
	connection->queued -= request->bytes;
	write_request_free(request);
	if (is_closing(connection))
		return;
	if (status < 0 || (connection->queued == 0 && connection->finishing))
		net_close(&connection->base);
	else if (connection->queued == 0 && connection->handler && connection->handler->drained)
		connection->handler->drained(connection->context);
}

static void release_all(struct base_slice *slices, size_t count)
{
	for (size_t i = 0; i < count; i++)
		base_slice_release(&slices[i]);
}

/* Takes `written` bytes off the front. */
static void drop_front(struct base_slice *slices, size_t count, size_t written)
{
	for (size_t i = 0; i < count && written > 0; i++) {
		size_t part = slices[i].bytes < written ? slices[i].bytes : written;
		slices[i].data += part;
		slices[i].bytes -= part;
		written -= part;
	}
}

static void write_now(struct real_connection *connection, struct base_slice *slices, size_t count)
{
	uv_buf_t buffers[DIRECT_BUFFERS];
	unsigned used = 0;
	for (size_t i = 0; i < count && used < DIRECT_BUFFERS; i++)
		if (slices[i].bytes > 0 && slices[i].bytes < INT32_MAX)
			buffers[used++] = uv_buf_init((char *)(uintptr_t)slices[i].data, (unsigned)slices[i].bytes);
	int written = used > 0 ? uv_try_write(stream_of(connection), buffers, used) : 0;
	if (written > 0)
		drop_front(slices, count, (size_t)written);
}

static void write_later(struct real_connection *connection, struct base_slice *slices, size_t count, size_t bytes)
{
	struct write_request *request = malloc(sizeof *request + count * sizeof *slices);
	uv_buf_t *buffers = malloc(count * sizeof *buffers);
	if (!request || !buffers) {
		free(request);
		free(buffers);
		release_all(slices, count);
		net_close(&connection->base);
		return;
	}
	request->connection = connection;
	request->bytes = bytes;
	request->slice_count = count;
	memcpy(request->slices, slices, count * sizeof *slices);
	memset(slices, 0, count * sizeof *slices);
	for (size_t i = 0; i < count; i++)
		buffers[i] =
			uv_buf_init((char *)(uintptr_t)request->slices[i].data, (unsigned)request->slices[i].bytes);
	connection->queued += bytes;
	if (uv_write(&request->uv, stream_of(connection), buffers, (unsigned)count, on_written) != 0) {
		connection->queued -= bytes;
		write_request_free(request);
		net_close(&connection->base);
	}
	free(buffers);
}

static size_t total_bytes(const struct base_slice *slices, size_t count)
{
	size_t bytes = 0;
	for (size_t i = 0; i < count; i++)
		bytes += slices[i].bytes;
	return bytes;
}

static void net_send(struct os_connection *base, struct base_slice *slices, size_t count)
{
	struct real_connection *connection = real_of(base);
	if (is_closing(connection) || connection->finishing) {
		release_all(slices, count);
		return;
	}
	if (connection->queued == 0 && connection->connected)
		write_now(connection, slices, count);
	size_t left = total_bytes(slices, count);
	if (left == 0)
		release_all(slices, count);
	else
		write_later(connection, slices, count, left);
}

static size_t net_queued_bytes(const struct os_connection *base)
{
	return ((const struct real_connection *)base)->queued;
}

static void net_finish(struct os_connection *base)
{
	struct real_connection *connection = real_of(base);
	connection->finishing = true;
	if (connection->queued == 0)
		net_close(base);
	else
		read_if_wanted(connection);
}

static struct real_connection *connection_new(struct real_net *net)
{
	struct real_connection *connection = calloc(1, sizeof *connection);
	if (!connection)
		return NULL;
	connection->base.net = &net->base;
	uv_tcp_init(net->uv, &connection->tcp);
	connection->tcp.data = connection;
	return connection;
}

static void on_peer(uv_stream_t *stream, int status)
{
	struct real_listener *listener = stream->data;
	struct real_connection *connection = status < 0 ? NULL : connection_new((struct real_net *)listener->base.net);
	if (!connection)
		return;
	if (uv_accept(stream, stream_of(connection)) != 0) {
		net_close(&connection->base);
		return;
	}
	uv_tcp_nodelay(&connection->tcp, 1);
	connection->connected = true;
	listener->accepted(listener->context, &connection->base);
}

/* A socket on its way to another loop. */
struct moving {
	struct os_task task;
	struct real_net *net;
	int file;
	os_accepted *accepted;
	void *context;
};

static void on_arrival(struct os_task *task)
{
	struct moving *moving = BASE_CONTAINER(task, struct moving, task);
	struct real_connection *connection = connection_new(moving->net);
	if (!connection) {
		close(moving->file);
	} else if (uv_tcp_open(&connection->tcp, moving->file) != 0) {
		close(moving->file);
		net_close(&connection->base);
	} else {
		connection->connected = true;
		moving->accepted(moving->context, &connection->base);
	}
	free(moving);
}

/* libuv can't give a socket up: the other loop gets a duplicate, and this one is closed. */
static void net_move(struct os_connection *base, struct os_net *net, os_accepted *accepted, void *context)
{
	struct real_connection *connection = real_of(base);
	struct moving *moving = malloc(sizeof *moving);
	uv_os_fd_t file;
	assert(!connection->handler);
	if (moving && uv_fileno((uv_handle_t *)&connection->tcp, &file) == 0 &&
	    (file = fcntl(file, F_DUPFD_CLOEXEC, 0)) >= 0) {
		*moving = (struct moving){{.run = on_arrival}, (struct real_net *)net, file, accepted, context};
		os_loop_post(net->loop, &moving->task);
	} else {
		free(moving);
	}
	net_close(base);
}

static pyr_result resolve(const char *host, uint16_t port, struct sockaddr_storage *ret_address,
                          struct pyr_error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char service[8];
	snprintf(service, sizeof service, "%u", port);
	int failed = getaddrinfo(host, service, &hints, &found);
	if (failed != 0)
		return pyr_fail(error, PYR_NETWORK, "the host name %s does not resolve: %s", host,
		                gai_strerror(failed));
	memcpy(ret_address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return pyr_ok();
}

static void listener_free(uv_handle_t *handle)
{
	free(handle->data);
}

static pyr_result net_listen(struct os_net *base, const char *host, uint16_t port, os_accepted *accepted, void *context,
                             struct os_listener **ret_listener, struct pyr_error *error)
{
	struct real_net *net = (struct real_net *)base;
	struct sockaddr_storage address;
	PYR_TRY(resolve(host, port, &address, error));
	struct real_listener *listener = calloc(1, sizeof *listener);
	if (!listener)
		return pyr_fail(error, PYR_OUT_OF_MEMORY, "out of memory");
	listener->base.net = base;
	listener->accepted = accepted;
	listener->context = context;
	uv_tcp_init(net->uv, &listener->tcp);
	listener->tcp.data = listener;
	int failed = uv_tcp_bind(&listener->tcp, (struct sockaddr *)&address, 0);
	if (failed == 0)
		failed = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_peer);
	if (failed != 0) {
		uv_close((uv_handle_t *)&listener->tcp, listener_free);
		return pyr_fail(error, PYR_NETWORK, "can't listen on %s port %u: %s; choose another port", host, port,
		                uv_strerror(failed));
	}
	*ret_listener = &listener->base;
	return pyr_ok();
}

static uint16_t net_listener_port(struct os_listener *base)
{
	struct sockaddr_storage address;
	int bytes = sizeof address;
	if (uv_tcp_getsockname(&((struct real_listener *)base)->tcp, (struct sockaddr *)&address, &bytes) != 0)
		return 0;
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
	                                           : ((struct sockaddr_in *)&address)->sin_port);
}

static void net_listener_close(struct os_listener *base)
{
	uv_close((uv_handle_t *)&((struct real_listener *)base)->tcp, listener_free);
}

static void on_connected(uv_connect_t *request, int status)
{
	struct real_connection *connection = request->handle->data;
	if (is_closing(connection))
		return;
	if (status < 0) {
		net_close(&connection->base);
		return;
	}
	uv_tcp_nodelay(&connection->tcp, 1);
	connection->connected = true;
	read_if_wanted(connection);
}

static pyr_result net_connect(struct os_net *base, const char *host, uint16_t port,
                              const struct os_connection_handler *handler, void *context,
                              struct os_connection **ret_connection)
{
	struct sockaddr_storage address;
	PYR_TRY(resolve(host, port, &address, NULL));
	struct real_connection *connection = connection_new((struct real_net *)base);
	if (!connection)
		return pyr_result_of(PYR_OUT_OF_MEMORY);
	int failed =
		uv_tcp_connect(&connection->connecting, &connection->tcp, (struct sockaddr *)&address, on_connected);
	if (failed != 0) {
		net_close(&connection->base);
		return pyr_result_of(PYR_NETWORK);
	}
	connection->handler = handler;
	connection->context = context;
	connection->reading = true;
	*ret_connection = &connection->base;
	return pyr_ok();
}

static const struct os_net_ops real_net_ops = {
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

struct os_net *os_real_net_new(struct os_loop *loop)
{
	struct real_net *net = calloc(1, sizeof *net);
	if (!net)
		return NULL;
	net->base = (struct os_net){.ops = &real_net_ops, .loop = loop};
	net->uv = &((struct real_loop *)loop)->uv;
	return &net->base;
}

void os_real_net_free(struct os_net *net)
{
	free(net);
}
