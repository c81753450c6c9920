"""Nodes of the role obelisk for the tests of the Pharaoh network."""
import pytest
from wire import Client


@pytest.fixture
def obelisk(new_node):
    """Makes nodes that serve the Pharaoh port alone."""

    def make(*arguments):
        return new_node("--roles", "obelisk", "--pharaoh-port", "0", *arguments)

    return make


@pytest.fixture
def connect():
    clients = []

    def make(node):
        clients.append(Client(node.ports["pharaoh"]))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
