"""A load generator for one HTTP request, repeated: closed loop over keep-alive connections, one thread, epoll.

wrk's place where wrk is not installed. A request is sent as one ready-made block of bytes and its answer is only
measured off, which costs a tenth of what the fastest server here needs to answer; so the generator is not the
bottleneck. Every connection has one request under way.
"""

from __future__ import annotations

import select
import socket
import time
from array import array
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Load:
    """What a run measured. Latencies in seconds, ascending; `failures` are answers of another status than expected."""

    seconds: float
    latencies: array[float]
    failures: int

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency that this share (0..1) of the requests stays below, in ms."""
        if not self.latencies:
            return float("nan")
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))] * 1000


def post(path: str, body: bytes, content_type: str) -> bytes:
    """A POST request as bytes, with the headers that a browser sends."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
        "Origin: https://shop.example\r\nReferer: https://shop.example/\r\nAccept: */*\r\n\r\n"
    )
    return head.encode() + body


def run_load(url: str, request: bytes, *, connections: int, seconds: float, status: int = 200) -> Load:
    """Send `request` over `connections` for `seconds` and time each answer. The first fifth of the time warms up."""
    host, _, port = urlsplit(url).netloc.partition(":")
    expected = f"HTTP/1.1 {status} ".encode()
    poll = select.epoll()
    sockets: dict[int, socket.socket] = {}
    sent: dict[int, float] = {}
    for _ in range(connections):
        connection = socket.create_connection((host, int(port)), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[connection.fileno()] = connection
        poll.register(connection.fileno(), select.EPOLLIN)
    latencies = array("d")
    failures = 0
    started = time.perf_counter()
    measured_from = started + seconds / 5
    end = started + seconds
    for number, connection in sockets.items():
        sent[number] = time.perf_counter()
        connection.sendall(request)
    try:
        while (now := time.perf_counter()) < end:
            for number, _ in poll.poll(0.1):
                connection = sockets[number]
                answer = connection.recv(65536)
                while not _is_whole(answer):
                    more = connection.recv(65536)
                    if not more:
                        raise ConnectionError("the server closed a connection")
                    answer += more
                now = time.perf_counter()
                if now >= measured_from:
                    latencies.append(now - sent[number])
                    failures += not answer.startswith(expected)
                sent[number] = now
                connection.sendall(request)
    finally:
        for connection in sockets.values():
            connection.close()
        poll.close()
    return Load(now - measured_from, array("d", sorted(latencies)), failures)


def _is_whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator:
        return False
    position = head.find(b"content-length: ")
    return position < 0 or len(body) >= int(head[position + 16 :].partition(b"\r")[0])
