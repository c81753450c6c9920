/* JSON-RPC 2.0 (jsonrpc.org/specification) to the services of a Pharaoh node: POST /rpc, and WebSocket /rpc for waiting.
 *
 * A call is a request of the binary protocol with names for numbers: the same ask on the same loop. Numbers of 64 bits are texts,
 * as JavaScript has no integers of that size; both are taken. Batches are answered when all of their calls are. docs/PHARAOH.md.
 *
 *   HTTP thread: text -> calls  --post-->  the node's loop: asks, replies -> text  -->  the answer
 *
 * Limits: bytes of a text, calls of a batch. Failure modes: JSON-RPC's own errors for texts and calls that are none; a service's
 * have the binary protocol's number and its sentence. Over HTTP a call may wait RPC_WAIT_MAX_MS. Owner: as said above.
 */
#ifndef PYRALOG_SERVER_RPC_RPC_H
#define PYRALOG_SERVER_RPC_RPC_H

#include "server/http/http.h"
#include "server/pharaoh/pharaoh.h"

enum { RPC_TEXT_MAX = 1 << 20, RPC_CALLS_MAX = 1000, RPC_WAIT_MAX_MS = 20000 };

struct rpc;

struct rpc *rpc_new(void); /* NULL: out of memory. Until rpc_open() calls are refused. */
struct http_route rpc_route(struct rpc *rpc);
struct http_socket_route rpc_socket_route(struct rpc *rpc);
/* Before the node's loop runs, or on it. */
void rpc_open(struct rpc *rpc, struct os_loop *loop, struct pharaoh_server *server);
/* On the loop, before the server is closed. */
void rpc_close(struct rpc *rpc);
void rpc_free(struct rpc *rpc); /* after the HTTP server; NULL is fine */

#endif
