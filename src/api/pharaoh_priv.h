/* What the ways to Pharaoh services share: a call on its caller's stack, which a loop carries out (see pyralog/pharaoh.h).
 *
 * The caller posts the call and waits; on the loop a way asks for it and gives the reply to api_pharaoh_answer(), once. */
#ifndef PYRALOG_API_PHARAOH_PRIV_H
#define PYRALOG_API_PHARAOH_PRIV_H

#include "api/api_priv.h"
#include "client/network.h"
#include "os/thread.h"
#include "pyralog/pharaoh.h"
#include "server/pharaoh/pharaoh.h"

struct api_pharaoh_call {
	struct pyr_pharaoh *pharaoh;
	struct os_task task;
	union {
		struct pharaoh_ask here;
		struct client_network_ask there;
	};
	struct codec_pharaoh request;
	uint64_t *numbers; /* where the reply's go, for number_count of them; NULL: nowhere */
	size_t number_count;
	char *value; /* the same, PYR_PHARAOH_VALUE_MAX + 1 */
	struct codec_pharaoh reply; /* without what it borrowed */
	pyr_result result;
	struct pyr_error error;
	struct os_mutex lock;
	struct os_condition answered;
	bool done;
};

struct pyr_pharaoh {
	struct os_loop *loop;
	uint64_t timeout_us;
	void (*ask)(struct pyr_pharaoh *pharaoh, struct api_pharaoh_call *call); /* on the loop */
	void (*close)(struct pyr_pharaoh *pharaoh); /* frees it */
};

/* `reply` and `error` may be NULL. On the loop; the call is its caller's again afterwards. */
void api_pharaoh_answer(struct api_pharaoh_call *call, pyr_result result, const struct codec_pharaoh *reply,
                        const struct pyr_error *error);
struct pyr_pharaoh_options api_pharaoh_options(const struct pyr_pharaoh_options *given);

/* A task that its caller waits for, on a loop that runs. */
void api_pharaoh_on_loop(struct os_loop *loop, void (*run)(void *context), void *context);

#endif
