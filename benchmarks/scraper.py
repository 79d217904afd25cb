"""Asks for a metrics page again and again, in a process of its own.

    python -m benchmarks.scraper PORT EVERY_S TIMES

Prints a JSON list of `[seconds, bytes]`. Apart, because reading a page of some megabytes would
hold up a client that measures latencies in the same process.
"""

import http.client
import json
import sys
import time


def scraped(port: int, every_s: float, times: int) -> list[tuple[float, int]]:
    """Ask so often, at a steady pace; gives seconds and bytes of each page."""
    found = []
    began = time.perf_counter()
    for number in range(times):
        time.sleep(max(0.0, began + number * every_s - time.perf_counter()))
        asked = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        size = len(answer.read())
        found.append((time.perf_counter() - asked, size))
        connection.close()
        if answer.status != http.client.OK:
            raise RuntimeError(f"the metrics page came with status {answer.status}")
    return found


if __name__ == "__main__":
    port, every_s, times = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    print(json.dumps(scraped(port, every_s, times)))  # noqa: T201 - read by the parent
