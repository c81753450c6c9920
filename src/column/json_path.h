/* The trie that json.c descends. */
#ifndef PYRALOG_COLUMN_JSON_PATH_H
#define PYRALOG_COLUMN_JSON_PATH_H

#include "column/json.h"

struct column_json_node;

const struct column_json_node *column_json_root(const struct column_json_paths *paths);
/* NULL: no path goes on there. */
const struct column_json_node *column_json_child_named(const struct column_json_paths *paths,
                                                       const struct column_json_node *node,
                                                       const struct column_json *name);
const struct column_json_node *column_json_child_at(const struct column_json_paths *paths,
                                                    const struct column_json_node *node, uint32_t place);
/* Its own below column_json_node_count(), which is at most COLUMN_JSON_NODES_MAX. */
size_t column_json_node_number(const struct column_json_paths *paths, const struct column_json_node *node);
size_t column_json_node_count(const struct column_json_paths *paths);
/* Notes the value for every path that ends here. */
void column_json_node_found(const struct column_json_paths *paths, const struct column_json_node *node,
                            const struct column_json *value, struct column_json *found);

#endif
