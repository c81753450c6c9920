/* Shared by the files of this folder. */
#ifndef PYRALOG_SERVER_OPS_OPS_PRIV_H
#define PYRALOG_SERVER_OPS_OPS_PRIV_H

#include "node/lags.h"
#include "server/ops/ops.h"

/* The page, of all values and lags: {NULL} when memory is out. */
struct base_slice ops_page(const struct node *node, const int64_t *values, const struct node_lags *lags);

#endif
