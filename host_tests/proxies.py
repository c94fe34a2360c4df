"""A proxy in front of boards, as a reverse proxy that somebody has set up in a hurry is.

It runs as long as the block does:

    with Proxy({"/a/": board.port}, holds="/api/events") as proxy:
        browser.open(proxy.url + "a/")
"""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from host_tests.servers import HOST

# Fields that are about one connection (RFC 9110 7.6.1).
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length", "date", "server")


class Proxy:
    """Hands requests below each of `boards`, {prefix: port}, on to that port of this machine.

    Of answers to what ends with `holds` it sends the head, and keeps what comes for itself.
    """

    def __init__(self, boards, holds="/no such path"):
        self.boards = boards
        self.holds = holds
        self.ending = threading.Event()

    def __enter__(self) -> Proxy:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                proxy.hand_on(self)

            do_PUT = do_POST = do_DELETE = do_GET

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://{HOST}:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self.ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def hand_on(self, handler):
        prefix = max((one for one in self.boards if handler.path.startswith(one)), key=len)
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        connection = http.client.HTTPConnection(HOST, self.boards[prefix], timeout=30)
        fields = {name: value for name, value in handler.headers.items() if name.lower() not in HOP_BY_HOP}
        try:
            connection.request(handler.command, handler.path[len(prefix) - 1 :], body or None, fields)
            answer = connection.getresponse()
            handler.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    handler.send_header(name, value)
            handler.send_header("Connection", "close")
            handler.end_headers()
            if handler.path.split("?")[0].endswith(self.holds):
                self.ending.wait()
            while piece := answer.read1(65536):
                handler.wfile.write(piece)
                handler.wfile.flush()
        except OSError:
            pass  # either side has gone
        finally:
            connection.close()
