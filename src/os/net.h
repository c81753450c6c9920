/* Stream connections. A connection belongs to its loop's thread and speaks to its protocol through a handler.
 *
 * The protocol says where received bytes go (no copy between socket and request), and hands slices over for sending
 * (no copy between tail cache and socket). Back-pressure both ways: pause stops reading, queued_bytes tells how far the
 * peer lags behind. Two implementations: os/real (libuv TCP) and os/sim (delay, loss of the connection, any split).
 */
#ifndef PYRALOG_OS_NET_H
#define PYRALOG_OS_NET_H

#include "base/buffer.h"
#include "base/error.h"
#include "os/loop.h"

#include <stdint.h>

struct os_net;
struct os_listener;
struct os_connection;

/* All calls on the loop's thread, none from within a call into this connection. */
struct os_connection_handler {
	/* Asked right before each `received`. Where the next bytes shall go: *ret_bytes > 0 of room at *ret_at, valid until `received` or `closed`.
	 * False (memory is out): the connection is closed. */
	bool (*space)(void *context, uint8_t **ret_at, size_t *ret_bytes);
	void (*received)(void *context, size_t bytes); /* that many bytes are there now */
	void (*drained)(void *context); /* everything handed to send has left; may be NULL */
	void (*closed)(void *context); /* the last call, once, whoever closed; the connection is gone after it */
};

/* A peer has connected. Call os_connection_start(), os_connection_move() or os_connection_close() before returning. */
typedef void os_accepted(void *context, struct os_connection *connection);

struct os_net_ops {
	pyr_result (*listen)(struct os_net *net, const char *host, uint16_t port, os_accepted *accepted, void *context,
	                     struct os_listener **ret_listener, struct pyr_error *error);
	uint16_t (*listener_port)(struct os_listener *listener);
	void (*listener_close)(struct os_listener *listener);
	pyr_result (*connect)(struct os_net *net, const char *host, uint16_t port,
	                      const struct os_connection_handler *handler, void *context,
	                      struct os_connection **ret_connection);
	void (*start)(struct os_connection *connection, const struct os_connection_handler *handler, void *context);
	void (*move)(struct os_connection *connection, struct os_net *net, os_accepted *accepted, void *context);
	void (*send)(struct os_connection *connection, struct base_slice *slices, size_t slice_count);
	size_t (*queued_bytes)(const struct os_connection *connection);
	void (*pause)(struct os_connection *connection);
	void (*resume)(struct os_connection *connection);
	void (*finish)(struct os_connection *connection);
	void (*close)(struct os_connection *connection);
};

struct os_net {
	const struct os_net_ops *ops;
	struct os_loop *loop;
};

struct os_listener {
	struct os_net *net;
};

struct os_connection {
	struct os_net *net;
};

/* Port 0 picks a free one: ask os_listener_port(). PYR_NETWORK with a sentence in `error`. */
static inline pyr_result os_net_listen(struct os_net *net, const char *host, uint16_t port, os_accepted *accepted,
                                       void *context, struct os_listener **ret_listener, struct pyr_error *error)
{
	return net->ops->listen(net, host, port, accepted, context, ret_listener, error);
}

static inline uint16_t os_listener_port(struct os_listener *listener)
{
	return listener->net->ops->listener_port(listener);
}

static inline void os_listener_close(struct os_listener *listener)
{
	if (listener)
		listener->net->ops->listener_close(listener);
}

/* Connects in the background; what is sent before it stands is kept. A refusal is told by closed(). */
static inline pyr_result os_net_connect(struct os_net *net, const char *host, uint16_t port,
                                        const struct os_connection_handler *handler, void *context,
                                        struct os_connection **ret_connection)
{
	return net->ops->connect(net, host, port, handler, context, ret_connection);
}

/* Begins to receive. */
static inline void os_connection_start(struct os_connection *connection, const struct os_connection_handler *handler,
                                       void *context)
{
	connection->net->ops->start(connection, handler, context);
}

/* Hands a connection that was not started to another loop's net, of the same kind: `accepted` is called there, on its
 * thread, with a connection of that net. This one is gone. */
static inline void os_connection_move(struct os_connection *connection, struct os_net *net, os_accepted *accepted,
                                      void *context)
{
	connection->net->ops->move(connection, net, accepted, context);
}

/* Queues bytes for the peer, in order; takes over the slices' references (and zeroes them). */
static inline void os_connection_send(struct os_connection *connection, struct base_slice *slices, size_t slice_count)
{
	connection->net->ops->send(connection, slices, slice_count);
}

/* Bytes handed to send that have not left yet. */
static inline size_t os_connection_queued_bytes(const struct os_connection *connection)
{
	return connection->net->ops->queued_bytes(connection);
}

static inline void os_connection_pause(struct os_connection *connection)
{
	connection->net->ops->pause(connection);
}

static inline void os_connection_resume(struct os_connection *connection)
{
	connection->net->ops->resume(connection);
}

/* Closes once everything queued has been sent; nothing more is received. */
static inline void os_connection_finish(struct os_connection *connection)
{
	connection->net->ops->finish(connection);
}

/* Closes now; what is queued is dropped. closed() follows. Closing twice is fine. */
static inline void os_connection_close(struct os_connection *connection)
{
	connection->net->ops->close(connection);
}

#endif
