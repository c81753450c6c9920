/* A data directory opened in this process for one command, and a port of PostgreSQL's protocol to it on loopback.
 *
 * Owner: the thread that opens it; the node runs on threads of its own. */
#ifndef PYRALOG_CLI_PLACE_H
#define PYRALOG_CLI_PLACE_H

#include "base/error.h"

#include <stdint.h>

struct cli_place;

/* Made if it is not there. PYR_BUSY with a sentence: another process has it. */
pyr_result cli_place_open(const char *directory, struct cli_place **ret_place, struct pyr_error *error);
uint16_t cli_place_port(const struct cli_place *place);
/* Ends what runs, makes what was acknowledged last as safe as the rest. NULL is fine. */
void cli_place_close(struct cli_place *place);

#endif
