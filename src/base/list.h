/* Intrusive doubly linked list with a sentinel head; a node is in one list at most. One owner thread. */
#ifndef PYRALOG_BASE_LIST_H
#define PYRALOG_BASE_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct base_list {
	struct base_list *next;
	struct base_list *previous;
};

static inline void base_list_init(struct base_list *head)
{
	head->next = head->previous = head;
}

static inline bool base_list_empty(const struct base_list *head)
{
	return head->next == head;
}

static inline void base_list_append(struct base_list *head, struct base_list *node)
{
	assert(head->previous); /* initialised */
	node->next = head;
	node->previous = head->previous;
	head->previous->next = node;
	head->previous = node;
}

/* Leaves the node linked to itself, so that removing it twice is harmless. */
static inline void base_list_remove(struct base_list *node)
{
	node->previous->next = node->next;
	node->next->previous = node->previous;
	base_list_init(node);
}

/* Moves all of `from` to the end of `to`. */
static inline void base_list_splice(struct base_list *to, struct base_list *from)
{
	if (base_list_empty(from))
		return;
	from->next->previous = to->previous;
	to->previous->next = from->next;
	from->previous->next = to;
	to->previous = from->previous;
	base_list_init(from);
}

static inline struct base_list *base_list_pop(struct base_list *head)
{
	struct base_list *node = head->next;
	if (node == head)
		return NULL;
	base_list_remove(node);
	return node;
}

#endif
