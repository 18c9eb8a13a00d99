"""Sums the revenue of each product from the events `order_completed` of payments.

A third service in Python. It knows the published contract (docs/events.md) and nothing else. The sums
lie in a Redis of its own: `HGETALL revenue` shows whole minor units (cents) for each product.
"""

import logging
import os
import re
import signal
import socket
import sys
import time

import redis
from redis.backoff import ExponentialWithJitterBackoff

STREAM = "order_completed"
GROUP = "revenue-python"
EVENT_TYPE = b"order.completed.v1"

# Entries of one read, and of one call of COUNT_ORDERS.
BATCH = 100
# How long a read waits for a new entry. A signal is noticed after at most this time.
BLOCK_MS = 2_000
# Longest wait for an answer. Longer than BLOCK_MS, so that a waiting read does not count as a broken
# connection.
ANSWER_LIMIT_S = 10
# Waits after failures in a row, with jitter.
BACKOFF = ExponentialWithJitterBackoff(cap=5.0, base=0.05)
# The most dead letters that are kept.
MAX_DEAD_LETTERS = 10_000

MONEY = re.compile(rb"(0|[1-9][0-9]{0,9})\.[0-9]{2}")
UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# The effect of a batch: each order is counted if its `ce_id` was not counted before. Both writes of an
# order are one step, so a crash leaves both or neither. After a crash the batch is delivered again.
COUNT_ORDERS = """
local counted = 0
for i = 1, #ARGV, 3 do
  local ce_id, product, minor = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('SISMEMBER', KEYS[1], ce_id) == 0 then
    redis.call('HINCRBY', KEYS[2], product, minor)
    redis.call('SADD', KEYS[1], ce_id)
    counted = counted + 1
  end
end
return counted
"""

log = logging.getLogger("revenue")


class Consumer:
    def __init__(self, stream_url, own_url, name, reclaim_idle_ms):
        options = {"socket_timeout": ANSWER_LIMIT_S, "socket_connect_timeout": ANSWER_LIMIT_S}
        self.stream = redis.Redis.from_url(stream_url, protocol=2, **options)
        self.own = redis.Redis.from_url(own_url, protocol=2, **options)
        self.count_orders = self.own.register_script(COUNT_ORDERS)
        self.name = name
        self.reclaim_idle_ms = reclaim_idle_ms
        self.reclaim_at = 0.0
        self.stopping = False

    def run(self):
        """Consumes until the process is to stop. A failure leaves pending entries, which are read again."""
        failures = 0
        while not self.stopping:
            try:
                self.ensure_group()
                self.settle_own_pending()
                log.info("reading %s as %s of %s", STREAM, self.name, GROUP)
                while not self.stopping:
                    self.reclaim()
                    self.settle(self.read(">", BLOCK_MS))
                    failures = 0
            except redis.RedisError as error:
                failures += 1
                log.warning("failure %d: %s", failures, error)
                self.pause(BACKOFF.compute(failures))

    def stop(self, *_):
        """Handles a signal. It takes no lock, because the signal may interrupt any line."""
        self.stopping = True

    def pause(self, seconds):
        """Waits after a failure. A signal is noticed after at most a tenth of a second."""
        until = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < until:
            time.sleep(0.1)

    def ensure_group(self):
        """Makes the group at the beginning of the stream, so that it misses no entry."""
        try:
            self.stream.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def settle_own_pending(self):
        """Settles the entries that this consumer held when it died."""
        while not self.stopping and (entries := self.read("0", None)):
            self.settle(entries)

    def reclaim(self):
        """Takes over the entries that a dead consumer of the group held for a while."""
        if time.monotonic() < self.reclaim_at:
            return
        cursor = "0-0"
        while not self.stopping:
            cursor, entries, trimmed = self.stream.xautoclaim(
                STREAM, GROUP, self.name, self.reclaim_idle_ms, cursor, count=BATCH
            )
            if trimmed:
                log.error("%d entries were trimmed before this group acknowledged them", len(trimmed))
            self.settle(entries)
            if cursor == b"0-0":
                break
        self.reclaim_at = time.monotonic() + self.reclaim_idle_ms / 1_000

    def read(self, after, block_ms):
        answer = self.stream.xreadgroup(GROUP, self.name, {STREAM: after}, count=BATCH, block=block_ms)
        return answer[0][1] if answer else []

    def settle(self, entries):
        """Stores the effect of each entry first, and acknowledges the entries last."""
        if not entries:
            return
        orders = []
        for entry_id, fields in entries:
            try:
                orders += read_order(fields)
            except ValueError as error:
                self.park(entry_id, fields, str(error))
        if orders:
            counted = self.count_orders(keys=["seen", "revenue"], args=orders)
            log.info("counted %d of %d orders", counted, len(orders) // 3)
        self.stream.xack(STREAM, GROUP, *(entry_id for entry_id, _ in entries))

    def park(self, entry_id, fields, reason):
        """Keeps an entry that cannot be read, with all its bytes, for a person."""
        letter = {b"dl_entry_id": entry_id, b"dl_reason": reason.encode(), **(fields or {})}
        self.own.xadd("dead_letters", letter, maxlen=MAX_DEAD_LETTERS, approximate=True)
        log.error("parked %s: %s", entry_id.decode(), reason)


def read_order(fields):
    """The `ce_id`, the product, and the total in minor units. Fields that it does not know are ignored."""
    if not fields:
        raise ValueError("the entry was trimmed before this group acknowledged it")
    if fields.get(b"ce_type") != EVENT_TYPE:
        raise ValueError(f"unknown event type {fields.get(b'ce_type')!r}")
    ce_id, product, total = (fields.get(name) for name in (b"ce_id", b"product_id", b"total"))
    if not ce_id:
        raise ValueError("ce_id is missing")
    if not UUID.fullmatch(product or b""):
        raise ValueError(f"product_id is {product!r}")
    if not MONEY.fullmatch(total or b""):
        raise ValueError(f"total is {total!r}")
    return ce_id, product, int(total.replace(b".", b""))


def setting(name, default=""):
    return os.environ.get(name) or default or sys.exit(f"{name} is not set")


def main():
    idle = setting("RECLAIM_IDLE_MS", "30000")
    if not re.fullmatch("[1-9][0-9]{0,8}", idle):
        sys.exit("RECLAIM_IDLE_MS is not a whole number from 1 to 999999999")
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    consumer = Consumer(
        setting("PAYMENTS_REDIS_URL"),
        setting("REVENUE_REDIS_URL"),
        setting("CONSUMER_NAME", socket.gethostname()),
        int(idle),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, consumer.stop)
    consumer.run()
    log.info("stopped")


if __name__ == "__main__":
    main()
