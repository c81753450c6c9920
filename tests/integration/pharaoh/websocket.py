"""A WebSocket client by hand (RFC 6455): text messages of up to 64 KiB, in one frame each."""
import base64
import os
import socket
import struct


class WebSocket:
    def __init__(self, port, path, seconds=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        self.left = b""
        while b"\r\n\r\n" not in self.left:
            self.left += self.more()
        head, _, self.left = self.left.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head

    def more(self):
        data = self.socket.recv(1 << 16)
        assert data, "the connection is closed"
        return data

    def take(self, count):
        while len(self.left) < count:
            self.left += self.more()
        data, self.left = self.left[:count], self.left[count:]
        return data

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        size = struct.pack("!B", 0x80 | len(data)) if len(data) < 126 else struct.pack("!BH", 0x80 | 126, len(data))
        self.socket.sendall(b"\x81" + size + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def receive(self):
        while True:
            opcode, size = self.take(2)
            if size == 126:
                size = struct.unpack("!H", self.take(2))[0]
            data = self.take(size)
            if opcode == 0x81:
                return data.decode()

    def close(self):
        self.socket.close()
