"""Producers' numbers are Scarab IDs of the node: rising, and none comes again after a SIGKILL; groups with the slot map beside."""
import struct

import raw

INIT_PRODUCER_ID, FIND_COORDINATOR = 22, 10
NODE_MASK, COUNT_BITS = (1 << 11) - 1, 12


def take(node, count):
    """Asks one after the other on one connection, version 0: no transactional id."""
    taken = []
    with raw.Connection(node) as connection:
        for _ in range(count):
            response = connection.ask(raw.request(INIT_PRODUCER_ID, 0, struct.pack(">hi", -1, 60000)))
            error, number, epoch = struct.unpack_from(">hqh", response, 12)
            assert (error, epoch) == (0, 0)
            taken.append(number)
    return taken


def test_producers_numbers_come_once(new_node):
    node = new_node("--shards", "2", "--id-node", "77")
    taken = []
    for _ in range(3):
        taken.append(take(node, 600))
        taken.append(take(node, 3))
        node.kill()
        node.start()
    taken.append(take(node, 3))
    node.stop()
    flat = [number for numbers in taken for number in numbers]
    assert len(set(flat)) == len(flat)
    assert all(numbers == sorted(numbers) for numbers in taken)
    assert {number >> COUNT_BITS & NODE_MASK for number in flat} == {77}


def test_a_group_is_found_by_its_slot(new_node):
    """With the Pharaoh services beside: this node owns every slot, and is every group's coordinator."""
    node = new_node("--pharaoh-port", "0")
    with raw.Connection(node) as connection:
        for group in (b"a", b"another", b"\xff" * 200):
            body = struct.pack(">h", len(group)) + group
            error, node_id = struct.unpack_from(">hi", connection.ask(raw.request(FIND_COORDINATOR, 0, body)), 8)
            assert (error, node_id) == (0, 1)
    node.stop()
