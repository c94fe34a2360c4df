"""The floor: a poll loop with one answer to everything, never looking at what was asked.

PATH tells the answer, "/api/status" a fixed string, else that file of FOLDER; MODE "close" closes after each.
"""

import os
import select
import socket
import sys

from mark import mark

mark("imports")

JSON = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: 20\r\n\r\n{"ok": true, "n": 1}'
FILE = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n%sContent-Length: %d\r\n\r\n"

# Two segments of lwIP's.
FILE_BUFFER_BYTES = 2880


def file_sender(path, connection):
    """Return a function that sends the file, its head and first bytes in one write."""
    buffer = bytearray(FILE_BUFFER_BYTES)
    view = memoryview(buffer)
    head = FILE % (connection, os.stat(path)[6])
    at = len(head)

    def send(sock):
        sock.setblocking(True)
        view[:at] = head
        with open(path, "rb") as file:
            used = at + file.readinto(view[at:])
            while used:
                sock.write(view[:used])
                used = file.readinto(buffer)
        sock.setblocking(False)

    return send


def serve(port, folder, path, mode):
    closes = mode == "close"
    connection = b"Connection: close\r\n" if closes else b""
    text = send = None
    if path == "/api/status":
        text = JSON % connection
    else:
        send = file_sender(folder + path, connection)
    buffer = bytearray(1024)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(socket.getaddrinfo("127.0.0.1", int(port))[0][-1])
    listener.listen(8)
    poller = select.poll()
    poller.register(listener, select.POLLIN)
    mark("listening")
    while True:
        for sock, _ in poller.ipoll():
            if sock is listener:
                sock = listener.accept()[0]
                sock.setblocking(False)
                if not closes:
                    poller.register(sock, select.POLLIN)
            got = sock.readinto(buffer)
            if got:
                if text:
                    sock.write(text)
                else:
                    send(sock)
            if got is None:
                poller.register(sock, select.POLLIN)
            elif got == 0 or closes:
                poller.unregister(sock)
                sock.close()


mark("app")
serve(*sys.argv[1:5])
